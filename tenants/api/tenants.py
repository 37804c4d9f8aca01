"""Routes of tenants. The operator makes them and ends them; how a register is kept is its tenant's own choice.

What weakens it (a shorter term, less of each call) a beheerder asks and an auditor accepts.
"""

from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

import asyncpg
from pydantic import Field

from tenants import registry
from tenants.api.problems import Refused, fault
from tenants.api.registry import shape_of_tenant
from tenants.api.resources import CHANGERS, READERS, Oin, Regel, Verandering
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape, Tenant
from tenants.keyring import public_half
from tenants.overviews import TenantSeen, list_tenants
from tenants.register_asking import ask_for_register
from tenants.register_presets import is_weaker, kept_at_first, preset_of, years_kept
from tenants.scope import tenant_scope
from tenants.tenant_changes import change_tenant
from tenants.voorstellen import Accepts

Vastlegging = Literal["volledig", "rubrieken"]
_CONTENT: Final[dict[str, str]] = {"volledig": "whole", "rubrieken": "rubrieken"}
_STATES: Final[dict[str, str]] = {"actief": "active", "beeindigd": "ended"}
_OF_OPERATOR: Final = frozenset({"naam", "toestand"})


class NieuweTenant(Shape):
    """An organisation to serve. Its register is kept by the preset of its kind: whole questions and answers, for 20 years.

    Less than that becomes a voorstel, which the tenant's auditor decides on with the article that allows it. A gemeente keeps
    20 years at least (Wet BRP art. 3.22).
    """

    oin: Oin
    naam: Regel
    soort: Literal["gemeente", "overheidsorgaan", "derde", "samenwerkingsverband", "leverancier"]
    vastlegging: Vastlegging = "volledig"
    bewaartermijn_jaren: int = Field(default=20, ge=1, le=100)


class GemaakteTenant(Tenant):
    """A tenant as it was made. `voorstel` is there when less was asked than its preset."""

    voorstel: int | None = Field(
        description="Het voorstel over wat minder is dan de standaard; de auditor van de tenant beslist."
    )


class TenantVerandering(Verandering):
    """`naam` and `toestand` are the operator's, `vastlegging` and `bewaartermijnJaren` the tenant's beheerder's."""

    naam: Regel = Field(default=cast("Any", None))
    toestand: Literal["actief", "beeindigd"] = Field(default=cast("Any", None))
    vastlegging: Vastlegging = Field(default=cast("Any", None))
    bewaartermijn_jaren: int = Field(default=cast("Any", None), ge=1, le=100)


async def toon_tenant(asked: Asked) -> Answer:
    """GET: one tenant. Another's does not exist."""
    number = _own_number(asked)
    async with asked.scope() as connection:
        found = await _find(connection, number)
    return Answer(200, shape_of_tenant(found), version=found.version)


async def maak_tenant(asked: Asked) -> Answer:
    """POST: make a tenant, with the keys that its register needs this year and the next."""
    new = cast("NieuweTenant", asked.body)
    _must_be_kept(new.soort, new.bewaartermijn_jaren)
    wanted = _CONTENT[new.vastlegging], new.bewaartermijn_jaren
    content, years = kept_at_first(new.soort, *wanted)
    identity, register = public_half(asked.rooms.identity), public_half(asked.rooms.register)
    async with asked.scope() as connection:
        number = await registry.create_tenant(
            connection, oin=new.oin, name=new.naam, kind=new.soort,
            record_content=content, retention_years=years,
        )  # fmt: skip
        year = datetime.now(UTC).year
        async with tenant_scope(connection, number, actor=asked.actor):
            await registry.ensure_tenant_years(connection, number, identity, register, [year, year + 1])
            less = await ask_for_register(connection, number, *wanted)
        (made,) = await list_tenants(connection, only=number, after=0, limit=1)
    shown = GemaakteTenant(**shape_of_tenant(made).model_dump(), voorstel=None if less is None else less.number)
    return Answer(201, shown, {"Location": f"/v1/tenants/{number}"}, version=made.version)


