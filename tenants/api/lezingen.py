"""Routes of the records of readings: for the tenant's own auditor, who read its register, when, why and about what."""

from typing import Annotated, Any, Final, Self, cast
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from tenants import lezingen
from tenants.api.inzage_answers import periode
from tenants.api.problems import Refused
from tenants.api.register_shapes import Periode
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape
from tenants.faults import NotFound
from tenants.written import Moment

_NOTHING: Final = "Deze lezing is er niet (meer)."


class Lezing(Shape):
    """One reading of the register as it was recorded before it began. It names nobody."""

    nummer: int = Field(description="Het nummer dat een antwoord als 'lezing' noemt.")
    op: AwareDatetime
    door: str
    reden: str
    soort: str = Field(description="Bijvoorbeeld zoekvraag, inzageverzoek, datalek, export of lezingen.")
    over_persoon: bool = Field(description="Er is naar een persoon gezocht; wie dat is, staat hier niet leesbaar.")
    op_gebruiker: bool = Field(description="Er is op een gebruiker gezocht.")
    inhoud: bool = Field(description="Ook wat verzegeld is kon worden geopend.")
    periode: Periode | None
    criteria: dict[str, Any] = Field(description="Waarop verder is gezocht; nooit persoonsgegevens.")
    aantal_protocolregels: int = Field(description="Zoveel protocolregels werden bij nummer opgevraagd.")
    inzageverzoek: int | None


class LezingGeheel(Lezing):
    """One reading with the calls that it asked for by number."""

    protocolregels: list[UUID]


class Lezingen(Shape):
    """A page of readings, newest first. `lezing` is the number under which looking at them was recorded itself."""

    lezing: int
    lezingen: list[Lezing]
    volgende: int | None


class LezingenVraag(QueryShape):
    door: (
        Annotated[
            str, Field(pattern=r"^([a-z]{1,20}/[^\x00-\x1f\x7f]{1,180}|command line \([^()\x00-\x1f\x7f]{1,60}\))$")
        ]
        | None
    ) = Field(default=None, description="Alleen wat deze beheerder of sleutel las, zoals 'door' hem noemt.")
    soort: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    van: Moment | None = None
    tot: Moment | None = None
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen lezingen met een lager nummer.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.van is not None and self.tot is not None and self.van >= self.tot:
            raise ValueError("'van' moet voor 'tot' liggen.")
        return self


async def toon_lezingen(asked: Asked) -> Answer:
    """GET: readings, newest first; this one is recorded too."""
    query = cast("LezingenVraag", asked.query)
    wanted = lezingen.LezingenVan(query.door, query.soort, query.van, query.tot)
    async with asked.rooms.inzage.acquire() as connection:
        number, found = await lezingen.list_lezingen(
            connection, asked.tenant_id, wanted, before=query.voor, limit=query.aantal + 1, actor=asked.by.actor
        )
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, Lezingen(lezing=number, lezingen=[Lezing(**_told(one)) for one in shown], volgende=volgende))


async def toon_lezing(asked: Asked) -> Answer:
    """GET: one reading, whole; this one is recorded too."""
    async with asked.rooms.inzage.acquire() as connection:
        try:
            found = await lezingen.read_lezing(connection, asked.tenant_id, asked.number(), actor=asked.by.actor)
        except NotFound:
            raise Refused(404, "onbekend", _NOTHING) from None
    return Answer(200, LezingGeheel(**_told(found), protocolregels=list(found.ids)))


def _told(one: lezingen.Lezing) -> dict[str, Any]:
    return {
        "nummer": one.number,
        "op": one.at,
        "door": one.actor,
        "reden": one.reason,
        "soort": one.kind,
        "over_persoon": one.about_person,
        "op_gebruiker": one.by_user,
        "inhoud": one.contents,
        "periode": None if one.period is None else periode(one.period),
        "criteria": dict(one.criteria),
        "aantal_protocolregels": len(one.ids),
        "inzageverzoek": one.inzageverzoek_id,
    }


LEZING_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/v1/lezingen",
        name="lezingen",
        summary="Wie het register las, wanneer, waarom en waarover. Ook dit wordt vastgelegd.",
        roles=frozenset({"auditor"}),
        endpoint=toon_lezingen,
        answers={200: Lezingen},
        query=LezingenVraag,
    ),
    Route(
        method="GET",
        path="/v1/lezingen/{nummer}",
        name="lezing",
        summary="Eén lezing van het register, met de protocolregels die zij bij nummer opvroeg. Ook dit wordt vastgelegd.",
        roles=frozenset({"auditor"}),
        endpoint=toon_lezing,
        answers={200: LezingGeheel},
        refusals=frozenset({404}),
    ),
)
