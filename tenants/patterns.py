"""The aansluitpatronen as rules. Pure: no I/O, no clock; used at activation and at each call.

| pattern               | whose AfnemerID        | certificate                                    | agreements                        |
|-----------------------|------------------------|------------------------------------------------|-----------------------------------|
| standaard             | the afnemer's          | its own                                        | –                                 |
| saas                  | the customer's         | its own; leverancier's by exception            | contract, verwerkersovereenkomst  |
| delegatie             | the samenwerkingsverband's | its own                                    | –                                 |
| gezamenlijk-personeel | the member's           | its own; samenwerkingsverband's by exception   | – (a mandate, looked at per call) |
| koppelpunt            | the afnemer's          | its own; leverancier's or samenwerkingsverband's by exception | contract, verwerkersovereenkomst |

The certificate is that of the afnemer's organisation (RvIG's letter of 27 March 2026). What the brochure also allowed
needs an exception that is explicit, dated and reasoned; for a gemeente there is none. *saas* is for an afnemer with one
taaksysteem. Time alone never stops a gemeente: an agreement whose time is over alarms, and stops only when a grace that
somebody recorded is over too. For others it stops when its time, or its grace, is over.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from tenants.pattern_facts import Agreement, Finding, PatternFacts

BEHEERDER: Final = "tenant-beheerder"
OPERATOR: Final = "operator"

ALARM_DAYS: Final = (7, 30, 90)
PROCESSOR_PATTERNS: Final = frozenset({"saas", "koppelpunt"})
"""Patterns in which another organisation works for the afnemer as its processor (AVG art. 28)."""

HOLDERS: Final = {
    "standaard": frozenset[str](),
    "saas": frozenset({"leverancier"}),
    "delegatie": frozenset[str](),
    "gezamenlijk-personeel": frozenset({"samenwerkingsverband"}),
    "koppelpunt": frozenset({"leverancier", "samenwerkingsverband"}),
}
"""By pattern: the kinds of organisation whose certificate an exception may allow."""

PRODUCTS: Final = ("adressering", "gezag", "leeftijd")
"""Informatieproducten, by the beginning of the names of their fields (Besluit experiment dataminimalisatie 2.4, 2.5)."""


def check_pattern(facts: PatternFacts, now: datetime) -> tuple[Finding, ...]:
    """Everything that is not as the pattern wants it, at this moment; () when all is well."""
    if facts.pattern not in HOLDERS:
        return (_stop("aansluitpatroonOnbekend", "Het aansluitpatroon is onbekend.", OPERATOR),)
    return (
        *_check_organisation(facts),
        *_check_certificate(facts, now),
        *_check_agreements(facts, now),
        *_check_taaksystemen(facts, now),
        *_check_information(facts, now),
    )


def stops(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in findings if one.severity == "stops")


def next_change(facts: PatternFacts, now: datetime) -> datetime | None:
    """The first moment after `now` at which another finding could stop, if the registry stays as it is."""
    moments = [moment for one in facts.agreements for moment in (one.valid_from, one.valid_until, one.grace_until)]
    moments += [moment for use in facts.uses for moment in (use.valid_from, use.valid_until)]
    if facts.exception is not None:
        moments += [facts.exception.valid_from, facts.exception.valid_until]
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def missing_products(facts: PatternFacts, asked: Iterable[str], now: datetime) -> tuple[Finding, ...]:
    """What is missing to ask these informatieproducten. A gemeente needs nothing."""
    wanted = sorted(set(asked))
    if facts.is_gemeente or not wanted:
        return ()
    found = []
    granted = _agreed(facts, "aanvullende_autorisatie", now)
    lacking = [product for product in wanted if not any(product in one.products for one in granted)]
    if lacking:
        text = f"Voor {', '.join(lacking)} is geen geldige aanvullende autorisatie vastgelegd."
        found.append(_stop("aanvullendeAutorisatieOntbreekt", text))
    if not _agreed(facts, "convenant", now):
        found.append(_stop("convenantOntbreekt", "Voor informatievragen is geen geldig convenant vastgelegd."))
    return tuple(found)


def products_of(fields: Iterable[str]) -> frozenset[str]:
    """The informatieproducten among the fields of a question about persons."""
    # Nearly no question asks for one, and one look through all names together is the cheapest to tell.
    named = "\n" + "\n".join(fields)
    return frozenset(product for product in PRODUCTS if "\n" + product in named)


def _check_organisation(facts: PatternFacts) -> Iterator[Finding]:
    is_joint = facts.organisation_kind == "samenwerkingsverband"
    if facts.pattern == "delegatie" and not is_joint:
        text = "Bij delegatie is het AfnemerID dat van het samenwerkingsverband zelf."
        yield _stop("patroonPastNietBijOrganisatie", text)
    if facts.pattern == "gezamenlijk-personeel" and is_joint:
        text = "Bij gezamenlijk personeel is het AfnemerID dat van een deelnemer, niet van het samenwerkingsverband."
        yield _stop("patroonPastNietBijOrganisatie", text)


def _check_certificate(facts: PatternFacts, now: datetime) -> Iterator[Finding]:
    if facts.certificate_oin is None:
        yield _stop("certificaatOntbreekt", "De aansluiting heeft geen certificaat.")
        return
    if facts.shared_with:
        text = f"Het certificaat is ook in gebruik bij een andere installatie ({', '.join(facts.shared_with)})."
        yield _stop("certificaatGedeeldMetAndereInstallatie", text)
    if facts.certificate_oin == facts.organisation_oin and not facts.borrowed:
        return
    if facts.is_gemeente:
        text = "Een gemeente gebruikt altijd een certificaat van de eigen organisatie."
        yield _stop("certificaatVanGemeenteVerplicht", text)
    elif not HOLDERS[facts.pattern]:
        text = "Dit aansluitpatroon vraagt een certificaat van de eigen organisatie."
        yield _stop("certificaatMoetEigenZijn", text)
    else:
        yield from _check_exception(facts, now)


def _check_exception(facts: PatternFacts, now: datetime) -> Iterator[Finding]:
    exception = facts.exception
    if exception is None:
        text = "Voor het certificaat van een andere organisatie is geen uitzondering vastgelegd."
        yield _stop("certificaatUitzonderingOntbreekt", text)
        return
    named = (exception.afnemer_id, exception.organisation_oin, exception.holder_oin)
    if named != (facts.afnemer_id, facts.organisation_oin, facts.certificate_oin):
        text = "De uitzondering geldt voor een andere afnemer of een ander certificaat."
        yield _stop("certificaatUitzonderingOnjuist", text)
        return
    if exception.holder_kind not in HOLDERS[facts.pattern]:
        text = "Het certificaat van deze soort organisatie past niet bij het aansluitpatroon."
        yield _stop("certificaatHouderOnjuist", text)
    if exception.withdrawn:
        text = "De uitzondering voor het certificaat, of het uitlenen ervan, is ingetrokken."
        yield _stop("certificaatUitzonderingIngetrokken", text)
    elif now < exception.valid_from:
        text = "De uitzondering voor het certificaat is nog niet ingegaan."
        yield _stop("certificaatUitzonderingNogNietIngegaan", text, due=exception.valid_from)
    elif now >= exception.valid_until:
        text = "De uitzondering voor het certificaat is verlopen."
        yield _stop("certificaatUitzonderingVerlopen", text, due=exception.valid_until)
    else:
        text = "De uitzondering voor het certificaat loopt af."
        yield from _alarm_before(exception.valid_until, now, "certificaatUitzonderingLooptAf", text)


def _check_agreements(facts: PatternFacts, now: datetime) -> Iterator[Finding]:
    if facts.pattern in PROCESSOR_PATTERNS:
        yield from _check_agreement(facts, "contract", "Het contract", now)
        yield from _check_agreement(facts, "verwerkersovereenkomst", "De verwerkersovereenkomst", now)


def _check_agreement(facts: PatternFacts, kind: str, noun: str, now: datetime) -> Iterator[Finding]:
    fitting = [one for one in _of_afnemer(facts) if one.kind == kind]
    until = _covered_until(fitting, now)
    if until is not None:
        yield from _alarm_before(until, now, f"{kind}LooptAf", f"{noun} loopt af.")
        return
    over = [one for one in fitting if one.valid_until is not None and one.valid_until <= now]
    if not over:
        if fitting:
            yield _stop(f"{kind}NogNietIngegaan", f"{noun} is nog niet ingegaan.", due=_first(fitting))
        else:
            yield _stop(f"{kind}Ontbreekt", f"{noun} is niet vastgelegd.")
        return
    # The mildest word counts: of several the one that lets calls through longest.
    ends = [one.grace_until or (None if facts.is_gemeente else one.valid_until) for one in over]
    if None in ends:
        text = f"{noun} is verlopen; er is nog geen uitstel vastgelegd."
        yield Finding(f"{kind}Verlopen", text, BEHEERDER, "alarms")
        return
    end = max(one for one in ends if one is not None)
    if now < end:
        text = f"{noun} is verlopen; de aansluiting werkt door tot het vastgelegde uitstel om is."
        yield Finding(f"{kind}Verlopen", text, BEHEERDER, "alarms", due=end)
    else:
        yield _stop(f"{kind}Verlopen", f"{noun} is verlopen.", due=end)


def _check_taaksystemen(facts: PatternFacts, now: datetime) -> Iterator[Finding]:
    if facts.pattern == "saas":
        number = len({use.taaksysteem for use in facts.uses if use.valid_from <= now < use.valid_until})
        if number > 1:
            text = f"Saas is voor een afnemer met precies één taaksysteem; er zijn er {number}."
            yield _stop("teVeelTaaksystemen", text)
        elif number == 0:
            text = "Er is nog geen taaksysteem gemachtigd."
            yield Finding("geenTaaksysteem", text, BEHEERDER, "alarms")
    if facts.pattern == "gezamenlijk-personeel" and facts.users is False:
        text = "Bij gezamenlijk personeel noemt elke aanroep de medewerker."
        yield _stop("gebruikerOntbreekt", text)


def _check_information(facts: PatternFacts, now: datetime) -> Iterator[Finding]:
    # Nothing else of the aansluiting stops for it: a call that asks for such a field does.
    for one in missing_products(facts, facts.products, now):
        yield Finding(one.code, one.text, one.who, "alarms")


def _of_afnemer(facts: PatternFacts) -> Iterator[Agreement]:
    return (one for one in facts.agreements if one.afnemer_id in {None, facts.afnemer_id})


def _agreed(facts: PatternFacts, kind: str, now: datetime) -> list[Agreement]:
    return [one for one in _of_afnemer(facts) if one.kind == kind and _holds(one, now)]


def _holds(agreement: Agreement, now: datetime) -> bool:
    return agreement.valid_from <= now and (agreement.valid_until is None or now < agreement.valid_until)


def _covered_until(agreements: Iterable[Agreement], now: datetime) -> datetime | None:
    """Until when agreements follow each other without a gap, None when none holds now. Without an end: datetime.max."""
    until = None
    reach = now
    for one in sorted(agreements, key=lambda agreement: agreement.valid_from):
        if one.valid_from > reach:
            break
        end = datetime.max.replace(tzinfo=now.tzinfo) if one.valid_until is None else one.valid_until
        if end > reach:
            until = reach = end
    return until


def _first(agreements: Iterable[Agreement]) -> datetime:
    return min(one.valid_from for one in agreements)


def _alarm_before(due: datetime, now: datetime, code: str, text: str) -> Iterator[Finding]:
    for days in ALARM_DAYS:
        if due - now <= timedelta(days=days):
            yield Finding(code, text, BEHEERDER, "alarms", due=due, days=days)
            return


def _stop(code: str, text: str, who: str = BEHEERDER, due: datetime | None = None) -> Finding:
    return Finding(code, text, who, "stops", due=due)
