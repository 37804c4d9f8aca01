"""What of a document waits for acceptance, and the voorstellen that ask it. Inside the transaction of an apply.

In productie the command line only asks: what says who may call (IDPs, taaksystemen, mandates, machtigingen) becomes a
voorstel to the tenant's beheerder, of what differs and nothing else. What differs is found by doing it and taking it back.
What rests on another tenant that has not accepted its own part yet waits, and is asked at a later apply.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, cast

import asyncpg

from tenants.admins import Admin
from tenants.beheer_tokens import BeheerTokens
from tenants.faults import InputRefused, RegistryError
from tenants.onboarding_callers import apply_machtigingen, apply_mandates, apply_taaksystemen, apply_vaste_aansluitingen
from tenants.onboarding_document import MachtigingPart, MandatePart, TaaksysteemPart, TenantPart
from tenants.onboarding_held import HeldPart, HeldTaaksysteem
from tenants.onboarding_proofs import IdpPart
from tenants.onboarding_work import Work
from tenants.scope import tenant_scope
from tenants.voorstellen import decide, list_voorstellen

ACTOR: Final = "opdrachtregel"
MOST_BYTES: Final = 100_000
"""Of one voorstel: the table keeps no larger one, and nobody reads it."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A voorstel that stands: its number, and what it asks."""

    tenant_oin: str
    number: int
    held: HeldPart
    already: bool
    """Whether it stood before this apply."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A part of the document that cannot be asked yet, and why."""

    tenant_oin: str
    what: str
    why: str


@dataclass(slots=True)
class Difference:
    """What of one tenant's held parts differs, as it is found."""

    idps: list[IdpPart] = field(default_factory=list)
    taaksystemen: dict[tuple[str, str], TaaksysteemPart] = field(default_factory=dict)
    mandates: list[MandatePart] = field(default_factory=list)
    machtigingen: list[MachtigingPart] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def split(part: TenantPart, kinds: dict[str, str]) -> tuple[TenantPart, TenantPart]:
    """A tenant's part in two: what is done at once, and what its beheerder accepts. `kinds` is that of each environment."""

    def is_proef(environment: str) -> bool:
        return kinds.get(environment) == "proef"

    now = part.model_copy(
        update={
            "idps": (),
            "mandates": (),
            "taaksystemen": tuple(one for one in part.taaksystemen if is_proef(one.environment)),
            "machtigingen": tuple(one for one in part.machtigingen if is_proef(one.environment)),
        }
    )
    later = part.model_copy(
        update={
            "taaksystemen": tuple(one for one in part.taaksystemen if not is_proef(one.environment)),
            "machtigingen": tuple(one for one in part.machtigingen if not is_proef(one.environment)),
        }
    )
    return now, later


async def find_difference(work: Work, part: TenantPart) -> Difference:
    """Do each of a tenant's held parts, note which changed anything, and take everything back. In the tenant's scope."""
    found = Difference()
    tenant_id = work.tenants[part.oin]
    trial = work.connection.transaction()
    await trial.start()
    try:
        async with tenant_scope(work.connection, tenant_id, actor="beheerder/0 (voorstel 0)"):
            doing = replace(work, actor="beheerder/0 (voorstel 0)", made=Counter(), changed=Counter(), secrets=[])
            await _find(doing, part, found)
    finally:
        await trial.rollback()
    return found


async def _find(work: Work, part: TenantPart, found: Difference) -> None:
    bare = part.model_copy(update={"idps": (), "taaksystemen": (), "mandates": (), "machtigingen": ()})
    for idp in part.idps:
        if await _differs(work, found, f"IDP {idp.name}", apply_taaksystemen, bare.model_copy(update={"idps": (idp,)})):
            found.idps.append(idp)
    for one in part.taaksystemen:
        only = bare.model_copy(update={"taaksystemen": (one,)})
        if await _differs(work, found, f"taaksysteem {one.name}", apply_taaksystemen, only):
            found.taaksystemen[one.name, one.environment] = one.model_copy(update={"vaste_aansluiting": None})
    for mandate in part.mandates:
        only = bare.model_copy(update={"mandates": (mandate,)})
        if await _differs(work, found, f"mandate to {mandate.to}", apply_mandates, only):
            found.mandates.append(mandate)
    await _find_use(work, part, bare, found)


