"""Searches a tenant's register: for its auditor, and for nobody else.

For the role `koppelpunt_inzage`. Every reading is recorded first — who, why, about what — and that record is committed
before the reading starts; row-level security shows nothing without it. Searches go in steps, persons → openings →
closings by id, never as one join over all years (DESIGN 6). Only productie: proef rows are never in inzage.

A call without closing is told as *uitkomst onbekend*, a refused attempt as *geweigerd*: neither is left out.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from tenants.finding import (
    Filter,
    bounds_of,
    ids_in_period,
    ids_of_person,
    ids_of_user,
    in_steps,
    keep,
    windows,
    years_of,
)
from tenants.keyring import Keyring
from tenants.model import Bsn
from tenants.protocolregels import Protocolregel
from tenants.recording import Period, Reading, reading_scope, record_reading
from tenants.register_keys import InYear, find_person, find_user
from tenants.register_rows import count_open_calls, keys_for, open_all, read_sealed
from tenants.scope import tenant_scope
from tenants.subjects import ANummer, Subject

MOST = 1_000
"""Protocolregels that one reading returns."""

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Zoekvraag:
    """What an auditor asks: about a person, a period, or both, and of those only what the rest allows.

    Newest first, older than `before`. `rubrieken`: calls that brought one of them. A user is searched within a period.
    """

    bsn: Bsn | None = None
    period: Period | None = None
    contents: bool = False
    before: UUID | None = None
    limit: int = 100
    a_nummer: ANummer | None = None
    user: str | None = field(default=None, repr=False)
    wanted: Filter = field(default_factory=Filter)

    def __post_init__(self) -> None:
        if self.subject is None and self.period is None:
            raise ValueError("A search is about a person, a period, or both.")
        if self.user is not None and self.subject is not None:
            raise ValueError("A search is about a person or by a user.")
        if not 1 <= self.limit <= MOST:
            raise ValueError(f"A search returns between 1 and {MOST} rows.")

    @property
    def subject(self) -> Subject | None:
        """The person, if it is about one."""
        return None if self.bsn is None and self.a_nummer is None else Subject(self.bsn, self.a_nummer)


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading found. `reading` is the number of its record; `more` is the id to go on from, or None.

    `destroyed_years` could not be searched: their keys are gone. `open_calls` is how many calls of the period have no
    closing: whom they were about is known to nobody yet, so a search by person cannot find them.
    """

    reading: int
    regels: tuple[Protocolregel, ...] = field(repr=False)
    more: UUID | None = None
    destroyed_years: tuple[int, ...] = ()
    open_calls: int = 0


@dataclass(frozen=True, slots=True)
class _Search:
    """One recorded search under way."""

    connection: asyncpg.Connection
    register: Keyring
    tenant_id: int
    actor: str
    reading: int
    asked: Zoekvraag
    persons: Sequence[InYear] | None
    users: Sequence[InYear] | None

    @property
    def page(self) -> int:
        """Calls that one step finds. What the filter takes away afterwards makes a small page a poor one."""
        taken_away = self.asked.wanted.rubrieken or (self.persons is not None and self.asked.wanted)
        return _PAGE if taken_away else min(_PAGE, self.asked.limit + 1)

    def step(self) -> AbstractAsyncContextManager[None]:
        return reading_scope(self.connection, self.tenant_id, self.reading, actor=self.actor)


async def search(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    zoekvraag: Zoekvraag,
    *,
    actor: str,
    reason: str,
) -> Found:
    """Record the reading, then read. Raises SealingError when a year's key does not open with this keyring."""
    persons: Sequence[InYear] | None = None
    users: Sequence[InYear] | None = None
    destroyed: Sequence[int] = ()
    async with tenant_scope(connection, tenant_id, actor=actor):
        if zoekvraag.subject is not None:
            persons, destroyed = await find_person(connection, register, tenant_id, zoekvraag.subject, zoekvraag.period)
        elif zoekvraag.user is not None and zoekvraag.period is not None:
            users, destroyed = await find_user(connection, register, tenant_id, zoekvraag.user, zoekvraag.period)
    reading = await record_reading(connection, tenant_id, _recorded(zoekvraag, reason, persons, users), actor=actor)
    # Committed: from here on the register shows itself to this reading.
    made = _Search(connection, register, tenant_id, actor, reading, zoekvraag, persons, users)
    floor, ceiling = bounds_of(zoekvraag.period)
    regels: list[Protocolregel] = []
    # One more than asked for, to know whether there is more.
    async for page in _pages(made, floor, min(ceiling, zoekvraag.before or ceiling)):
        regels += await _read(made, page)
        if len(regels) > zoekvraag.limit:
            break
    shown = regels[: zoekvraag.limit]
    async with made.step():
        open_calls = await count_open_calls(connection, tenant_id, floor, ceiling)
    more = shown[-1].id if len(regels) > len(shown) else None
    return Found(reading, tuple(shown), more, tuple(destroyed), open_calls)


