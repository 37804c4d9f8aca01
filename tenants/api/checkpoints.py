"""Routes of checkpoints: the signed notes of the tenant's own tree, and the places that it chose for them."""

from dataclasses import replace
from typing import Any, Final, Literal, cast

from pydantic import AwareDatetime, Field, model_validator

from tenants.admins import Role
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BEHEERDER, Bladzijde, Verandering
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape
from tenants.delivery.places import add_place, check_place, end_place
from tenants.listings import CONTROLEBESTEMMINGEN, change_row, find_row
from tenants.overviews import PlaceSeen, find_checkpoint, find_place, list_checkpoints, list_places_seen
from tenants.versions import hold_version

_OWN: Final[frozenset[Role]] = frozenset({"beheerder", "auditor"})
_KINDS: Final[dict[str, Any]] = {"bestand": "file", "http": "http", "email": "email"}
_SOORTEN: Final = {"file": "bestand", "http": "http", "email": "email"}


class NieuweControlebestemming(Shape):
    """A directory below the operator's share, an https address that takes a POST, or the officer's mail address."""

    soort: Literal["bestand", "http", "email"]
    plaats: str = Field(min_length=1, max_length=500)
    elke_seconden: int | None = Field(default=None, ge=60, le=604_800)

    @model_validator(mode="after")
    def _possible(self) -> "NieuweControlebestemming":
        if check_place(_KINDS[self.soort], self.plaats):
            raise ValueError("Dit is geen plaats van deze soort.")
        return self


class ControlebestemmingVerandering(Verandering):
    """How often; another place is another destination."""

    elke_seconden: int = Field(default=cast("Any", None), ge=60, le=604_800)


class Controlebestemming(Shape):
    """Where the tenant's checkpoints go, and how far that is."""

    nummer: int
    soort: Literal["bestand", "http", "email"]
    plaats: str
    elke_seconden: int
    toestand: Literal["actief", "beeindigd"]
    bezorgd: int = Field(description="De omvang van het laatste checkpoint dat daar is.")
    bezorgd_op: AwareDatetime | None
    pogingen: int = Field(description="Vergeefse pogingen sinds de laatste bezorging.")
    laatste_fout: str | None


class Controlebestemmingen(Shape):
    """A page; `volgende` is the number to go on from."""

    controlebestemmingen: list[Controlebestemming]
    volgende: int | None


class Checkpoint(Shape):
    """A signed note (C2SP tlog-checkpoint): so many leaves, with this root, then."""

    omvang: int
    getekend_op: AwareDatetime
    notitie: str


class Checkpoints(Shape):
    """A page, newest first; `volgende` is the size to go on from."""

    checkpoints: list[Checkpoint]
    volgende: int | None


class CheckpointsVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen checkpoints van een kleinere boom.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)


def _shape(seen: PlaceSeen) -> Controlebestemming:
    return Controlebestemming(
        nummer=seen.destination_id,
        soort=cast("Any", _SOORTEN[seen.kind]),
        plaats=seen.target,
        elke_seconden=seen.every_seconds,
        toestand="actief" if seen.state == "active" else "beeindigd",
        bezorgd=seen.delivered,
        bezorgd_op=seen.delivered_at,
        pogingen=seen.attempts,
        laatste_fout=seen.last_error,
    )


