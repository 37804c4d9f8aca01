"""Routes of the Logboek Dataverwerkingen: the endpoint that the tenant's own log goes to. The secret is write-only.

A beheerder of the tenant itself chooses it, and nobody for it by a mandate: who may say where a log about citizens goes could
have it sent home. All who may read the registry see where it goes and how far it is.
"""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AwareDatetime, Field

from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BEHEERDER, Bladzijde, Verandering
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.listings import LOGBOEKBESTEMMINGEN, change_row, find_row
from tenants.logboek.destinations import (
    DestinationSeen,
    create_destination,
    end_destination,
    find_destination,
    list_destinations,
    seal_secret,
)
from tenants.versions import hold_version

_NO_NULL: Final[Any] = None
Url = Annotated[str, Field(max_length=500, pattern=r"^https://[^/@?#\s]+(/[^?#\s]*)?$")]
Kopregel = Annotated[str, Field(pattern=r"^(authorization|api-key|x-[a-z0-9-]{1,50})$")]
Geheim = Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^[!-~]([ -~]*[!-~])?$")]


class NieuweLogboekbestemming(Shape):
    """An https address that takes OTLP (`/v1/traces` comes behind it), and how it knows who comes."""

    url: Url
    kopregel: Kopregel = "authorization"
    geheim: Geheim | None = Field(default=None, repr=False, description="De hele waarde van de kopregel.")
    vanaf_begin: bool = Field(default=False, description="Ook wat al in het register staat; anders vanaf nu.")


class LogboekbestemmingVerandering(Verandering):
    """Another address or secret. What is sent goes on where it was, with the same pseudonyms."""

    url: Url = Field(default=_NO_NULL)
    kopregel: Kopregel = Field(default=_NO_NULL)
    geheim: Geheim | None = Field(default=None, repr=False)


class Logboekbestemming(Shape):
    """Where the log goes, and how far it is."""

    nummer: int
    url: str
    kopregel: str
    met_geheim: bool
    vanaf_begin: bool
    toestand: Literal["actief", "beeindigd"]
    verzonden: int = Field(description="Spans die het eindpunt heeft aangenomen.")
    vernietigd: int = Field(
        description="Rijen die volgens hun bewaartermijn weg waren voor zij verzonden konden worden."
    )
    laatst_verzonden_op: AwareDatetime | None
    pogingen: int = Field(description="Vergeefse pogingen sinds de laatste keer dat het lukte.")
    laatste_fout: str | None


class Logboekbestemmingen(Shape):
    """A page; `volgende` is the number to go on from."""

    logboekbestemmingen: list[Logboekbestemming]
    volgende: int | None


def _shape(seen: DestinationSeen) -> Logboekbestemming:
    return Logboekbestemming(
        nummer=seen.destination_id,
        url=seen.url,
        kopregel=seen.header,
        met_geheim=seen.has_secret,
        vanaf_begin=seen.from_start,
        toestand="actief" if seen.state == "active" else "beeindigd",
        verzonden=seen.spans,
        vernietigd=seen.gone,
        laatst_verzonden_op=seen.sent_at,
        pogingen=seen.attempts,
        laatste_fout=seen.last_error,
    )


async def toon_bestemmingen(asked: Asked) -> Answer:
    """GET: where the log goes and went."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await list_destinations(connection, asked.tenant_id, after=query.na, limit=query.aantal + 1)
    page = found[: query.aantal]
    volgende = page[-1].destination_id if len(found) > len(page) else None
    return Answer(200, Logboekbestemmingen(logboekbestemmingen=[_shape(one) for one in page], volgende=volgende))


async def toon_bestemming(asked: Asked) -> Answer:
    """GET: one destination."""
    async with asked.scope() as connection:
        seen = await find_destination(connection, asked.tenant_id, asked.number())
    return Answer(200, _shape(seen), version=seen.version)


async def maak_bestemming(asked: Asked) -> Answer:
    """POST: let the log go somewhere."""
    new = cast("NieuweLogboekbestemming", asked.body)
    async with asked.scope() as connection:
        number = await create_destination(
            connection, asked.tenant_id, asked.rooms.register, url=new.url, header=new.kopregel, secret=new.geheim,
            from_start=new.vanaf_begin,
        )  # fmt: skip
        seen = await find_destination(connection, asked.tenant_id, number)
    return Answer(201, _shape(seen), {"Location": f"{_ALL}/{number}"}, version=seen.version)


async def wijzig_bestemming(asked: Asked) -> Answer:
    """PATCH: another address, header or secret."""
    wanted, number = cast("LogboekbestemmingVerandering", asked.body), asked.number()
    changes: dict[str, Any] = wanted.given({"url": "url", "kopregel": "header"})
    if "geheim" in wanted.model_fields_set:
        changes["secret_sealed"] = seal_secret(asked.rooms.register, asked.tenant_id, wanted.geheim)
    async with asked.scope() as connection:
        await hold_version(connection, "logboek_destination", asked.tenant_id, number, asked.version)
        if (await find_row(connection, LOGBOEKBESTEMMINGEN, asked.tenant_id, number))["state"] != "active":
            raise Refused(409, "beeindigd", "Deze bestemming is beëindigd.")
        await change_row(connection, LOGBOEKBESTEMMINGEN, asked.tenant_id, number, asked.version, changes)
        seen = await find_destination(connection, asked.tenant_id, number)
    return Answer(200, _shape(seen), version=seen.version)


async def beeindig_bestemming(asked: Asked) -> Answer:
    """DELETE: let nothing go there any more, and destroy the key of its pseudonyms."""
    async with asked.scope() as connection:
        await hold_version(connection, "logboek_destination", asked.tenant_id, asked.number(), asked.version)
        await end_destination(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


_ALL: Final = "/v1/logboekbestemmingen"
_ONE: Final = "/v1/logboekbestemmingen/{nummer}"
LOGBOEK_ROUTES: Final[tuple[Route, ...]] = tuple(
    replace(route, eigen=True)
    for route in (
        listed(_ALL, "logboekbestemmingen", "Waar het logboek heen gaat.", toon_bestemmingen, Logboekbestemmingen),
        shown(_ONE, "logboekbestemming", "Een bestemming van het logboek.", toon_bestemming, Logboekbestemming),
        made(
            _ALL, "maakLogboekbestemming", "Laat het logboek naar een eigen eindpunt gaan.", maak_bestemming,
            NieuweLogboekbestemming, Logboekbestemming, roles=BEHEERDER,
        ),
        changed(
            _ONE, "wijzigLogboekbestemming", "Wijzig adres, kopregel of geheim.", wijzig_bestemming,
            LogboekbestemmingVerandering, Logboekbestemming, roles=BEHEERDER,
        ),
        ended(
            _ONE, "beeindigLogboekbestemming", "Laat het logboek daar niet meer heen gaan.", beeindig_bestemming,
            roles=BEHEERDER,
        ),
    )
)  # fmt: skip