async def read_calls(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    ids: Iterable[UUID],
    *,
    actor: str,
    reason: str,
    contents: bool = True,
    kind: str = "regels",
) -> list[Protocolregel]:
    """Record the reading, then read these calls, newest first. An id that stands not in the register is not there."""
    wanted = sorted(set(ids), reverse=True)
    if len(wanted) > MOST:
        raise ValueError(f"At most {MOST} calls are read at once.")
    recorded = Reading(kind=kind, reason=reason, contents=contents, ids=wanted)
    reading = await record_reading(connection, tenant_id, recorded, actor=actor)
    return await read_again(connection, register, tenant_id, wanted, reading=reading, actor=actor, contents=contents)


async def read_again(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    ids: Sequence[UUID],
    *,
    reading: int,
    actor: str,
    contents: bool,
) -> list[Protocolregel]:
    """Read calls as part of a reading that is recorded already, in the order of `ids`."""
    found: list[Protocolregel] = []
    for part in in_steps(ids):
        async with reading_scope(connection, tenant_id, reading, actor=actor):
            sealed = await read_sealed(connection, tenant_id, part)
            keys = await keys_for(connection, register, tenant_id, sealed) if contents else None
        found += [one.regel for one in sealed] if keys is None else await open_all(sealed, keys, tenant_id)
    return found


async def _pages(made: _Search, floor: UUID, ceiling: UUID) -> AsyncIterator[list[UUID]]:
    """What the search finds, newest first, a page at a time, each page in a step of its own."""
    wanted = made.asked.wanted
    if made.persons is not None:
        while True:
            async with made.step():
                page = await ids_of_person(made.connection, made.tenant_id, made.persons, floor, ceiling, made.page)
            for part in in_steps(page):
                async with made.step():
                    kept = await keep(made.connection, made.tenant_id, wanted, part) if wanted else part
                yield kept
            if len(page) < made.page:
                return
            ceiling = page[-1]
    async with made.step():
        years = await years_of(made.connection, made.tenant_id)
    for low, high in windows(years, floor, ceiling):
        user = next((one.index for one in made.users or () if one.floor <= low < one.ceiling), None)
        if made.users is None or user is not None:
            async for page in _in_window(made, user, low, high):
                yield page


async def _in_window(made: _Search, user: UUID | None, floor: UUID, ceiling: UUID) -> AsyncIterator[list[UUID]]:
    db, tenant_id, wanted = made.connection, made.tenant_id, made.asked.wanted
    while True:
        async with made.step():
            page = (
                await ids_in_period(db, tenant_id, wanted, floor, ceiling, made.page)
                if user is None
                else await ids_of_user(db, tenant_id, user, wanted, floor, ceiling, made.page)
            )
        for part in in_steps(page):
            yield part
        if len(page) < made.page:
            return
        ceiling = page[-1]


async def _read(made: _Search, page: Sequence[UUID]) -> list[Protocolregel]:
    """The rows of a page; a call whose messages turn out not to hold what was searched is left out again."""
    asked = made.asked
    async with made.step():
        sealed = await read_sealed(made.connection, made.tenant_id, page)
        searched = [one for one in sealed if asked.contents or (asked.wanted.rubrieken and one.regel.fetched)]
        keys = await keys_for(made.connection, made.register, made.tenant_id, searched)
    opened = {one.id: one for one in await open_all(searched, keys, made.tenant_id)}
    regels = (opened.get(one.regel.id, one.regel) for one in sealed)
    found = [one for one in regels if not asked.wanted.rubrieken or one.may_hold(asked.wanted.rubrieken, asked.subject)]
    return found if asked.contents else [one.showing(None) for one in found]


def _recorded(
    asked: Zoekvraag, reason: str, persons: Sequence[InYear] | None, users: Sequence[InYear] | None
) -> Reading:
    wanted = asked.wanted
    return Reading(
        kind="zoekvraag",
        reason=reason,
        # A search for a rubriek opens messages of the mailbox, to see whether they hold it.
        contents=asked.contents or bool(wanted.rubrieken),
        subjects=[one.index for one in persons or ()],
        users=[one.index for one in users or ()],
        period=asked.period,
        criteria=wanted.criteria,
    )
