"""Which notices the facts of this moment ask for. Pure: facts and a clock in, notices out; the same facts, the same notices.

A notice is known by tenant, kind, object, occasion (the very end, block or day that it is about) and threshold. Of an end
only the nearest threshold that has come counts: what is seen late is told once, not five times.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any, Final
from zoneinfo import ZoneInfo

from tenants.notices.kinds import BLOCKED, EINDES, GEBEURTENISSEN, REASONS, ContactKind

THRESHOLDS: Final = (7, 14, 30, 60, 90)
"""Days before an end; after it the threshold is ENDED."""
ENDED: Final = "einde"
WAITING: Final[Mapping[str, tuple[int, ...]]] = {"post_wacht": (5, 2), "postbus_ongezien": (6, 3)}
"""Days after which it is told, and told again. RvIG keeps post for seven."""
LASTING: Final = timedelta(days=1)
"""What is still so after this is told once more."""
MANY_READINGS: Final = 20
MUCH_MORE: Final = 3
_URGENT_DAYS: Final = frozenset({"7", ENDED})
_AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
_MONTHS: Final = (
    "januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november",
    "december",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is, was, or will be. `at` is since when, `due_at` when it ends; `facts` are what its words name."""

    tenant_id: int
    kind: str
    object: str
    occasion: str
    at: datetime | None = None
    due_at: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, and to which contacts."""

    tenant_id: int
    kind: str
    object: str
    occasion: str
    threshold: str
    subject: str
    words: str
    due_at: datetime | None
    contacts: tuple[ContactKind, ...]
    operator: bool

    @property
    def key(self) -> tuple[int, str, str, str, str]:
        return self.tenant_id, self.kind, self.object, self.occasion, self.threshold


def notices_of(facts: Iterable[Fact], now: datetime) -> list[Notice]:
    """What these facts ask to be told at this moment, whether it was told before or not."""
    return [notice for fact in facts if (notice := _notice(fact, now)) is not None]


def threshold_of(due_at: datetime, now: datetime, thresholds: Iterable[int] = THRESHOLDS) -> str | None:
    """How near an end is; None when it is not near."""
    if due_at <= now:
        return ENDED
    return next((str(days) for days in thresholds if due_at - now <= timedelta(days=days)), None)


def unusual_readings(counts: Mapping[int, Mapping[date, int]], today: date) -> Iterator[Fact]:
    """Days of today and yesterday on which a tenant's register was read far more than it usually is on a day with readings."""
    for tenant_id, by_day in counts.items():
        for day in (today, today - timedelta(days=1)):
            before = [count for other, count in by_day.items() if other < day]
            usual = sum(before) / len(before) if before else 0.0
            if by_day.get(day, 0) >= MANY_READINGS and by_day[day] > MUCH_MORE * usual:
                # The day is told once, with what it was when it stood out.
                facts = {"dag": _day(day), "aantal": by_day[day], "gewoon": round(usual)}
                yield Fact(tenant_id, "lezingen", "", day.isoformat(), facts=facts)


def _notice(fact: Fact, now: datetime) -> Notice | None:
    if fact.kind in EINDES:
        return _of_end(fact, now)
    return _of_event(fact, now)


def _of_end(fact: Fact, now: datetime) -> Notice | None:
    kind = EINDES[fact.kind]
    threshold = None if fact.due_at is None else threshold_of(fact.due_at, now, kind.days)
    if fact.due_at is None or threshold is None:
        return None
    noun = kind.noun.format_map(fact.facts)
    if threshold == ENDED:
        subject, first = f"{noun} {kind.ended}", f"{noun} {kind.ended} op {_moment(fact.due_at)}."
    else:
        days = max(1, ceil((fact.due_at - now) / timedelta(days=1)))
        left = "morgen" if days == 1 else f"over {days} dagen"
        subject, first = f"{noun} {kind.ends} {left}", f"{noun} {kind.ends} op {_moment(fact.due_at)}, {left}."
    words = _paragraphs(f"{first} {kind.means.format_map(fact.facts)}", kind.do.format_map(fact.facts))
    contacts = kind.contacts
    if kind.urgent and threshold in _URGENT_DAYS:
        contacts = (*contacts, "nood")
    return Notice(
        fact.tenant_id, fact.kind, fact.object, fact.occasion, threshold, subject, words, fact.due_at, contacts,
        kind.operator,
    )  # fmt: skip


def _of_event(fact: Fact, now: datetime) -> Notice | None:
    kind = GEBEURTENISSEN[fact.kind]
    threshold = _threshold_of_event(fact, now)
    if threshold is None:
        return None
    named = _named(fact)
    return Notice(
        fact.tenant_id, fact.kind, fact.object, fact.occasion, threshold, kind.subject.format_map(named),
        _paragraphs(kind.words.format_map(named), kind.do.format_map(named)), fact.due_at, kind.contacts, kind.operator,
    )  # fmt: skip


def _threshold_of_event(fact: Fact, now: datetime) -> str | None:
    if fact.kind in WAITING:
        lasted = timedelta(0) if fact.at is None else now - fact.at
        return next((str(days) for days in WAITING[fact.kind] if lasted >= timedelta(days=days)), None)
    if fact.kind == "voorstel" and fact.due_at is not None and fact.due_at - now <= timedelta(days=7):
        return "7"
    if fact.kind in {"controlepunt_te_laat", "rvig_weigert"} and fact.at is not None and now - fact.at >= LASTING:
        return "dag"
    return ""


def _named(fact: Fact) -> dict[str, Any]:
    named = dict(fact.facts)
    if fact.at is not None:
        named["moment"] = _moment(fact.at)
    if fact.due_at is not None:
        named["uiterlijk"] = _moment(fact.due_at)
    if fact.kind.startswith("blokkade"):
        value = str(named["waarde"]).rpartition("/")[2]
        named["wat"] = BLOCKED[named["soort"]].format(value)
    if fact.kind == "rvig_weigert":
        named["reden"] = REASONS[named["soort"]]
    return named


def _paragraphs(words: str, do: str) -> str:
    return f"{words}\n\nWat u kunt doen: {do}"


def today_of(now: datetime) -> date:
    """The day in the Netherlands."""
    return now.astimezone(_AMSTERDAM).date()


def _moment(moment: datetime) -> str:
    local = moment.astimezone(_AMSTERDAM)
    return f"{_day(local.date())} om {local:%H:%M}"


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
