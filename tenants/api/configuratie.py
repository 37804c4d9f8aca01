"""Routes of a tenant's configuration as a whole: bring in what says who may call, and read back what stood at any moment."""

from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import AwareDatetime, Field

from tenants.api.problems import Refused, fault
from tenants.api.resources import CHANGERS
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import MOST_ROWS, QueryShape, Shape
from tenants.history.standing import last_change, standing_at
from tenants.onboarding_held import HeldPart, apply_held
from tenants.onboarding_work import Work
from tenants.words.kolommen import object_of, table_of, told
from tenants.written import Moment

ROUTE: Final = "brengConfiguratie"
_NOT_BY_MANDATE: Final = "Wie met een mandaat beheert geeft zelf geen mandaat en leent geen certificaat uit."


class Geheim(Shape):
    """A secret that was made: shown this once."""

    taaksysteem: str = Field(description="Van wie het is: een taaksysteem, of het contact van een webhook.")
    soort: str
    naam: str
    geheim: str = Field(repr=False)


class Gebracht(Shape):
    """What was made and changed, by what it is, and the secrets of callers that were made."""

    gemaakt: dict[str, int]
    gewijzigd: dict[str, int]
    geheimen: list[Geheim]


class ConfiguratieVraag(QueryShape):
    """Which moment; without one, now."""

    op: Moment | None = Field(default=None, description="Het moment; zonder is het nu.")
    object: str | None = Field(
        default=None, pattern=r"^[a-z_]{1,40}$", description="Alleen van deze soort, zoals in `/v1/wijzigingen`."
    )
    na: int = Field(
        default=0,
        ge=0,
        le=2**31,
        description="Sla zoveel rijen over: `volgende`, met `op` zoals in het antwoord staat.",
    )
    aantal: int = Field(default=MOST_ROWS, ge=1, le=MOST_ROWS)


class LaatsteWijziging(Shape):
    """The last change until then."""

    nummer: int
    op: AwareDatetime
    door: str


class Configuratie(Shape):
    """A page of the rows as they stood, by kind, in the words of `/v1/wijzigingen`. Secrets are never part of it."""

    op: AwareDatetime
    laatste_wijziging: LaatsteWijziging | None
    objecten: dict[str, list[dict[str, Any]]]
    volgende: int | None


async def breng_configuratie(asked: Asked) -> Answer:
    """POST: bring who may call, agreements, contacts and states to what this says. What it does not name stays."""
    held = cast("HeldPart", asked.body)
    if asked.by.mandaat_id is not None and (held.mandates or held.certificate_lendings):
        raise Refused(403, "nietVanDezeTenant", _NOT_BY_MANDATE)
    async with asked.scope() as connection:
        oin = await connection.fetchval("SELECT oin FROM registry.tenant WHERE tenant_id = $1", asked.tenant_id)
        work = Work(
            connection, asked.rooms.identity, asked.rooms.register, asked.actor, notices=asked.rooms.notice_keys,
            tenants={oin: asked.tenant_id},
        )  # fmt: skip
        await apply_held(work, oin, held)
    shown = Gebracht(
        gemaakt={name: count for name, count in work.made.items() if count},
        gewijzigd={name: count for name, count in work.changed.items() if count},
        geheimen=[
            Geheim(taaksysteem=one.taaksysteem, soort=one.kind, naam=one.name, geheim=one.secret)
            for one in work.secrets
        ],
    )
    return Answer(200, shown, shows_secret=bool(work.secrets))


async def toon_configuratie(asked: Asked) -> Answer:
    """GET: the own tenant's configuration at a moment, from its history."""
    query, now = cast("ConfiguratieVraag", asked.query), datetime.now(UTC)
    wanted = query.op
    if wanted is not None and wanted > now:
        words = "Dit moment moet nog komen; daarvan weet de geschiedenis niets."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("query", "op", "later", words)])
    moment = wanted or now
    async with asked.scope() as connection:
        standing = await standing_at(connection, asked.tenant_id, moment)
        last = await last_change(connection, asked.tenant_id, moment)
    shown = None if last is None else LaatsteWijziging(nummer=last.number, op=last.at, door=last.actor)
    only = None if query.object is None else table_of(query.object)
    rows = [(name, row) for name, found in standing.items() if only in {None, name} for row in found]
    until = query.na + query.aantal
    objecten: dict[str, list[dict[str, Any]]] = {}
    for name, row in rows[query.na : until]:
        objecten.setdefault(object_of(name), []).append(told(name, row))
    volgende = until if until < len(rows) else None
    return Answer(200, Configuratie(op=moment, laatste_wijziging=shown, objecten=objecten, volgende=volgende))


CONFIGURATIE_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/configuratie", "configuratie", "De eigen configuratie, zoals die op enig moment stond.",
        frozenset({"beheerder", "auditor"}), toon_configuratie, {200: Configuratie}, query=ConfiguratieVraag,
        of_tenant=True,
    ),
    Route(
        "POST", "/v1/configuratie", ROUTE,
        "Breng wie mag aanroepen, overeenkomsten, contacten en toestanden in één keer op wat hier staat.",
        CHANGERS, breng_configuratie, {200: Gebracht}, refusals=frozenset({404, 409}), body=HeldPart, of_tenant=True,
        idempotent=True, voorstelbaar=True,
    ),
)  # fmt: skip
