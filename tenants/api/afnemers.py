"""Routes of afnemers: who has an AfnemerID. One ends when its aansluitingen have; its AfnemerID stays taken."""

from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, model_validator

from tenants import registry
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import (
    AfnemerId,
    BladzijdeOpNaam,
    Oin,
    Regel,
    Verandering,
    name_in_path,
    show_one,
    show_page,
)
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Reden, Shape
from tenants.endings import StillUsed, end_afnemer
from tenants.listings import AFNEMERS, change_row, find_row
from tenants.versions import hold_version

Organisatiesoort = Literal["gemeente", "overheidsorgaan", "derde", "samenwerkingsverband"]
Gemeentecode = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
Berichtenbox = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
_COLUMNS = {
    "naam": "name", "soort": "kind", "gemeentecode": "gemeentecode", "berichtenboxnummer": "mailbox_id",
}  # fmt: skip


class NieuweAfnemer(Shape):
    """An organisation with an AfnemerID. A gemeente has a gemeentecode, and nobody else has one."""

    afnemer_id: AfnemerId
    oin: Oin
    naam: Regel
    soort: Organisatiesoort
    gemeentecode: Gemeentecode | None = None
    berichtenboxnummer: Berichtenbox | None = None

    @model_validator(mode="after")
    def _code_of_gemeente(self) -> "NieuweAfnemer":
        if (self.soort == "gemeente") != (self.gemeentecode is not None):
            raise ValueError("Een gemeente heeft een gemeentecode, en niemand anders heeft er een.")
        return self


class AfnemerVerandering(Verandering):
    """AfnemerID and OIN never change: another organisation is another afnemer."""

    naam: Regel = Field(default=cast("Any", None))
    soort: Organisatiesoort = Field(default=cast("Any", None))
    gemeentecode: Gemeentecode | None = None
    berichtenboxnummer: Berichtenbox | None = None


class Afnemer(Shape):
    """An afnemer of the tenant."""

    afnemer_id: str
    oin: str
    naam: str
    soort: Organisatiesoort
    gemeentecode: str | None
    berichtenboxnummer: str | None
    toestand: Literal["actief", "beeindigd"]
    bevestigd: bool = Field(
        description="Of de operator zag dat de tenant deze organisatie bedient. Nodig voor productie bij een ander OIN dan het "
        "eigen."
    )


class Bevestiging(Shape):
    """By what the operator knows that the tenant serves this organisation."""

    reden: Reden


class Afnemers(Shape):
    """A page; `volgende` is the AfnemerID to go on from."""

    afnemers: list[Afnemer]
    volgende: str | None


def _shape(row: Any) -> Afnemer:
    return Afnemer(
        afnemer_id=row["afnemer_id"],
        oin=row["oin"],
        naam=row["name"],
        soort=row["kind"],
        gemeentecode=row["gemeentecode"],
        berichtenboxnummer=row["mailbox_id"],
        toestand="actief" if row["state"] == "active" else "beeindigd",
        bevestigd=row["confirmed_by"] is not None,
    )


async def toon_afnemers(asked: Asked) -> Answer:
    """GET: the tenant's afnemers by AfnemerID."""
    return await show_page(asked, AFNEMERS, _shape, Afnemers, "afnemers")


async def toon_afnemer(asked: Asked) -> Answer:
    """GET: one afnemer."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, AFNEMERS, _shape, name_in_path(asked, "afnemerId"))


async def maak_afnemer(asked: Asked) -> Answer:
    """POST: register an afnemer. 409 when its AfnemerID is registered, wherever."""
    new = cast("NieuweAfnemer", asked.body)
    async with asked.scope() as connection:
        await registry.create_afnemer(
            connection, asked.tenant_id, afnemer_id=new.afnemer_id, oin=new.oin, name=new.naam, kind=new.soort,
            gemeentecode=new.gemeentecode, mailbox_id=new.berichtenboxnummer,
        )  # fmt: skip
        return await show_one(asked, connection, AFNEMERS, _shape, new.afnemer_id, made="/v1/afnemers")


async def wijzig_afnemer(asked: Asked) -> Answer:
    """PATCH: change what an afnemer is called or where its post goes."""
    wanted, afnemer_id = cast("AfnemerVerandering", asked.body), name_in_path(asked, "afnemerId")
    async with asked.scope() as connection:
        await hold_version(connection, "afnemer", asked.tenant_id, afnemer_id, asked.version)
        if (await find_row(connection, AFNEMERS, asked.tenant_id, afnemer_id))["state"] != "active":
            raise Refused(409, "beeindigd", "Deze afnemer is beëindigd.")
        await change_row(connection, AFNEMERS, asked.tenant_id, afnemer_id, asked.version, wanted.given(_COLUMNS))
        return await show_one(asked, connection, AFNEMERS, _shape, afnemer_id)


async def beeindig_afnemer(asked: Asked) -> Answer:
    """DELETE: nothing new may name this afnemer any more. 409, with their numbers, while aansluitingen use it."""
    afnemer_id = name_in_path(asked, "afnemerId")
    async with asked.scope() as connection:
        await hold_version(connection, "afnemer", asked.tenant_id, afnemer_id, asked.version)
        try:
            await end_afnemer(connection, asked.tenant_id, afnemer_id)
        except StillUsed as used:
            numbers = ", ".join(map(str, used.users))
            raise Refused(
                409, "inGebruik", f"Deze aansluitingen gebruiken de afnemer; beëindig ze eerst: {numbers}."
            ) from None
    return Answer(204, None)


async def bevestig_afnemer(asked: Asked) -> Answer:
    """POST: the operator confirms that the tenant serves this organisation. It stands in the tenant's history, with the reason."""
    wanted, afnemer_id = cast("Bevestiging", asked.body), name_in_path(asked, "afnemerId")
    async with asked.scope() as connection:
        await registry.confirm_afnemer(connection, asked.tenant_id, afnemer_id, by=asked.actor, reason=wanted.reden)
        return await show_one(asked, connection, AFNEMERS, _shape, afnemer_id)


AFNEMER_ROUTES: Final[tuple[Route, ...]] = (
    listed("/v1/afnemers", "afnemers", "De afnemers van de tenant.", toon_afnemers, Afnemers, query=BladzijdeOpNaam),
    shown("/v1/afnemers/{afnemerId}", "afnemer", "Een afnemer.", toon_afnemer, Afnemer),
    made("/v1/afnemers", "maakAfnemer", "Registreer een afnemer.", maak_afnemer, NieuweAfnemer, Afnemer),
    changed(
        "/v1/afnemers/{afnemerId}", "wijzigAfnemer", "Wijzig een afnemer.", wijzig_afnemer, AfnemerVerandering, Afnemer
    ),
    ended(
        "/v1/afnemers/{afnemerId}", "beeindigAfnemer",
        "Beëindig een afnemer, voorgoed. Kan als geen aansluiting hem gebruikt.", beeindig_afnemer,
    ),
    Route(
        "POST", "/v1/afnemers/{afnemerId}/bevestiging", "bevestigAfnemer",
        "Bevestig dat de tenant deze andere organisatie bedient; daarvoor gaat er niets van in productie.",
        frozenset({"operator"}), bevestig_afnemer, {200: Afnemer}, refusals=frozenset({404}), body=Bevestiging,
        of_tenant=True, idempotent=True,
    ),
)  # fmt: skip
