"""A request for inzage: who asks, about whom, by which law, and how far it is. Pure.

Owns the term (four weeks, Wet BRP 3.22; kept for requests under AVG 15 too) and what must be established before anything is
told: the identity of who asks and, when somebody asks for another, that one's authority. Refuses steps out of order.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from tenants.model import Bsn
from tenants.recording import Period
from tenants.subjects import ANummer, Subject

Wet = Literal["wet-brp-3.22", "avg-15"]
Stapsoort = Literal["identiteit", "bevoegdheid", "uitkomst", "verzonden", "ingetrokken", "afgewezen"]
Toestand = Literal["open", "beantwoord", "ingetrokken", "afgewezen"]

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
YEARS: Final = 20
"""How far back a citizen may look (Wet BRP 3.22)."""
VOOR_BETROKKENE: Final = "voor de betrokkene"
"""How the note of an outcome ends that was made for who asks: only such a one can be sent."""
_CLOSES: Final[dict[str, Toestand]] = {
    "verzonden": "beantwoord",
    "ingetrokken": "ingetrokken",
    "afgewezen": "afgewezen",
}


class OutOfOrder(Exception):
    """A step that cannot be taken now. `code` says which rule stands in the way; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class Iemand:
    """Somebody by name and address, one line each."""

    naam: str
    adres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Vertegenwoordiger:
    """Who asks for another, and as what (parent, curator, attorney)."""

    wie: Iemand
    hoedanigheid: str


@dataclass(frozen=True, slots=True, repr=False)
class Betrokkenen:
    """Whom a request is about and who asks: what stands sealed."""

    subject: Subject
    betrokkene: Iemand
    vertegenwoordiger: Vertegenwoordiger | None = None


@dataclass(frozen=True, slots=True)
class Stap:
    """One step: by which administrator recorded and when, and what was done, how, by whom, at which moment."""

    number: int
    at: datetime
    actor: str
    kind: Stapsoort
    method: str | None
    by_whom: str | None
    done_at: datetime
    note: str | None
    reading: int | None

    @property
    def can_be_sent(self) -> bool:
        """Whether this is an outcome that was made for the betrokkene, and not the officer's own look."""
        return self.kind == "uitkomst" and self.note is not None and self.note.endswith(VOOR_BETROKKENE)


@dataclass(frozen=True, slots=True)
class Inzageverzoek:
    """A request as it stands. `betrokkenen` is None when it was not opened, or its key was destroyed."""

    number: int
    at: datetime
    actor: str
    received_on: date
    due_on: date
    law: Wet
    period: Period
    represented: bool
    stappen: tuple[Stap, ...] = ()
    betrokkenen: Betrokkenen | None = field(default=None, repr=False)

    @property
    def toestand(self) -> Toestand:
        """Open until the outcome was sent, or the request withdrawn or refused."""
        return next((_CLOSES[one.kind] for one in self.stappen if one.kind in _CLOSES), "open")

    def is_late(self, now: datetime) -> bool:
        """Whether the four weeks are over and nothing was sent: days are those of the Netherlands."""
        return self.toestand == "open" and now.astimezone(AMSTERDAM).date() > self.due_on

    def must_take(self, kind: Stapsoort, done_at: datetime, now: datetime) -> None:
        """Raise OutOfOrder when this step cannot be taken now."""
        taken = {one.kind for one in self.stappen}
        if self.toestand in {"ingetrokken", "afgewezen"} or (self.toestand == "beantwoord" and kind != "uitkomst"):
            raise OutOfOrder("alAfgesloten", f"Dit verzoek is afgesloten: {self.toestand}.")
        if kind == "bevoegdheid" and not self.represented:
            raise OutOfOrder(
                "geenVertegenwoordiger", "De betrokkene vraagt zelf; er is geen bevoegdheid vast te stellen."
            )
        if kind == "uitkomst":
            self._must_be_identified(taken)
        if kind == "verzonden" and not any(one.can_be_sent for one in self.stappen):
            raise OutOfOrder(
                "geenUitkomst", "Er is nog geen uitkomst voor de betrokkene gemaakt die verzonden kan zijn."
            )
        if not self.received_on <= done_at.astimezone(AMSTERDAM).date() or done_at > now + timedelta(minutes=5):
            raise OutOfOrder("onmogelijkMoment", "Het moment ligt voor de ontvangst van het verzoek of in de toekomst.")

    def _must_be_identified(self, taken: set[Stapsoort]) -> None:
        if "identiteit" not in taken:
            raise OutOfOrder(
                "identiteitNietVastgesteld", "Leg eerst vast hoe, door wie en wanneer de identiteit is vastgesteld."
            )
        if self.represented and "bevoegdheid" not in taken:
            raise OutOfOrder(
                "bevoegdheidNietVastgesteld",
                "Leg eerst vast hoe de bevoegdheid van de vertegenwoordiger is vastgesteld.",
            )


def note_of_outcome(form: str, reader: str) -> str:
    """What the step of an outcome says: in which form, and for whom. `Stap.can_be_sent` reads it."""
    return f"{form}, {VOOR_BETROKKENE if reader == 'betrokkene' else f'voor de {reader}'}"


def law_of(tenant_kind: str) -> Wet:
    """By which law a tenant answers: a gemeente by the Wet BRP, every other body by the AVG."""
    return "wet-brp-3.22" if tenant_kind == "gemeente" else "avg-15"


def whole_period(received_on: date) -> Period:
    """The twenty years before the day after a request came in, in days of the Netherlands."""
    end = received_on + timedelta(days=1)
    # 29 February has no counterpart in every year.
    begin = date(received_on.year - YEARS, received_on.month, min(received_on.day, 28))
    return _midnight(begin), _midnight(end)


def written(betrokkenen: Betrokkenen) -> bytes:
    """What is sealed."""
    subject, acting = betrokkenen.subject, betrokkenen.vertegenwoordiger
    return json.dumps(
        {
            "bsn": None if subject.bsn is None else subject.bsn.digits,
            "aNummer": None if subject.a_nummer is None else subject.a_nummer.digits,
            "betrokkene": _lines(betrokkenen.betrokkene),
            "vertegenwoordiger": None if acting is None else [*_lines(acting.wie)],
            "hoedanigheid": None if acting is None else acting.hoedanigheid,
        }
    ).encode()


def read_written(sealed: bytes) -> Betrokkenen:
    """The inverse of `written`."""
    found = json.loads(sealed)
    acting = found["vertegenwoordiger"]
    return Betrokkenen(
        Subject(
            None if found["bsn"] is None else Bsn(found["bsn"]),
            None if found["aNummer"] is None else ANummer(found["aNummer"]),
        ),
        _somebody(found["betrokkene"]),
        None if acting is None else Vertegenwoordiger(_somebody(acting), found["hoedanigheid"]),
    )


def _lines(one: Iemand) -> list[str]:
    return [one.naam, *one.adres]


def _somebody(lines: Sequence[str]) -> Iemand:
    return Iemand(lines[0], tuple(lines[1:]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), AMSTERDAM).astimezone(UTC)
