"""Makes voorstellen of what differs, as the operator does by the API, and takes back older ones that ask something else.

What differs of a tenant is one voorstel (`POST /v1/configuratie`); an exception to the certificate rule is one of its own, as
two decide on it: the beheerder asks by accepting, and an auditor grants with the article. How a register is kept is asked as the
API asks it. Inside the transaction of an apply.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import asyncpg

from tenants.admins import Admin
from tenants.beheer_tokens import BeheerTokens
from tenants.faults import RegistryError
from tenants.gitops.holding import Difference, Waiting, made_up_keys
from tenants.onboarding_document import TenantPart
from tenants.onboarding_held import HeldPart, HeldTaaksysteem
from tenants.onboarding_names import find_tenant
from tenants.onboarding_patterns import find_lending, standing_exception
from tenants.onboarding_register import ask_register
from tenants.onboarding_shapes import ExceptionPart
from tenants.onboarding_work import Work
from tenants.register_asking import ROUTE as REGISTER
from tenants.scope import tenant_scope
from tenants.voorstellen import Accepts, Voorstel, decide, list_voorstellen

ACTOR: Final = "opdrachtregel"
MOST_BYTES: Final = 100_000
"""Of one voorstel: the table keeps no larger one, and nobody reads it."""
EXCEPTION: Final = "maakUitzondering"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A voorstel that stands: its number, and what it asks. An exception is asked alone."""

    tenant_oin: str
    number: int
    held: HeldPart
    already: bool
    """Whether it stood before this apply."""
    exception: ExceptionPart | None = None
    register: str | None = None
    """What is asked of how the register is kept, as the API asks it (JSON). Asked alone."""
    accepts: Accepts = "beheerder"


async def propose_difference(work: Work, part: TenantPart, found: Difference) -> tuple[list[Proposed], list[Waiting]]:
    """Keep voorstellen of what differs, and take back older ones of the command line that ask something else."""
    oin, tenant_id = part.oin, work.tenants[part.oin]
    async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
        stood = await list_voorstellen(work.connection, tenant_id, state="open", limit=10_000)
    made: list[Proposed] = []
    waiting = list(found.waiting)
    for held in chunks(found):
        try:
            async with work.connection.transaction():
                number = await _propose(work, tenant_id, _configuratie(), _canonical(held))
        except RegistryError as error:
            # What is too large for one voorstel leans on what stands in the one before it.
            why = "It follows on the voorstel before it." if made else str(error).replace("\n", " ")
            waiting.append(Waiting(oin, told(held), why))
            continue
        made.append(Proposed(oin, number, held, number in {one.number for one in stood}))
    if (asked := await ask_register(work, part)) is not None:
        already = asked.number in {one.number for one in stood}
        made.append(Proposed(oin, asked.number, HeldPart(), already, register=asked.body, accepts=asked.accepts))
    exceptions, waits = await _propose_exceptions(work, part, stood)
    made += exceptions
    async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
        for number in _ours(stood) - {one.number for one in made}:
            await decide(work.connection, tenant_id, number, "ingetrokken", reason="Vervangen door een later document.")
    return made, [*waiting, *waits]


def told(held: HeldPart) -> str:
    """What a voorstel asks, counted."""
    return ", ".join(f"{len(getattr(held, name))} {name}" for name in HeldPart.model_fields if getattr(held, name))


def chunks(found: Difference) -> Iterator[HeldPart]:
    """What differs as one voorstel; as several when it is too large for one, machtigingen and aansluitingen last."""
    taaksystemen = tuple(
        HeldTaaksysteem(
            **{
                name: getattr(one, name)
                for name in ("name", "environment", "api_key", "vaste_aansluiting", "header_profile", "proofs")
            },
            gateway_clients=tuple(client.client_id for client in one.gateway_clients),
        )
        for one in found.taaksystemen.values()
    )
    names = ("checkpoint_destinations", "contacts", "agreements", "certificate_lendings", "idps", "mandates")
    first = HeldPart(taaksystemen=taaksystemen, **{name: tuple(getattr(found, name)) for name in names})
    last: list[tuple[str, Any]] = [("machtigingen", one) for one in found.machtigingen]
    last += (("aansluitingen", one) for one in found.aansluitingen)
    kept: dict[str, list[Any]] = {"machtigingen": [], "aansluitingen": []}
    size = len(first.model_dump_json())
    for name, one in last:
        length = len(one.model_dump_json()) + 1
        if size + length > MOST_BYTES and (any(kept.values()) or not first.is_empty):
            yield _with(first, kept)
            first, kept, size = HeldPart(), {"machtigingen": [], "aansluitingen": []}, 0
        kept[name].append(one)
        size += length
    whole = _with(first, kept)
    if not whole.is_empty:
        yield whole


