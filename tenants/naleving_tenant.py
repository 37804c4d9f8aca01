"""How a tenant as a whole stands against the rules, beside its afnemers (`tenants.naleving`). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tenants.pattern_facts import Finding
from tenants.patterns import ALARM_DAYS, BEHEERDER, OPERATOR

CONTACTS: Final = {
    "technisch": "technisch contact",
    "fg": "contact voor de functionaris",
    "nood": "contact voor noodgevallen",
}
"""The contacts that a tenant should have, with how each is called."""


@dataclass(frozen=True, slots=True)
class TenantStanding:
    """What the registry knows of one tenant.

    `contacts` are the kinds that it has; `places` and `late` count its destinations for checkpoints and those that lack some;
    `overdue` counts months and keys that should be gone a week ago; `mandates` end: what each is called, and when.
    `foreign_auditors` are keys of an auditor that the command line made, with their ends: whoever made one may have kept it.
    """

    in_productie: bool
    contacts: frozenset[str]
    places: int
    late: int
    overdue: int
    mandates: tuple[tuple[str, datetime], ...] = ()
    foreign_auditors: tuple[tuple[int, datetime], ...] = ()


def tenant_findings(standing: TenantStanding, now: datetime) -> tuple[Finding, ...]:
    """What is not as it should be with a tenant, what stops first."""
    found = (*_of_register(standing), *_of_contacts(standing), *_of_mandates(standing, now), *_of_keys(standing))
    return tuple(sorted(found, key=lambda one: one.severity != "stops"))


def _of_register(standing: TenantStanding) -> Iterator[Finding]:
    if standing.in_productie and standing.places == 0:
        text = "Er is geen bestemming voor de controlepunten van het register."
        yield Finding("controlebestemmingOntbreekt", text, BEHEERDER, "alarms")
    if standing.late:
        text = f"{standing.late} van {standing.places} bestemmingen missen controlepunten van het register."
        yield Finding("controlepuntTeLaat", text, OPERATOR, "alarms")
    if standing.overdue:
        text = f"{standing.overdue} maanden of sleutels van het register zijn langer bewaard dan de termijn."
        yield Finding("bewaartermijnOverschreden", text, OPERATOR, "alarms")


def _of_contacts(standing: TenantStanding) -> Iterator[Finding]:
    for kind, noun in CONTACTS.items():
        if kind not in standing.contacts:
            yield Finding("contactOntbreekt", f"Er is geen {noun}.", BEHEERDER, "alarms")


def _of_mandates(standing: TenantStanding, now: datetime) -> Iterator[Finding]:
    for name, until in sorted(standing.mandates, key=lambda one: one[1]):
        days = next((days for days in ALARM_DAYS if now < until and until - now <= timedelta(days=days)), None)
        if days is not None:
            yield Finding("mandaatLooptAf", f"{name} loopt af.", BEHEERDER, "alarms", due=until, days=days)


def _of_keys(standing: TenantStanding) -> Iterator[Finding]:
    for number, until in standing.foreign_auditors:
        text = (
            f"Beheersleutel {number} is van een auditor en werd op de opdrachtregel gemaakt: wie dat deed kan het register lezen. "
            f"Trek haar in (DELETE /v1/beheersleutels/{number}); dat kan de beheerder alleen."
        )
        yield Finding("auditorsleutelVanOpdrachtregel", text, BEHEERDER, "alarms", due=until)