async def toon_bestemmingen(asked: Asked) -> Answer:
    """GET: where the tenant's checkpoints go, ended places too."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await list_places_seen(connection, asked.tenant_id, after=query.na, limit=query.aantal + 1)
    shown_places = found[: query.aantal]
    volgende = shown_places[-1].destination_id if len(found) > len(shown_places) else None
    body = Controlebestemmingen(controlebestemmingen=[_shape(one) for one in shown_places], volgende=volgende)
    return Answer(200, body)


async def toon_bestemming(asked: Asked) -> Answer:
    """GET: one destination."""
    return await _shown(asked, asked.number())


async def maak_bestemming(asked: Asked) -> Answer:
    """POST: let checkpoints go to a place from now on."""
    new = cast("NieuweControlebestemming", asked.body)
    async with asked.scope() as connection:
        if await connection.fetchval(
            "SELECT 1 FROM registry.checkpoint_destination WHERE tenant_id = $1 AND kind = $2 AND target = $3 "
            "AND state = 'active'",
            asked.tenant_id, _KINDS[new.soort], new.plaats,
        ):  # fmt: skip
            raise Refused(409, "botst", "Checkpoints worden daar al bezorgd.")
        number = await add_place(
            connection, asked.tenant_id, _KINDS[new.soort], new.plaats, every_seconds=new.elke_seconden
        )
        seen = await find_place(connection, asked.tenant_id, number)
    location = {"Location": f"/v1/controlebestemmingen/{number}"}
    return Answer(201, _shape(seen), location, version=seen.version)


async def wijzig_bestemming(asked: Asked) -> Answer:
    """PATCH: another interval."""
    wanted, number = cast("ControlebestemmingVerandering", asked.body), asked.number()
    changes = wanted.given({"elke_seconden": "every_seconds"})
    async with asked.scope() as connection:
        await hold_version(connection, "checkpoint_destination", asked.tenant_id, number, asked.version)
        if (await find_row(connection, CONTROLEBESTEMMINGEN, asked.tenant_id, number))["state"] != "active":
            raise Refused(409, "beeindigd", "Deze bestemming is beëindigd.")
        await change_row(connection, CONTROLEBESTEMMINGEN, asked.tenant_id, number, asked.version, changes)
        seen = await find_place(connection, asked.tenant_id, number)
    return Answer(200, _shape(seen), version=seen.version)


async def beeindig_bestemming(asked: Asked) -> Answer:
    """DELETE: let no checkpoint go there any more."""
    async with asked.scope() as connection:
        await hold_version(connection, "checkpoint_destination", asked.tenant_id, asked.number(), asked.version)
        await end_place(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def toon_checkpoints(asked: Asked) -> Answer:
    """GET: the signed checkpoints of the tenant's own tree, newest first."""
    query = cast("CheckpointsVraag", asked.query)
    async with asked.scope() as connection:
        found = await list_checkpoints(connection, asked.tenant_id, before=query.voor, limit=query.aantal + 1)
    rows = found[: query.aantal]
    volgende = rows[-1].size if len(found) > len(rows) else None
    checkpoints = [Checkpoint(omvang=one.size, getekend_op=one.signed_at, notitie=one.note) for one in rows]
    return Answer(200, Checkpoints(checkpoints=checkpoints, volgende=volgende))


async def toon_checkpoint(asked: Asked) -> Answer:
    """GET: the checkpoint of a tree of that size."""
    async with asked.scope() as connection:
        one = await find_checkpoint(connection, asked.tenant_id, asked.number("omvang"))
    return Answer(200, Checkpoint(omvang=one.size, getekend_op=one.signed_at, notitie=one.note))


async def _shown(asked: Asked, number: int) -> Answer:
    async with asked.scope() as connection:
        seen = await find_place(connection, asked.tenant_id, number)
    return Answer(200, _shape(seen), version=seen.version)


_ALL: Final = "/v1/controlebestemmingen"
_ONE: Final = "/v1/controlebestemmingen/{nummer}"
# Of the tenant itself: these tell it when the operator's tree says otherwise, so that nobody else chooses where they go.
_CHANGING: Final[tuple[Route, ...]] = (
    made(
        _ALL, "maakControlebestemming", "Laat checkpoints ergens heen gaan.", maak_bestemming,
        NieuweControlebestemming, Controlebestemming, roles=BEHEERDER,
    ),
    changed(
        _ONE, "wijzigControlebestemming", "Wijzig hoe vaak.", wijzig_bestemming, ControlebestemmingVerandering,
        Controlebestemming, roles=BEHEERDER,
    ),
    ended(_ONE, "beeindigControlebestemming", "Laat er geen checkpoints meer heen gaan.", beeindig_bestemming, roles=BEHEERDER),
)  # fmt: skip
CHECKPOINT_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "controlebestemmingen", "Waar checkpoints heen gaan.", toon_bestemmingen, Controlebestemmingen),
    shown(_ONE, "controlebestemming", "Een bestemming van checkpoints.", toon_bestemming, Controlebestemming),
    *(replace(route, eigen=True) for route in _CHANGING),
    listed(
        "/v1/checkpoints", "checkpoints", "De getekende checkpoints van de eigen boom.", toon_checkpoints, Checkpoints,
        query=CheckpointsVraag, roles=_OWN,
    ),
    Route(
        method="GET", path="/v1/checkpoints/{omvang}", name="checkpoint", summary="Het checkpoint van die omvang.",
        roles=_OWN, endpoint=toon_checkpoint, answers={200: Checkpoint}, refusals=frozenset({404}), of_tenant=True,
    ),
)  # fmt: skip
