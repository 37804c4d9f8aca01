"""Routes of rate limits: how many calls a tenant and its taaksystemen may make. The operator's to set, the tenant's to see.

They protect the service and the tenant's neighbours, and weaken nothing that is the tenant's: no voorstel is needed. Each
change stands in the tenant's history.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final, cast

from pydantic import Field

from tenants.admins import Role
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import Nummer, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.listings import SNELHEIDSLIMIETEN, TAAKSYSTEMEN, change_row, find_row
from tenants.rate_limits import add_rate_limit
from tenants.versions import hold_version

_ALL: Final = "/v1/snelheidslimieten"
_ONE: Final = "/v1/snelheidslimieten/{nummer}"
_OPERATOR: Final[frozenset[Role]] = frozenset({"operator"})

PerSeconde = Annotated[
    float, Field(ge=0.001, le=100_000, description="Aanroepen per seconde, over alle gateways samen.")
]
Tegelijk = Annotated[int, Field(ge=1, le=1_000_000, description="Hoeveel er na een pauze ineens mogen.")]


class NieuweSnelheidslimiet(Shape):
    """A limit. Without taaksysteem it is that of all the tenant's taaksystemen together."""

    taaksysteem: Nummer | None = None
    per_seconde: PerSeconde
    tegelijk: Tegelijk


class SnelheidslimietVerandering(Verandering):
    """What of a limit becomes otherwise."""

    per_seconde: PerSeconde = Field(default=cast("Any", None))
    tegelijk: Tegelijk = Field(default=cast("Any", None))


class Snelheidslimiet(Shape):
    """A limit."""

    nummer: int
    taaksysteem: int | None
    per_seconde: float
    tegelijk: int


class Snelheidslimieten(Shape):
    """A page; `volgende` is the number to go on from."""

    snelheidslimieten: list[Snelheidslimiet]
    volgende: int | None


def _shape(row: Any) -> Snelheidslimiet:
    return Snelheidslimiet(
        nummer=row["rate_limit_id"],
        taaksysteem=row["taaksysteem_id"],
        per_seconde=float(row["per_second"]),
        tegelijk=row["burst"],
    )


async def toon_snelheidslimieten(asked: Asked) -> Answer:
    """GET: the tenant's limits."""
    return await show_page(asked, SNELHEIDSLIMIETEN, _shape, Snelheidslimieten, "snelheidslimieten")


async def toon_snelheidslimiet(asked: Asked) -> Answer:
    """GET: one limit."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, SNELHEIDSLIMIETEN, _shape, asked.number())


async def maak_snelheidslimiet(asked: Asked) -> Answer:
    """POST: set a limit where there is none."""
    new = cast("NieuweSnelheidslimiet", asked.body)
    async with asked.scope() as connection:
        if new.taaksysteem is not None:
            await find_row(connection, TAAKSYSTEMEN, asked.tenant_id, new.taaksysteem)
        number = await add_rate_limit(connection, asked.tenant_id, new.taaksysteem, new.per_seconde, new.tegelijk)
        return await show_one(asked, connection, SNELHEIDSLIMIETEN, _shape, number, made=_ALL)


async def wijzig_snelheidslimiet(asked: Asked) -> Answer:
    """PATCH: another rate, or another number at once. It holds from the next call on."""
    wanted = cast("SnelheidslimietVerandering", asked.body)
    changes = wanted.given({"per_seconde": "per_second", "tegelijk": "burst"})
    if "per_second" in changes:
        changes["per_second"] = Decimal(str(changes["per_second"])).quantize(Decimal("0.001"))
    async with asked.scope() as connection:
        await change_row(connection, SNELHEIDSLIMIETEN, asked.tenant_id, asked.number(), asked.version, changes)
        return await show_one(asked, connection, SNELHEIDSLIMIETEN, _shape, asked.number())


async def beeindig_snelheidslimiet(asked: Asked) -> Answer:
    """DELETE: no limit any more; for a taaksysteem, that of the installation."""
    async with asked.scope() as connection:
        await hold_version(connection, "rate_limit", asked.tenant_id, asked.number(), asked.version)
        await connection.execute(
            "DELETE FROM registry.rate_limit WHERE tenant_id = $1 AND rate_limit_id = $2",
            asked.tenant_id, asked.number(),
        )  # fmt: skip
    return Answer(204, None)


def _own(route: Route) -> Route:
    """As it is, and no voorstel: the operator decides."""
    return replace(route, voorstelbaar=False)


SNELHEIDSLIMIET_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "snelheidslimieten", "De snelheidslimieten.", toon_snelheidslimieten, Snelheidslimieten),
    shown(_ONE, "snelheidslimiet", "Een snelheidslimiet.", toon_snelheidslimiet, Snelheidslimiet),
    _own(
        made(
            _ALL, "maakSnelheidslimiet", "Stel een snelheidslimiet in.", maak_snelheidslimiet, NieuweSnelheidslimiet,
            Snelheidslimiet, roles=_OPERATOR,
        )
    ),
    _own(
        changed(
            _ONE, "wijzigSnelheidslimiet", "Wijzig een snelheidslimiet.", wijzig_snelheidslimiet,
            SnelheidslimietVerandering, Snelheidslimiet, roles=_OPERATOR,
        )
    ),
    _own(ended(_ONE, "beeindigSnelheidslimiet", "Hef een snelheidslimiet op.", beeindig_snelheidslimiet, roles=_OPERATOR)),
)  # fmt: skip
