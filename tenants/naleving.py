"""How an afnemer stands against the rules: everything that stops it, will stop it, or departs from the letter. Pure.

Wider than `tenants.patterns`, which says what may leave now: here also stands what is allowed and must be seen: a
certificate that ends, an exception that is in use, an organisation that lets itself be chosen by a header alone, or that
lets another administer for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenants.pattern_facts import Agreement, Finding, PatternFacts, Severity
from tenants.patterns import ALARM_DAYS, BEHEERDER, check_pattern


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry knows of one aansluiting. `chosen_by_header` names who may choose it by a header alone.

    `administered_by` names who administers for its tenant by a mandate, and until when. `secret_until` is when RvIG said that
    the client-secret ends, if it did. `certificate_remarks` (code and text): why RvIG may refuse the certificate.
    """

    facts: PatternFacts
    state: str
    certificate_until: datetime | None = None
    chosen_by_header: tuple[str, ...] = ()
    administered_by: tuple[tuple[str, datetime], ...] = ()
    certificate_state: str | None = None
    secret_until: datetime | None = None
    certificate_remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Naleving:
    """One afnemer: its findings by (environment, pattern), and the agreements that hold for it."""

    afnemer_id: str
    findings: tuple[tuple[str, str, Finding], ...]
    agreements: tuple[Agreement, ...]

    @property
    def is_good(self) -> bool:
        return not self.findings


def naleving(standings: Iterable[Standing], now: datetime) -> tuple[Naleving, ...]:
    """Return how each afnemer stands, by AfnemerID; of its findings those that stop come first, then by date."""
    by_afnemer: dict[str, list[Standing]] = {}
    for standing in standings:
        if standing.state != "beeindigd":
            by_afnemer.setdefault(standing.facts.afnemer_id, []).append(standing)
    return tuple(_of_afnemer(afnemer_id, those, now) for afnemer_id, those in sorted(by_afnemer.items()))


def _of_afnemer(afnemer_id: str, standings: list[Standing], now: datetime) -> Naleving:
    found = [
        (one.facts.environment, one.facts.pattern, finding) for one in standings for finding in _findings(one, now)
    ]
    latest = datetime.max.replace(tzinfo=now.tzinfo)
    found.sort(key=lambda one: (one[2].severity != "stops", one[2].due or latest, one[2].code, one[:2]))
    agreements = {
        agreement
        for one in standings
        for agreement in one.facts.agreements
        if agreement.afnemer_id in {None, afnemer_id}
    }
    return Naleving(afnemer_id, tuple(found), tuple(sorted(agreements, key=lambda one: (one.kind, one.valid_from))))


def _findings(standing: Standing, now: datetime) -> Iterator[Finding]:
    facts = standing.facts
    yield from check_pattern(facts, now)
    if facts.exception is not None and facts.certificate_oin != facts.organisation_oin:
        text = f"De aansluiting gebruikt bij uitzondering het certificaat van OIN {facts.certificate_oin}."
        yield Finding("certificaatVanAndereOrganisatie", text, BEHEERDER, "alarms", due=facts.exception.valid_until)
    yield from _of_certificate(standing, now)
    if standing.secret_until is not None:
        # What RvIG said of it; whether it takes the secret is for RvIG to say, and nothing stops for it here.
        yield from _expiry(standing.secret_until, now, "clientSecret", "Het client-secret", ended="alarms")
    for name in standing.chosen_by_header:
        text = f"{name} mag deze organisatie met alleen een header aanwijzen."
        yield Finding("keuzeDoorHeader", text, BEHEERDER, "alarms")
    for name, until in standing.administered_by:
        if now < until:
            yield Finding("gedelegeerdBeheer", f"{name} beheert voor deze organisatie.", BEHEERDER, "alarms", due=until)


def _of_certificate(standing: Standing, now: datetime) -> Iterator[Finding]:
    if standing.certificate_state == "revoked":
        yield Finding("certificaatIngetrokken", "Het certificaat is ingetrokken.", BEHEERDER, "stops")
    elif standing.certificate_state == "retired":
        yield Finding("certificaatUitgefaseerd", "Het certificaat is uitgefaseerd.", BEHEERDER, "stops")
    elif standing.certificate_state in {"requested", "staged"} and standing.state != "concept":
        yield Finding("certificaatNietActief", "Het certificaat is niet geactiveerd.", BEHEERDER, "stops")
    for code, text in standing.certificate_remarks:
        yield Finding(code, text, BEHEERDER, "alarms")
    if standing.certificate_until is not None:
        yield from _expiry(standing.certificate_until, now, "certificaat", "Het certificaat")


def _expiry(until: datetime, now: datetime, what: str, noun: str, *, ended: Severity = "stops") -> Iterator[Finding]:
    if until <= now:
        yield Finding(f"{what}Verlopen", f"{noun} is verlopen.", BEHEERDER, ended, due=until)
        return
    for days in ALARM_DAYS:
        if until - now <= timedelta(days=days):
            yield Finding(f"{what}LooptAf", f"{noun} loopt af.", BEHEERDER, "alarms", due=until, days=days)
            return