async def _find_use(work: Work, part: TenantPart, bare: TenantPart, found: Difference) -> None:
    for one in part.taaksystemen:
        if one.vaste_aansluiting is None:
            continue
        other = one.vaste_aansluiting.tenant not in {None, part.oin}
        only = bare.model_copy(update={"taaksystemen": (one,)})
        what = f"vaste aansluiting of taaksysteem {one.name}"
        if await _differs(work, found, what, apply_vaste_aansluitingen, only, may_wait=other):
            found.taaksystemen[one.name, one.environment] = one
    for machtiging in part.machtigingen:
        other = machtiging.taaksysteem.tenant not in {None, part.oin}
        only = bare.model_copy(update={"machtigingen": (machtiging,)})
        what = f"machtiging of {machtiging.taaksysteem.name} for {machtiging.afnemer_id} ({machtiging.doelbinding})"
        if await _differs(work, found, what, apply_machtigingen, only, may_wait=other):
            found.machtigingen.append(machtiging)


async def _differs(
    work: Work,
    found: Difference,
    what: str,
    apply: Callable[[Work, TenantPart], Awaitable[None]],
    only: TenantPart,
    *,
    may_wait: bool = False,
) -> bool:
    before = work.made.total() + work.changed.total()
    try:
        async with work.connection.transaction():
            await apply(work, only)
    except InputRefused as refusal:
        if may_wait:
            found.waiting.append(Waiting(only.oin, what, " ".join(refusal.faults)))
        else:
            found.faults += (f"{what}: {fault}" for fault in refusal.faults)
        return False
    except asyncpg.IntegrityConstraintViolationError as error:
        found.faults.append(f"{what}: the registry refuses this: {error.constraint_name} of {error.table_name}.")
        return False
    return work.made.total() + work.changed.total() > before


async def propose_difference(work: Work, oin: str, found: Difference) -> tuple[list[Proposed], list[Waiting]]:
    """Keep voorstellen of what differs, and take back older ones of the command line that ask something else."""
    tenant_id = work.tenants[oin]
    stood = await _standing(work, tenant_id)
    made: list[Proposed] = []
    waiting = list(found.waiting)
    for held in chunks(found):
        try:
            async with work.connection.transaction():
                number = await _propose(work, tenant_id, held)
        except RegistryError as error:
            waiting.append(Waiting(oin, f"{len(held.machtigingen)} machtigingen", str(error).replace("\n", " ")))
            continue
        made.append(Proposed(oin, number, held, number in stood))
    async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
        for number in stood - {one.number for one in made}:
            await decide(work.connection, tenant_id, number, "ingetrokken", reason="Vervangen door een later document.")
    return made, waiting


def chunks(found: Difference) -> Iterator[HeldPart]:
    """What differs as one voorstel; as several when it is too large for one, the machtigingen last."""
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
    first = HeldPart(idps=tuple(found.idps), taaksystemen=taaksystemen, mandates=tuple(found.mandates))
    held, size = first, len(first.model_dump_json())
    for machtiging in found.machtigingen:
        length = len(machtiging.model_dump_json()) + 1
        if size + length > MOST_BYTES and not held.is_empty:
            yield held
            held, size = HeldPart(), 0
        held = held.model_copy(update={"machtigingen": (*held.machtigingen, machtiging)})
        size += length
    if not held.is_empty:
        yield held


async def _standing(work: Work, tenant_id: int) -> set[int]:
    from tenants.api.configuratie import ROUTE  # noqa: PLC0415 - the routes are loaded when something is asked

    async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
        stood = await list_voorstellen(work.connection, tenant_id, state="open", of_operator=True, limit=10_000)
    return {one.number for one in stood if one.request.route == ROUTE and one.proposed_by == ACTOR}


async def _propose(work: Work, tenant_id: int, held: HeldPart) -> int:
    from tenants.api.configuratie import CONFIGURATIE_ROUTES, ROUTE  # noqa: PLC0415
    from tenants.api.proposing import as_accepted, propose  # noqa: PLC0415
    from tenants.api.routing import Asked, Rooms  # noqa: PLC0415

    route = next(one for one in CONFIGURATIE_ROUTES if one.name == ROUTE)
    # As it will be read back: what is canonical is what was said, and nothing that was filled in.
    body = HeldPart.model_validate_json(json.dumps(held.model_dump(mode="json", exclude_defaults=True)))
    nothing = cast("asyncpg.Pool", None)
    rooms = Rooms(nothing, nothing, work.identity, work.register, 0, {}, cast("BeheerTokens", None))
    asked = Asked(rooms, None, {}, None, body, tenant_id, actor=ACTOR, connection=work.connection)
    closed = as_accepted(asked, "beheerder", number=0, actor=ACTOR)
    answer = await propose(route, replace(closed, admin=Admin(0, "operator", None)))
    if answer is None:
        raise RuntimeError("What the command line asks is a voorstel.")
    return int(answer.headers["Location"].rpartition("/")[2])
