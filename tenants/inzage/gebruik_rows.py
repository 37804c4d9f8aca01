"""What a report of unusual use needs of the register, in recorded steps. Judges nothing: `tenants.inzage.gebruik` does.

The period is at most a quarter of a year. A step is one statement over one month of it, so that none lasts long.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from math import ceil
from typing import Final
from uuid import UUID

import asyncpg

from tenants.finding import OF_PERSONS, bounds_of, in_steps, months_of
from tenants.inzage.gathering import TooMuch
from tenants.inzage.gebruik import (
    MOST,
    Bevindingen,
    Dag,
    DoorVelen,
    Gebruiker,
    Geraadpleegd,
    Maat,
    Werktijd,
    consulted,
    outliers,
    outside_hours,
)
from tenants.inzage.pogingen import find_pogingen
from tenants.inzage.verzoek import AMSTERDAM
from tenants.keyring import Keyring
from tenants.model import Bsn
from tenants.protocolregels import Protocolregel, passed_on_in, withheld_in
from tenants.reading import read_again
from tenants.recording import Period, Reading, reading_scope, record_reading
from tenants.register_keys import InYear, indexes_of, read_index_keys, year_bounds
from tenants.scope import tenant_scope
from tenants.subjects import ANummer, Subject

LONGEST: Final = timedelta(days=92)
KIND: Final = "ongewoon_gebruik"
_MOST_CALLS: Final = 100_000
_MANY_SHOWN: Final = 50
_ASKED: Final = (
    "FROM register.person p JOIN register.opening o ON o.tenant_id = p.tenant_id AND o.id = p.id "
    "WHERE p.tenant_id = $1 AND p.id >= $2 AND p.id < $3 AND o.tenant_id = $1 AND o.id >= $2 AND o.id < $3 "
)
_LIKELY: Final = f"SELECT p.person {_ASKED} GROUP BY p.person HAVING count(DISTINCT o.user_index) >= $4 LIMIT $5"
_USERS: Final = (
    "SELECT p.person, COALESCE(array_agg(DISTINCT o.user_index) FILTER (WHERE o.user_index IS NOT NULL), '{}') AS users, "
    f"  count(DISTINCT p.id) AS calls, (array_agg(p.id))[1] AS example {_ASKED} AND p.person = ANY ($4) GROUP BY p.person"
)


@dataclass(frozen=True, slots=True)
class Onderzoek:
    """One recorded report under way; `persons` are the lists, by index of the year; `keys` are those of the years."""

    connection: asyncpg.Connection
    register: Keyring
    tenant_id: int
    actor: str
    period: Period
    reading: int
    persons: Mapping[UUID, str]
    years: Sequence[InYear]
    keys: Sequence[bytes] = field(repr=False)
    destroyed: tuple[int, ...]


async def begin(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    listed: Sequence[str],
    period: Period,
    *,
    actor: str,
    reason: str,
) -> Onderzoek:
    """Record the reading: of a period of at most a quarter, and of these persons. Raises SealingError."""
    if period[1] - period[0] > LONGEST:
        raise ValueError("A report of unusual use is about a quarter of a year at most.")
    async with tenant_scope(connection, tenant_id, actor=actor):
        keys, destroyed = await read_index_keys(connection, register, tenant_id, period)
    persons, years = await asyncio.to_thread(_indexes, keys, list(dict.fromkeys(listed)))
    recorded = Reading(kind=KIND, reason=reason, contents=True, subjects=list(persons), period=period)
    number = await record_reading(connection, tenant_id, recorded, actor=actor)
    opened = tuple(key for _, key in keys)
    return Onderzoek(connection, register, tenant_id, actor, period, number, persons, years, opened, tuple(destroyed))


async def find(made: Onderzoek, maat: Maat) -> Bevindingen:
    """All findings, with the names of users and the numbers of persons that are told. Raises TooMuch, SealingError."""
    days = await days_of_use(made, maat.werktijd)
    asked = await consultations(made)
    in_vain, since = await attempts(made)
    outside = outside_hours(days, least=maat.outside_from)
    high = outliers(days, factor=maat.volume_factor, least=maat.volume_from)
    many, how_many = await asked_by_many(made, maat.users_per_person)
    examples: dict[int, tuple[UUID, ...]] = {}
    one_of: dict[Gebruiker, UUID] = {one.gebruiker: one.ids[0] for one in (*asked[:MOST], *in_vain[:MOST])}
    for place, outlier in enumerate(high[:MOST]):
        if outlier.gebruiker is not None:
            examples[place] = await examples_of(made, outlier.gebruiker, _day(outlier.day), 3)
            one_of.update((outlier.gebruiker, call) for call in examples[place][:1])
    for late in outside[:MOST]:
        if late.gebruiker not in one_of:
            found = await examples_of(made, late.gebruiker, made.period, 1)
            one_of.update((late.gebruiker, call) for call in found)
    return Bevindingen(
        asked,
        outside,
        high,
        tuple(many),
        examples,
        await names_of(made, one_of),
        await persons_of(made, many),
        how_many,
        in_vain,
        since,
    )


async def days_of_use(made: Onderzoek, werktijd: Werktijd) -> list[Dag]:
    """What each user asked on each day, in the Netherlands."""
    counts: dict[tuple[Gebruiker, date], list[int]] = defaultdict(lambda: [0, 0])
    for month in months_of(made.period):
        floor, ceiling = bounds_of(month)
        async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
            rows = await made.connection.fetch(
                "SELECT taaksysteem_tenant_id, taaksysteem_id, user_index, local::date AS day, count(*) AS calls, "
                "  count(*) FILTER (WHERE NOT (extract(isodow FROM local) = ANY ($4::numeric[]) "
                "    AND local::time >= $5 AND local::time < $6)) AS outside "
                "FROM (SELECT taaksysteem_tenant_id, taaksysteem_id, user_index, "
                "    opened_at AT TIME ZONE 'Europe/Amsterdam' AS local "
                "  FROM register.opening WHERE tenant_id = $1 AND id >= $2 AND id < $3) o GROUP BY 1, 2, 3, 4",
                made.tenant_id, floor, ceiling, sorted(werktijd.days), werktijd.begin, werktijd.end,
            )  # fmt: skip
        for row in rows:
            who = Gebruiker((row["taaksysteem_tenant_id"], row["taaksysteem_id"]), row["user_index"])
            # A day in the Netherlands can lie in two months of UTC.
            count = counts[who, row["day"]]
            count[0] += row["calls"]
            count[1] += row["outside"]
    return [Dag(who, day, calls, outside) for (who, day), (calls, outside) in counts.items()]


async def consultations(made: Onderzoek) -> tuple[Geraadpleegd, ...]:
    """Who asked about the persons of the lists. Raises TooMuch."""
    floor, ceiling = bounds_of(made.period)
    async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
        rows = await made.connection.fetch(
            f"SELECT DISTINCT p.person, p.id FROM {OF_PERSONS} ORDER BY p.id LIMIT $7",  # noqa: S608
            made.tenant_id,
            [one.index for one in made.years],
            [one.floor for one in made.years],
            [one.ceiling for one in made.years],
            floor,
            ceiling,
            _MOST_CALLS + 1,
        )
    if len(rows) > _MOST_CALLS:
        raise TooMuch(_MOST_CALLS)
    who = await _who_asked(made, {row["id"] for row in rows})
    found = ((row["person"], *who[row["id"]]) for row in rows if row["id"] in who)
    return consulted(found, made.persons)


async def attempts(made: Onderzoek) -> tuple[tuple[Geraadpleegd, ...], datetime]:
    """Who asked in vain about the persons of the lists, and from when on that was looked at."""
    listed = frozenset(made.persons.values())
    pogingen = await find_pogingen(
        made.connection, made.register, made.tenant_id, listed, made.period, reading=made.reading, actor=made.actor
    )
    who = await _who_asked(made, {call for _, call in pogingen.found})
    # A number stands for itself here: there is no index of whom was asked about in vain.
    keys = {number: UUID(int=int(number)) for number in listed}
    found = ((keys[number], *who[call]) for number, call in pogingen.found if call in who)
    return consulted(found, {key: number for number, key in keys.items()}), pogingen.since


async def _who_asked(made: Onderzoek, ids: Collection[UUID]) -> dict[UUID, tuple[Gebruiker, UUID, datetime]]:
    who = {}
    for part in in_steps(sorted(ids)):
        async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
            openings = await made.connection.fetch(
                "SELECT id, taaksysteem_tenant_id, taaksysteem_id, user_index, opened_at FROM register.opening "
                "WHERE tenant_id = $1 AND id = ANY ($2)", made.tenant_id, part,
            )  # fmt: skip
        for row in openings:
            gebruiker = Gebruiker((row["taaksysteem_tenant_id"], row["taaksysteem_id"]), row["user_index"])
            who[row["id"]] = gebruiker, row["id"], row["opened_at"]
    return who


async def asked_by_many(made: Onderzoek, least: int) -> tuple[list[DoorVelen], int]:
    """Persons about whom `least` users or more asked in the period, most users first; and how many there are. Raises TooMuch.

    Of so many users a part was there in one of the months: only who had that part in one is counted over all of them.
    """
    months = months_of(made.period)
    part = ceil(least / max(1, len(months)))
    likely: set[UUID] = set()
    for month in months:
        likely |= {row["person"] for row in await _of_month(made, month, _LIKELY, part, _MOST_CALLS + 1)}
        if len(likely) > _MOST_CALLS:
            raise TooMuch(_MOST_CALLS)
    users: dict[UUID, set[UUID]] = defaultdict(set)
    calls: dict[UUID, int] = defaultdict(int)
    examples: dict[UUID, UUID] = {}
    for month in months if likely else ():
        for row in await _of_month(made, month, _USERS, sorted(likely)):
            users[row["person"]].update(row["users"])
            calls[row["person"]] += row["calls"]
            examples[row["person"]] = row["example"]
    found = [
        DoorVelen(one, len(asking), calls[one], examples[one]) for one, asking in users.items() if len(asking) >= least
    ]
    found.sort(key=lambda one: (-one.users, -one.calls, one.person))
    return found[:_MANY_SHOWN], len(found)


async def _of_month(made: Onderzoek, month: Period, statement: str, *values: object) -> list[asyncpg.Record]:
    floor, ceiling = bounds_of(month)
    async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
        return list(await made.connection.fetch(statement, made.tenant_id, floor, ceiling, *values))


async def examples_of(made: Onderzoek, who: Gebruiker, period: Period, limit: int) -> tuple[UUID, ...]:
    """A few calls of a user in a period, newest first."""
    if who.user is None:
        return ()
    floor, ceiling = bounds_of(period)
    async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
        rows = await made.connection.fetch(
            "SELECT id FROM register.opening WHERE tenant_id = $1 AND user_index = $2 AND id >= $3 AND id < $4 "
            "AND taaksysteem_tenant_id = $5 AND taaksysteem_id = $6 ORDER BY id DESC LIMIT $7",
            made.tenant_id, who.user, floor, ceiling, *who.taaksysteem, limit,
        )  # fmt: skip
    return tuple(row["id"] for row in rows)


async def names_of(made: Onderzoek, examples: Mapping[Gebruiker, UUID]) -> dict[Gebruiker, str]:
    """What the taaksysteem calls each user, read from one call of each. One that does not open has no name."""
    opened = {one.id: one for one in await _opened(made, list(examples.values()))}
    found = {}
    for who, call in examples.items():
        regel = opened.get(call)
        opening = None if regel is None or regel.contents is None else regel.contents.opening
        if opening is not None and opening.get("user") is not None:
            found[who] = str(opening["user"])
    return found


async def persons_of(made: Onderzoek, rows: Sequence[DoorVelen]) -> dict[UUID, str]:
    """Whose index each is, read from one call of each: the one of its persons that has this index."""
    wanted = {one.example: one.person for one in rows}
    return await asyncio.to_thread(_matching, made.keys, wanted, await _opened(made, list(wanted)))


async def _opened(made: Onderzoek, ids: Sequence[UUID]) -> list[Protocolregel]:
    return await read_again(
        made.connection, made.register, made.tenant_id, ids, reading=made.reading, actor=made.actor, contents=True
    )


def _day(day: date) -> Period:
    begin = datetime.combine(day, time(), AMSTERDAM)
    return begin, datetime.combine(day + timedelta(days=1), time(), AMSTERDAM)


def _indexes(keys: Sequence[tuple[int, bytes]], listed: Sequence[str]) -> tuple[dict[UUID, str], list[InYear]]:
    persons: dict[UUID, str] = {}
    years: list[InYear] = []
    for year, key in keys:
        for number in listed:
            for index in _index_of(key, number):
                persons[index] = number
                years.append(InYear(index, *year_bounds(year)))
    return persons, years


def _index_of(key: bytes, number: str) -> list[UUID]:
    """By the length of a number one knows which it is."""
    return indexes_of(key, Subject(Bsn(number)) if len(number) == 9 else Subject(a_nummer=ANummer(number)))


def _matching(keys: Sequence[bytes], wanted: Mapping[UUID, UUID], regels: Sequence[Protocolregel]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for regel in regels:
        closing = None if regel.contents is None else regel.contents.closing
        numbers = () if closing is None else passed_on_in(closing) | withheld_in(closing)
        for number in numbers:
            if any(wanted[regel.id] in _index_of(key, number) for key in keys):
                found[wanted[regel.id]] = number
    return found
