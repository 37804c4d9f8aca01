"""Unusual use, from what users of taaksystemen asked per day. Pure.

A finding is a question to ask, never a verdict. Users are known by their index of the year until somebody looks them up;
a user whom a taaksysteem does not name counts as one. Over the turn of a year one user counts as two.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

MOST: Final = 100
"""Findings of one kind that a report tells, the largest first; it says how many there are."""


@dataclass(frozen=True, slots=True)
class Gebruiker:
    """Who asked: a user of a taaksysteem, or (`user` None) all whom it does not name; by index of the year."""

    taaksysteem: tuple[int, int]
    user: UUID | None


@dataclass(frozen=True, slots=True)
class Werktijd:
    """When work is done, in the Netherlands: from `begin` until `end`, on these days (1 is Monday)."""

    begin: time = time(7)
    end: time = time(19)
    days: frozenset[int] = frozenset({1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Dag:
    """What one user asked on one day, and how much of it outside working time."""

    gebruiker: Gebruiker
    day: date
    calls: int
    outside: int


@dataclass(frozen=True, slots=True)
class Uitschieter:
    """A day with many more calls than the median day of this user, or (`user` None: all) of this taaksysteem."""

    taaksysteem: tuple[int, int]
    gebruiker: Gebruiker | None
    day: date
    calls: int
    median: float


@dataclass(frozen=True, slots=True)
class BuitenWerktijd:
    """A user who asked outside working time: on how many days, and what part of the whole."""

    gebruiker: Gebruiker
    outside: int
    calls: int
    days: int


@dataclass(frozen=True, slots=True)
class Geraadpleegd:
    """A person of a list who was asked about, by whom, how often, and in which calls (the last few)."""

    number: str = field(repr=False)
    gebruiker: Gebruiker
    calls: int
    last: datetime
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class DoorVelen:
    """A person about whom many users asked. `person` is the index of the year until somebody looks it up."""

    person: UUID = field(repr=False)
    users: int
    calls: int
    example: UUID


@dataclass(frozen=True, slots=True)
class Maat:
    """From what on use is told as unusual."""

    werktijd: Werktijd = field(default_factory=Werktijd)
    outside_from: int = 1
    volume_factor: float = 5.0
    volume_from: int = 50
    users_per_person: int = 5


@dataclass(frozen=True, slots=True)
class Bevindingen:
    """All findings, the largest first. `examples` are a few calls of the days that stand out, by place among the first.

    `names` and `numbers` hold of users and persons only those that are told and could be opened. `how_many_by_many` counts
    all persons about whom many asked, of whom `by_many` tells the first. `in_vain` are those of the lists about whom was asked
    without an answer, looked at from `in_vain_since` on.
    """

    consulted: tuple[Geraadpleegd, ...]
    outside: tuple[BuitenWerktijd, ...]
    outliers: tuple[Uitschieter, ...]
    by_many: tuple[DoorVelen, ...]
    examples: Mapping[int, tuple[UUID, ...]]
    names: Mapping[Gebruiker, str] = field(repr=False)
    numbers: Mapping[UUID, str] = field(repr=False)
    how_many_by_many: int
    in_vain: tuple[Geraadpleegd, ...]
    in_vain_since: datetime


def outliers(days: Iterable[Dag], *, factor: float, least: int) -> tuple[Uitschieter, ...]:
    """Days of `least` calls or more that have `factor` times the median day or more; of users and of taaksystemen.

    The median is that of the days on which there was any use. Someone with a single day has nothing to compare with.
    """
    users: dict[Gebruiker, dict[date, int]] = defaultdict(dict)
    systems: dict[tuple[int, int], dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for one in days:
        users[one.gebruiker][one.day] = one.calls
        systems[one.gebruiker.taaksysteem][one.day] += one.calls
    found = [
        Uitschieter(gebruiker.taaksysteem, gebruiker, *rest)
        for gebruiker, series in users.items()
        if gebruiker.user is not None
        for rest in _high(series, factor, least)
    ]
    found += [
        Uitschieter(system, None, *rest) for system, series in systems.items() for rest in _high(series, factor, least)
    ]
    return tuple(sorted(found, key=lambda one: -one.calls / one.median))


def outside_hours(days: Iterable[Dag], *, least: int) -> tuple[BuitenWerktijd, ...]:
    """Users with `least` calls or more outside working time, most first."""
    rows: dict[Gebruiker, list[Dag]] = defaultdict(list)
    for one in days:
        rows[one.gebruiker].append(one)
    found = [
        BuitenWerktijd(
            gebruiker,
            sum(one.outside for one in own),
            sum(one.calls for one in own),
            sum(one.outside > 0 for one in own),
        )
        for gebruiker, own in rows.items()
    ]
    return tuple(sorted((one for one in found if one.outside >= least), key=lambda one: -one.outside))


def consulted(
    rows: Iterable[tuple[UUID, Gebruiker, UUID, datetime]], persons: Mapping[UUID, str], *, examples: int = 3
) -> tuple[Geraadpleegd, ...]:
    """Who asked about the persons of a list. `rows` are (person index, who, call, when); `persons` whose index it is."""
    found: dict[tuple[str, Gebruiker], list[tuple[datetime, UUID]]] = defaultdict(list)
    for person, gebruiker, call, at in rows:
        found[persons[person], gebruiker].append((at, call))
    made = []
    for (number, gebruiker), calls in found.items():
        newest: Sequence[tuple[datetime, UUID]] = sorted(set(calls), reverse=True)
        made.append(
            Geraadpleegd(number, gebruiker, len(newest), newest[0][0], tuple(call for _, call in newest[:examples]))
        )
    return tuple(sorted(made, key=lambda one: (-one.calls, one.last)))


def _high(series: Mapping[date, int], factor: float, least: int) -> list[tuple[date, int, float]]:
    if len(series) < 2:
        return []
    median = statistics.median(series.values())
    return [(day, calls, median) for day, calls in series.items() if calls >= least and calls >= factor * median]
