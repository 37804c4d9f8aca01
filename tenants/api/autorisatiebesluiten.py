"""Routes of autorisatiebesluiten: an afnemer's own rows of RvIG's autorisatietabel (tabel 35). A gemeente needs none."""

from typing import Annotated, Any, Final, cast

from pydantic import Field, StringConstraints, model_validator

from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import AfnemerId, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.autorisatie import NewBesluit, put_besluiten
from tenants.listings import AUTORISATIEBESLUITEN, change_row
from tenants.versions import hold_version
from tenants.written import Dag

Rubriek = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{6}$")]
Rubrieken = Annotated[list[Rubriek], Field(max_length=2000)]


class NieuwAutorisatiebesluit(Shape):
    """From its first day until the day before `einde`. Medium A or N allows asking over the network."""

    afnemer_id: AfnemerId
    begin: Dag
    einde: Dag | None = None
    medium: str = Field(pattern=r"^[A-Z]$")
    rubrieken: Rubrieken

    @model_validator(mode="after")
    def _in_order(self) -> "NieuwAutorisatiebesluit":
        if self.einde is not None and self.einde <= self.begin:
            raise ValueError("Een autorisatiebesluit eindigt na zijn begin.")
        return self


class BesluitVerandering(Verandering):
    """When it ends, and what it allows."""

    einde: Dag | None = None
    rubrieken: Rubrieken = Field(default=cast("Any", None))


class Autorisatiebesluit(Shape):
    """What an afnemer may ask ad hoc."""

    nummer: int
    afnemer_id: str
    begin: Dag
    einde: Dag | None
    medium: str
    rubrieken: list[str]


class Autorisatiebesluiten(Shape):
    """A page; `volgende` is the number to go on from."""

    autorisatiebesluiten: list[Autorisatiebesluit]
    volgende: int | None


def _shape(row: Any) -> Autorisatiebesluit:
    return Autorisatiebesluit(
        nummer=row["besluit_id"],
        afnemer_id=row["afnemer_id"],
        begin=row["start_date"],
        einde=row["end_date"],
        medium=row["medium"],
        rubrieken=list(row["rubrieken"]),
    )


async def toon_besluiten(asked: Asked) -> Answer:
    """GET: the autorisatiebesluiten of the tenant's afnemers by number."""
    return await show_page(asked, AUTORISATIEBESLUITEN, _shape, Autorisatiebesluiten, "autorisatiebesluiten")


async def toon_besluit(asked: Asked) -> Answer:
    """GET: one autorisatiebesluit."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, AUTORISATIEBESLUITEN, _shape, asked.number())


async def maak_besluit(asked: Asked) -> Answer:
    """POST: record an autorisatiebesluit."""
    new = cast("NieuwAutorisatiebesluit", asked.body)
    find = (
        "SELECT besluit_id FROM registry.autorisatiebesluit "
        "WHERE tenant_id = $1 AND afnemer_id = $2 AND start_date = $3 AND medium = $4"
    )
    key = (asked.tenant_id, new.afnemer_id, new.begin, new.medium)
    async with asked.scope() as connection:
        if await connection.fetchval(find, *key) is not None:
            raise Refused(409, "botst", "Deze afnemer heeft al een besluit dat op die dag begint, voor dit medium.")
        wanted = NewBesluit(new.afnemer_id, new.begin, new.einde, new.medium, tuple(new.rubrieken))
        await put_besluiten(connection, asked.tenant_id, [wanted])
        number = await connection.fetchval(find, *key)
        return await show_one(asked, connection, AUTORISATIEBESLUITEN, _shape, number, made="/v1/autorisatiebesluiten")


async def wijzig_besluit(asked: Asked) -> Answer:
    """PATCH: another end, or other rubrieken."""
    wanted, number = cast("BesluitVerandering", asked.body), asked.number()
    changes = wanted.given({"einde": "end_date"})
    if "rubrieken" in wanted.model_fields_set:
        changes["rubrieken"] = sorted(set(wanted.rubrieken))
    async with asked.scope() as connection:
        await change_row(connection, AUTORISATIEBESLUITEN, asked.tenant_id, number, asked.version, changes)
        return await show_one(asked, connection, AUTORISATIEBESLUITEN, _shape, number)


async def haal_besluit_weg(asked: Asked) -> Answer:
    """DELETE: take away a row that was entered wrongly. What it said stays in the history."""
    async with asked.scope() as connection:
        await hold_version(connection, "autorisatiebesluit", asked.tenant_id, asked.number(), asked.version)
        await connection.execute(
            "DELETE FROM registry.autorisatiebesluit WHERE tenant_id = $1 AND besluit_id = $2",
            asked.tenant_id, asked.number(),
        )  # fmt: skip
    return Answer(204, None)


_ALL: Final = "/v1/autorisatiebesluiten"
_ONE: Final = "/v1/autorisatiebesluiten/{nummer}"
BESLUIT_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "autorisatiebesluiten", "Wat afnemers mogen vragen.", toon_besluiten, Autorisatiebesluiten),
    shown(_ONE, "autorisatiebesluit", "Een autorisatiebesluit.", toon_besluit, Autorisatiebesluit),
    made(_ALL, "maakAutorisatiebesluit", "Leg een besluit vast.", maak_besluit, NieuwAutorisatiebesluit, Autorisatiebesluit),
    changed(
        _ONE, "wijzigAutorisatiebesluit", "Wijzig einde of rubrieken.", wijzig_besluit, BesluitVerandering,
        Autorisatiebesluit,
    ),
    ended(_ONE, "haalAutorisatiebesluitWeg", "Haal een verkeerd besluit weg.", haal_besluit_weg),
)  # fmt: skip
