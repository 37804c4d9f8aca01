"""Routes of the stappenplan of an aansluiting: what is done and by whom, what is missing in words, and ticking a step."""

from typing import Any, Final, Literal, cast

import asyncpg
from pydantic import Field

from tenants.api.aansluiting_shapes import Planstap, Stapnaam
from tenants.api.resources import CHANGERS, READERS, Regel
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.stappenplan import STAPPEN, Stap, missing, stops_productie
from tenants.stappenplan_rows import read_stappenplan, tick_step
from tenants.versions import hold_version
from tenants.written import Dag


class StapVanPlan(Shape):
    """One step. `gezetOp` null: not taken yet. `afgeleid`: the registry says so itself, nobody ticked it."""

    stap: Planstap
    tekst: str
    wie: Literal["tenant", "rvig"] = Field(description="Wie deze stap zet.")
    gezet_op: Dag | None
    gezet_door: str | None
    afgeleid: bool
    opmerking: str | None


class Stappenplan(Shape):
    """The steps in their order, and in words what is missing; `productieWachtOp` is refused at once with the move to productie."""

    aansluiting: int
    stappen: list[StapVanPlan]
    ontbreekt: list[str]
    productie_wacht_op: list[str]


class StapGezet(Shape):
    """A step that was taken, as only the beheerder can know."""

    stap: Stapnaam
    op: Dag
    opmerking: Regel | None = None


async def toon_stappenplan(asked: Asked) -> Answer:
    """GET: the stappenplan, with the version of its aansluiting."""
    async with asked.scope() as connection:
        return await _shown(connection, asked)


async def zet_stap(asked: Asked) -> Answer:
    """POST: say that a step was taken, and when."""
    wanted, number = cast("StapGezet", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "aansluiting", asked.tenant_id, number, asked.version)
        await tick_step(connection, asked.tenant_id, number, wanted.stap, wanted.op, wanted.opmerking)
        return await _shown(connection, asked)


async def _shown(connection: asyncpg.Connection, asked: Asked) -> Answer:
    number = asked.number()
    steps = await read_stappenplan(connection, asked.tenant_id, number)
    version = await connection.fetchval(
        "SELECT version FROM registry.aansluiting WHERE tenant_id = $1 AND aansluiting_id = $2", asked.tenant_id, number
    )
    body = Stappenplan(
        aansluiting=number,
        stappen=[_shape(one) for one in steps],
        ontbreekt=[one.words for one in missing(steps)],
        productie_wacht_op=[one.words for one in stops_productie(steps)],
    )
    return Answer(200, body, version=version)


def _shape(one: Stap) -> StapVanPlan:
    done = one.done
    return StapVanPlan(
        stap=cast("Any", one.name), tekst=one.words, wie=cast("Any", STAPPEN[one.name].who),
        gezet_op=None if done is None else done.on, gezet_door=None if done is None else done.by,
        afgeleid=done is not None and done.derived, opmerking=None if done is None else done.note,
    )  # fmt: skip


_PATH: Final = "/v1/aansluitingen/{nummer}/stappenplan"
STAPPENPLAN_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", _PATH, "stappenplan", "De stappen naar productie: wat gezet is, wanneer en door wie, en wat ontbreekt.",
        READERS, toon_stappenplan, {200: Stappenplan}, refusals=frozenset({404}), of_tenant=True, versioned=True,
    ),
    Route(
        "POST", _PATH, "zetPlanstap", "Zeg dat een stap is gezet, en op welke dag.", CHANGERS, zet_stap, {200: Stappenplan},
        refusals=frozenset({404, 409}), body=StapGezet, of_tenant=True, versioned=True, voorstelbaar=True,
        idempotent=True,
    ),
)  # fmt: skip
