"""Routes of naleving: how a tenant, or every tenant, stands against the rules. JSON, or CSV where `Accept` asks for that.

The operator sees states of all its tenants, and nothing of any register.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from pydantic import AwareDatetime, Field

from tenants.admins import Role, scope_of
from tenants.api.aansluiting_shapes import Bevinding, Patroon, Toestand
from tenants.api.certificaten_answers import TOESTANDEN, host_names
from tenants.api.certificaten_shapes import Toestand as CertificaatToestand
from tenants.api.resources import READERS, Bladzijde
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.inzage.tabellen import as_csv
from tenants.naleving import Naleving
from tenants.naleving_rows import AansluitingStanding, TenantNaleving, read_naleving
from tenants.overviews import list_tenants
from tenants.pattern_facts import Finding

_CSV: Final = "text/csv"
_HEADING: Final = (
    "tenant", "oin", "afnemerId", "afnemer", "aansluiting", "omgeving", "patroon", "toestand", "eigenCertificaat",
    "certificaatToestand", "certificaatGeldigTot", "ernst", "code", "bevinding", "wie", "uiterlijk",
)  # fmt: skip


class TenantGezien(Shape):
    """Whose it is."""

    tenant_id: int
    oin: str
    naam: str
    soort: str


class AfnemerBevinding(Bevinding):
    """One over an aansluiting of an afnemer; `dagen` is the threshold of a warning before `uiterlijk`."""

    omgeving: str
    patroon: str
    dagen: int | None


class AansluitingGezien(Shape):
    """An aansluiting with its certificate. `eigenCertificaat` is what the letter of 27 March 2026 asks."""

    nummer: int
    omgeving: str
    patroon: Patroon
    toestand: Toestand
    eigen_certificaat: bool | None
    certificaat: int | None
    certificaat_toestand: CertificaatToestand | None
    certificaat_geldig_tot: AwareDatetime | None
    intrekking: str | None = Field(description="Wat de lijst van de uitgever zegt, als het certificaat is ingetrokken.")
    geheim_geldig_tot: AwareDatetime | None


class OvereenkomstGezien(Shape):
    """An agreement that holds for the afnemer, or held."""

    soort: str
    partij: str
    van: AwareDatetime
    tot: AwareDatetime | None
    uitstel_tot: AwareDatetime | None


class AfnemerNaleving(Shape):
    """One afnemer."""

    afnemer_id: str
    naam: str
    in_orde: bool
    eigen_certificaat: bool | None = Field(description="Of elke aansluiting met een eigen certificaat vertrekt.")
    bevindingen: list[AfnemerBevinding]
    aansluitingen: list[AansluitingGezien]
    overeenkomsten: list[OvereenkomstGezien]


class NalevingVanTenant(Shape):
    """A tenant as it stands at `opgemaaktOp`."""

    tenant: TenantGezien
    opgemaakt_op: AwareDatetime
    in_orde: bool
    bevindingen: list[Bevinding]
    afnemers: list[AfnemerNaleving]


class Nalevingen(Shape):
    """A page of tenants; `volgende` is the number to go on from."""

    nalevingen: list[NalevingVanTenant]
    volgende: int | None


async def toon_naleving(asked: Asked) -> Answer:
    """GET: how the tenant stands now."""
    async with asked.scope() as connection:
        found = await read_naleving(connection, asked.tenant_id, datetime.now(UTC), host_names(asked))
    if prefers_csv(asked.accept):
        return _table([found], {})
    return Answer(200, _shape(found), {"Vary": "Accept"})


async def toon_nalevingen(asked: Asked) -> Answer:
    """GET: how all tenants stand, a page of them. Each is read in its own scope."""
    query, now = cast("Bladzijde", asked.query), datetime.now(UTC)
    async with asked.scope() as connection:
        seen = await list_tenants(connection, only=None, after=query.na, limit=query.aantal + 1)
    shown = [one for one in seen[: query.aantal] if one.state == "active"]
    found = []
    async with asked.rooms.registry.acquire() as connection:
        for one in shown:
            async with scope_of(connection, one.tenant_id, actor=asked.actor):
                found.append(await read_naleving(connection, one.tenant_id, now, host_names(asked)))
    volgende = seen[query.aantal - 1].tenant_id if len(seen) > query.aantal else None
    if prefers_csv(asked.accept):
        more = {} if volgende is None else {"Link": f'</v1/nalevingen?na={volgende}&aantal={query.aantal}>; rel="next"'}
        return _table(found, more)
    return Answer(200, Nalevingen(nalevingen=[_shape(one) for one in found], volgende=volgende), {"Vary": "Accept"})


def prefers_csv(accept: str) -> bool:
    """Whether a request would rather have CSV than JSON (RFC 9110, 12.5.1). Without a word it is JSON."""
    weights = {"csv": 0.0, "json": 0.0}
    for part in accept.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        weight = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if name in {_CSV, "text/*"}:
            weights["csv"] = max(weights["csv"], weight)
        elif name in {"application/json", "application/*", "*/*"}:
            weights["json"] = max(weights["json"], weight)
    return weights["csv"] > weights["json"]


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _table(found: Sequence[TenantNaleving], more: dict[str, str]) -> Answer:
    headers = {"Content-Disposition": 'attachment; filename="naleving.csv"', "Vary": "Accept", **more}
    rows = [row for one in found for row in _rows(one)]
    return Answer(200, as_csv(_HEADING, rows), headers, media_type=f"{_CSV}; charset=utf-8")


def _rows(found: TenantNaleving) -> Iterator[tuple[str, ...]]:
    """A line per finding; an aansluiting without one has a line too, so that what is in order is seen as well."""
    who = (found.tenant["name"], found.tenant["oin"])
    for one in found.findings:
        yield (*who, *[""] * 9, *_finding(one))
    for afnemer in found.afnemers:
        named = (*who, afnemer.afnemer_id, found.names.get(afnemer.afnemer_id, ""))
        for standing in found.aansluitingen.get(afnemer.afnemer_id, ()):
            place = (standing.facts.environment, standing.facts.pattern)
            those = [finding for *at, finding in afnemer.findings if tuple(at) == place]
            for cells in [_finding(one) for one in those] or [("",) * 5]:
                yield (*named, *_aansluiting(standing), *cells)


def _aansluiting(one: AansluitingStanding) -> tuple[str, ...]:
    return (
        str(one.facts.aansluiting_id), one.facts.environment, one.facts.pattern, one.state,
        "" if one.own is None else ("ja" if one.own else "nee"),
        TOESTANDEN.get(one.certificate_state or "", ""), _day(one.not_after),
    )  # fmt: skip


def _finding(one: Finding) -> tuple[str, ...]:
    return ("stopt" if one.severity == "stops" else "waarschuwt", one.code, one.text, one.who, _day(one.due))


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")


def _shape(found: TenantNaleving) -> NalevingVanTenant:
    tenant = found.tenant
    return NalevingVanTenant(
        tenant=TenantGezien(
            tenant_id=tenant["tenant_id"], oin=tenant["oin"], naam=tenant["name"], soort=tenant["kind"]
        ),
        opgemaakt_op=found.at,
        in_orde=found.is_good,
        bevindingen=[Bevinding(**_bevinding(one)) for one in found.findings],
        afnemers=[
            _afnemer(one, found.names.get(one.afnemer_id, ""), found.aansluitingen.get(one.afnemer_id, ()))
            for one in found.afnemers
        ],
    )


def _afnemer(one: Naleving, name: str, aansluitingen: Sequence[AansluitingStanding]) -> AfnemerNaleving:
    owned = [each.own for each in aansluitingen if each.own is not None]
    return AfnemerNaleving(
        afnemer_id=one.afnemer_id,
        naam=name,
        in_orde=one.is_good,
        eigen_certificaat=all(owned) if owned else None,
        bevindingen=[
            AfnemerBevinding(**_bevinding(finding), omgeving=environment, patroon=pattern, dagen=finding.days)
            for environment, pattern, finding in one.findings
        ],
        aansluitingen=[
            AansluitingGezien(
                nummer=each.facts.aansluiting_id,
                omgeving=each.facts.environment,
                patroon=cast("Any", each.facts.pattern),
                toestand=cast("Any", each.state),
                eigen_certificaat=each.own,
                certificaat=each.certificate_id,
                certificaat_toestand=cast("Any", TOESTANDEN.get(each.certificate_state or "")),
                certificaat_geldig_tot=each.not_after,
                intrekking=each.revocation,
                geheim_geldig_tot=each.secret_until,
            )
            for each in aansluitingen
        ],
        overeenkomsten=[
            OvereenkomstGezien(
                soort=each.kind, partij=each.party, van=each.valid_from, tot=each.valid_until,
                uitstel_tot=each.grace_until,
            )
            for each in one.agreements
        ],
    )  # fmt: skip


def _bevinding(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "tekst": one.text,
        "wie": one.who,
        "ernst": "stopt" if one.severity == "stops" else "waarschuwt",
        "uiterlijk": one.due,
    }


_OPERATOR: Final[frozenset[Role]] = frozenset({"operator"})
NALEVING_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET", "/v1/naleving", "naleving", "Hoe de tenant er nu voor staat: wat stopt, gaat stoppen, of afwijkt.", READERS,
        toon_naleving, {200: NalevingVanTenant}, refusals=frozenset({404}), files=(_CSV,), of_tenant=True,
    ),
    Route(
        "GET", "/v1/nalevingen", "nalevingen", "Hoe alle tenants er nu voor staan; niets van een register.", _OPERATOR,
        toon_nalevingen, {200: Nalevingen}, query=Bladzijde, files=(_CSV,),
    ),
)  # fmt: skip
