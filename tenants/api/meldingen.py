"""Routes of meldingen: what was told the tenant's contacts, and how that went."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import asyncpg
from pydantic import AwareDatetime, Field

from tenants.api.resources import READERS
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape
from tenants.notices.contacts import find_melding, list_deliveries, list_meldingen


class Bezorging(Shape):
    """One way to one contact. Without `contact` it went to the operator."""

    contact: int | None
    weg: Literal["mail", "webhook"]
    toestand: Literal["open", "bezorgd", "opgegeven", "vervallen"]
    pogingen: int
    geeindigd_op: AwareDatetime | None
    fout: str | None = Field(description="Een code: waar de laatste poging strandde.")


class Melding(Shape):
    """What was told, as it was told."""

    nummer: int
    soort: str
    object: str
    drempel: str = Field(description="Hoe dichtbij het einde was, in dagen; `einde` als het er was.")
    onderwerp: str
    tekst: str
    uiterlijk: AwareDatetime | None
    gemeld_op: AwareDatetime
    bezorgingen: list[Bezorging]


class Meldingen(Shape):
    """A page, newest first; `volgende` is the number to go on from."""

    meldingen: list[Melding]
    volgende: int | None


class MeldingenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen meldingen met een lager nummer.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)
    soort: str | None = Field(default=None, pattern=r"^[a-z_]{3,40}$")


async def toon_meldingen(asked: Asked) -> Answer:
    """GET: newest first."""
    query = cast("MeldingenVraag", asked.query)
    async with asked.scope() as connection:
        rows = await list_meldingen(
            connection, asked.tenant_id, kind=query.soort, before=query.voor, limit=query.aantal + 1
        )
        shown = await _shapes(connection, asked.tenant_id, rows[: query.aantal])
    return Answer(
        200, Meldingen(meldingen=shown, volgende=shown[-1].nummer if len(rows) > query.aantal else None)
    )  # fmt: skip


async def toon_melding(asked: Asked) -> Answer:
    """GET: one, with its deliveries."""
    async with asked.scope() as connection:
        row = await find_melding(connection, asked.tenant_id, asked.number())
        (shown,) = await _shapes(connection, asked.tenant_id, [row])
    return Answer(200, shown)


async def _shapes(connection: asyncpg.Connection, tenant_id: int, rows: Sequence[asyncpg.Record]) -> list[Melding]:
    deliveries: dict[int, list[Bezorging]] = defaultdict(list)
    for one in await list_deliveries(connection, tenant_id, [row["melding_id"] for row in rows]):
        deliveries[one["melding_id"]].append(_bezorging(one))
    return [
        Melding(
            nummer=row["melding_id"],
            soort=row["kind"],
            object=row["object"],
            drempel=row["threshold"],
            onderwerp=row["subject"],
            tekst=row["words"],
            uiterlijk=row["due_at"],
            gemeld_op=row["raised_at"],
            bezorgingen=deliveries[row["melding_id"]],
        )
        for row in rows
    ]


def _bezorging(row: Any) -> Bezorging:
    return Bezorging(
        contact=row["contact_id"],
        weg=row["way"],
        toestand=row["state"],
        pogingen=row["attempts"],
        geeindigd_op=row["ended_at"],
        fout=row["last_error"],
    )


MELDING_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/meldingen", "meldingen", "Wat de contacten van de tenant is gemeld, nieuwste eerst.", READERS,
        toon_meldingen, {200: Meldingen}, query=MeldingenVraag, of_tenant=True,
    ),
    Route(
        "GET", "/v1/meldingen/{nummer}", "melding", "Een melding, met hoe zij is bezorgd.", READERS, toon_melding,
        {200: Melding}, refusals=frozenset({404}), of_tenant=True,
    ),
)  # fmt: skip
