"""Every person reached by a taaksysteem, a user or a certificate in a period: what a notice of a data breach needs. Pure.

Three certainties, never mixed: data that went back to the caller, data that came in and went no further, and questions
whose outcome is unknown. What cannot be opened any more is counted, never passed over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tenants.inzage.tabellen import as_csv
from tenants.inzage.verstrekkingen import named_in
from tenants.inzage.verzoek import AMSTERDAM
from tenants.protocolregels import Closing, Protocolregel, passed_on_in, withheld_in
from tenants.words.rubrieken import in_words


@dataclass(slots=True)
class Bereikt:
    """One person: in how many calls data were given, only came in, or may have been given; when; and which."""

    number: str = field(repr=False)
    verstrekt: int = 0
    opgehaald: int = 0
    mogelijk: int = 0
    eerste: datetime | None = None
    laatste: datetime | None = None
    rubrieken: set[str] = field(default_factory=set)

    def note(self, at: datetime) -> None:
        """Widen the time in which this person was reached."""
        self.eerste = at if self.eerste is None else min(self.eerste, at)
        self.laatste = at if self.laatste is None else max(self.laatste, at)

    @property
    def gegevens(self) -> tuple[str, ...]:
        """Which data, in words."""
        return tuple(map(str, in_words(self.rubrieken)))


@dataclass(slots=True)
class Omvang:
    """All who were reached, by number, and what could not be told of whom."""

    personen: dict[str, Bereikt] = field(default_factory=dict, repr=False)
    bevragingen: int = 0
    zonder_nummer: int = 0
    zonder_afsluiting: int = 0
    uitkomst_onbekend: int = 0
    onbekend_over_wie: int = 0
    niet_te_openen: int = 0

    def add(self, regels: Iterable[Protocolregel]) -> None:
        """Count calls in; each is given once. A refused attempt reached nobody."""
        for regel in regels:
            self.bevragingen += 1
            if regel.unknown:
                self._add_unknown(regel)
            elif regel.closing is not None:
                self._add_closed(regel, regel.closing)

    def _add_closed(self, regel: Protocolregel, ended: Closing) -> None:
        self.zonder_nummer += ended.unidentified
        closing = None if regel.contents is None else regel.contents.closing
        if closing is None:
            self.niet_te_openen += ended.persons > 0
            return
        given, kept = passed_on_in(closing), withheld_in(closing)
        if ended.outcome != "beantwoord":
            given, kept = frozenset(), given | kept
        for number in given | kept:
            one = self._person(number, ended.closed_at)
            one.verstrekt += number in given
            one.opgehaald += number in kept and number not in given
            one.rubrieken |= _rubrieken(regel, number)

    def _add_unknown(self, regel: Protocolregel) -> None:
        self.uitkomst_onbekend += 1
        self.zonder_afsluiting += regel.closing is None
        opening = None if regel.contents is None else regel.contents.opening
        if opening is None:
            self.niet_te_openen += 1
            return
        named = named_in(opening)
        self.onbekend_over_wie += not named
        for number in named:
            self._person(number, regel.opened_at).mogelijk += 1

    def _person(self, number: str, at: datetime) -> Bereikt:
        found = self.personen.setdefault(number, Bereikt(number))
        found.note(at)
        return found


def reached_as_csv(omvang: Omvang, destroyed_years: Sequence[int]) -> bytes:
    """One line per person, by number; last, a line each, what could not be told of whom."""
    heading = (
        *("burgerservicenummer", "A-nummer", "keren verstrekt", "keren alleen opgehaald", "keren mogelijk verstrekt"),
        *("eerste", "laatste", "gegevens"),
    )
    lines = (
        (
            one.number if len(one.number) == 9 else "",
            one.number if len(one.number) == 10 else "",
            str(one.verstrekt),
            str(one.opgehaald),
            str(one.mogelijk),
            _local(one.eerste),
            _local(one.laatste),
            "; ".join(one.gegevens),
        )
        for _, one in sorted(omvang.personen.items())
    )
    return as_csv(heading, (*lines, *_not_in_it(omvang, destroyed_years)))


def _not_in_it(omvang: Omvang, destroyed_years: Sequence[int]) -> Iterable[tuple[str, str]]:
    yield "Bevragingen in totaal", str(omvang.bevragingen)
    yield "Personen zonder burgerservicenummer of A-nummer, niet in deze lijst", str(omvang.zonder_nummer)
    yield "Bevragingen waarvan de uitkomst onbekend is", str(omvang.uitkomst_onbekend)
    yield "Daarvan zonder afsluiting", str(omvang.zonder_afsluiting)
    yield (
        "Daarvan met een vraag die niemand bij nummer noemt, en die dus over iedereen kan gaan",
        str(omvang.onbekend_over_wie),
    )
    yield "Bevragingen die niet te openen zijn", str(omvang.niet_te_openen)
    yield "Jaren waarvan de vastlegging vernietigd is", ", ".join(map(str, destroyed_years)) or "geen"


def _rubrieken(regel: Protocolregel, number: str) -> set[str]:
    if not regel.fetched:
        return set(regel.passed_on)
    return {rubriek for one in regel.messages or () if number in one.numbers for rubriek in one.rubrieken}


def _local(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(AMSTERDAM).isoformat(timespec="seconds")