async def wijzig_tenant(asked: Asked) -> Answer:
    """PATCH: the operator its name and state, the tenant's beheerder how its register is kept."""
    wanted, number = cast("TenantVerandering", asked.body), _own_number(asked)
    mine = _OF_OPERATOR if asked.by.role == "operator" else TenantVerandering.model_fields.keys() - _OF_OPERATOR
    if others := wanted.model_fields_set - mine:
        who = "de beheerder van de tenant" if asked.by.role == "operator" else "de operator"
        faults = [
            fault(
                "body",
                f"/{TenantVerandering.model_fields[name].alias or name}",
                "vanAnder",
                f"Dit wijzigt alleen {who}.",
            )
            for name in sorted(others)
        ]
        raise Refused(403, "vanAnder", f"Hiervan wijzigt alleen {who} iets.", faults=faults)
    async with asked.scope() as connection:
        if wanted.bewaartermijn_jaren is not None:
            _must_be_kept((await _find(connection, number)).kind, wanted.bewaartermijn_jaren)
        async with tenant_scope(connection, number, actor=asked.actor):
            await change_tenant(
                connection, number, asked.version, name=wanted.naam, state=_STATES.get(wanted.toestand),
                record_content=_CONTENT.get(wanted.vastlegging), retention_years=wanted.bewaartermijn_jaren,
            )  # fmt: skip
        found = await _find(connection, number)
    return Answer(200, shape_of_tenant(found), version=found.version)


async def eyes_for_weakening(asked: Asked) -> Accepts | None:
    """Who accepts that a register is kept shorter, or less of each call: its auditor. More is for the beheerder alone."""
    wanted, number = cast("TenantVerandering", asked.body), _own_number(asked)
    async with asked.scope() as connection:
        found = await _find(connection, number)
    kept = found.record_content, years_kept(found.kind, found.retention_years)
    return "auditor" if is_weaker(_CONTENT.get(wanted.vastlegging), wanted.bewaartermijn_jaren, kept) else None


def _must_be_kept(kind: str, years: int) -> None:
    fewest = preset_of(kind).fewest_years
    if years < fewest:
        words = f"Een gemeente bewaart haar register minstens {fewest} jaar (Wet BRP art. 3.22)."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("body", "/bewaartermijnJaren", "geweigerd", words)])


async def _find(connection: asyncpg.Connection, number: int) -> TenantSeen:
    found = await list_tenants(connection, only=number, after=0, limit=1)
    if not found:
        raise Refused(404, "nietGevonden", "Deze tenant bestaat niet.")
    return found[0]


def _own_number(asked: Asked) -> int:
    number = asked.number("tenantId")
    if asked.tenant is not None and asked.tenant != number:
        raise Refused(404, "nietGevonden", "Deze tenant bestaat niet.")
    return number


TENANT_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/tenants/{tenantId}",
        name="tenant",
        summary="Een tenant: de operator ziet elke, ieder ander de eigen.",
        roles=READERS,
        endpoint=toon_tenant,
        answers={200: Tenant},
        refusals=frozenset({404}),
        versioned=True,
    ),
    Route(
        method="POST",
        path="/v1/tenants",
        name="maakTenant",
        summary="Maak een tenant.",
        roles=frozenset({"operator"}),
        endpoint=maak_tenant,
        answers={201: GemaakteTenant},
        refusals=frozenset({409}),
        body=NieuweTenant,
        idempotent=True,
    ),
    Route(
        method="PATCH",
        path="/v1/tenants/{tenantId}",
        name="wijzigTenant",
        summary="Wijzig naam of toestand (operator), of hoe het register wordt bewaard (beheerder).",
        roles=CHANGERS,
        endpoint=wijzig_tenant,
        answers={200: Tenant},
        refusals=frozenset({404, 409}),
        body=TenantVerandering,
        versioned=True,
        vier_ogen=eyes_for_weakening,
    ),
)