def _with(first: HeldPart, kept: dict[str, list[Any]]) -> HeldPart:
    return first.model_copy(update={name: tuple(ones) for name, ones in kept.items()})


async def _propose_exceptions(
    work: Work, part: TenantPart, stood: Sequence[Voorstel]
) -> tuple[list[Proposed], list[Waiting]]:
    made: list[Proposed] = []
    waiting: list[Waiting] = []
    tenant_id = work.tenants[part.oin]
    for one in part.certificate_exceptions:
        what = f"exception of {one.afnemer_id} for a certificate of {one.holder}"
        try:
            async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
                if await standing_exception(work, tenant_id, one.afnemer_id, one.holder) is not None:
                    continue
                holder = await find_tenant(work, one.holder)
                lending = await find_lending(work, holder, tenant_id)
            if lending is None:
                waiting.append(Waiting(part.oin, what, f"The tenant with OIN {one.holder} lends no certificate yet."))
                continue
            body = _exception_body(one, holder, lending)
            asked = next((it for it in stood if it.request.route == EXCEPTION and _same(it, body)), None)
            if asked is None:
                async with work.connection.transaction():
                    number = await _propose(work, tenant_id, _uitzondering(), body)
            else:
                number = asked.number
        except (RegistryError, asyncpg.IntegrityConstraintViolationError) as error:
            words = str(error).replace("\n", " ") if isinstance(error, RegistryError) else "The registry refuses this."
            waiting.append(Waiting(part.oin, what, words))
            continue
        made.append(Proposed(part.oin, number, HeldPart(), asked is not None, one))
    return made, waiting


def _same(one: Voorstel, body: Any) -> bool:
    """Whether a voorstel, of whoever, asks just this: by now it may be the beheerder's, for the auditor."""
    wanted = json.loads(body.model_dump_json(by_alias=True, exclude_unset=True))
    return one.request.body is not None and json.loads(one.request.body) == wanted


def _ours(stood: Sequence[Voorstel]) -> set[int]:
    routes = {_configuratie().name, EXCEPTION, REGISTER}
    return {one.number for one in stood if one.request.route in routes and one.proposed_by == ACTOR}


def _canonical(held: HeldPart) -> HeldPart:
    """As it will be read back: what is canonical is what was said, and nothing that was filled in."""
    return HeldPart.model_validate_json(json.dumps(held.model_dump(mode="json", exclude_defaults=True)))


def _configuratie() -> Any:
    from tenants.api.configuratie import CONFIGURATIE_ROUTES, ROUTE  # noqa: PLC0415 - loaded when something is asked

    return next(one for one in CONFIGURATIE_ROUTES if one.name == ROUTE)


def _uitzondering() -> Any:
    from tenants.api.uitzonderingen import UITZONDERING_ROUTES  # noqa: PLC0415

    # By the API a beheerder asks it. What the operator asks is asked of that beheerder, who by accepting asks the auditor.
    return replace(next(one for one in UITZONDERING_ROUTES if one.name == EXCEPTION), voorstelbaar=True)


def _exception_body(one: ExceptionPart, holder: int, lending: int) -> Any:
    from tenants.api.uitzonderingen import NieuweUitzondering  # noqa: PLC0415

    body = {
        "afnemerId": one.afnemer_id, "houderTenantId": holder, "houderOin": one.holder, "uitlening": lending,
        "reden": one.reason, "artikel": one.article, "geldigTot": one.valid_until.isoformat(),
    }  # fmt: skip
    if one.valid_from is not None:
        body["geldigVan"] = one.valid_from.isoformat()
    return NieuweUitzondering.model_validate_json(json.dumps(body))


async def _propose(work: Work, tenant_id: int, route: Any, body: Any) -> int:
    from tenants.api.proposing import as_accepted, propose  # noqa: PLC0415
    from tenants.api.routing import Asked, Rooms  # noqa: PLC0415

    nothing = cast("asyncpg.Pool", None)
    rooms = Rooms(
        nothing, nothing, work.identity, work.register, 0, {}, cast("BeheerTokens", None),
        notice_keys=work.notices or made_up_keys(),
    )  # fmt: skip
    asked = Asked(rooms, None, {}, None, body, tenant_id, actor=ACTOR, connection=work.connection)
    closed = as_accepted(asked, "beheerder", number=0, actor=ACTOR)
    answer = await propose(route, replace(closed, admin=Admin(0, "operator", None)))
    if answer is None:
        raise RuntimeError("What the command line asks is a voorstel.")
    return int(answer.headers["Location"].rpartition("/")[2])
