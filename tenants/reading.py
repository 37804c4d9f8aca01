"""Searches a tenant's register: for its auditor, and for nobody else.

For the role `koppelpunt_inzage`. Every reading is recorded first — who, why, about what — and that record is committed
before the reading starts; row-level security shows nothing without it. Searches go in steps, persons → openings →
closings by id, never as one join over all years (DESIGN 6). Only productie: proef rows are never in inzage.

A call without closing is told as *uitkomst onbekend*, a refused attempt as *geweigerd*: neither is left out of a period. A
search for a person finds whom answers told about; whom the other questions were about is seen when they are opened, on demand.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

from tenants.asked_about import MOST_OPENED, Questions
from tenants.finding import (
    bounds_of,
    ids_in_period,
    ids_of_person,
    ids_of_user,
    in_steps,
    keep,
    month_floor,
    windows,
    years_of,
)
from tenants.inzage.verstrekkingen import asks_about
from tenants.keyring import Keyring
from tenants.protocolregels import Protocolregel
from tenants.recording import Reading, reading_scope, record_reading
from tenants.register_keys import InYear, find_person, find_user
from tenants.register_rows import count_open_calls, keys_for, open_all, read_sealed
from tenants.scope import tenant_scope
from tenants.searches import MOST, Found, Zoekvraag
from tenants.unknown_outcomes import count_unanswered

_PAGE = 200


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
        narrowed = bool(self.asked.wanted) or self.users is not None
        taken_away = self.asked.wanted.rubrieken or (self.persons is not None and narrowed)
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
        if zoekvraag.user is not None:
            users, destroyed = await find_user(connection, register, tenant_id, zoekvraag.user, zoekvraag.period)
    reading = await record_reading(connection, tenant_id, _recorded(zoekvraag, reason, persons, users), actor=actor)
    # Committed: from here on the register shows itself to this reading.
    made = _Search(connection, register, tenant_id, actor, reading, zoekvraag, persons, users)
    floor, ceiling = bounds_of(zoekvraag.period)
    below = min(ceiling, zoekvraag.before or ceiling)
    if zoekvraag.opens_questions:
        found = await _open_questions(made, floor, below)
    else:
        found = Found(reading, tuple(await _enough(made, floor, below)))
    shown = found.regels[: zoekvraag.limit]
    more = shown[-1].id if len(found.regels) > len(shown) else found.more
    open_calls, unanswered = await _count_unknown(made, floor, ceiling)
    return replace(
        found,
        regels=shown,
        more=more,
        destroyed_years=tuple(destroyed),
        open_calls=open_calls,
        unknown_calls=open_calls + unanswered,
    )


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


async def _enough(made: _Search, floor: UUID, ceiling: UUID) -> list[Protocolregel]:
    """The rows that the search finds; one more than asked for, to know whether there is more."""
    regels: list[Protocolregel] = []
    async for page in _pages(made, floor, ceiling):
        regels += await _read(made, page)
        if len(regels) > made.asked.limit:
            break
    return regels


async def _open_questions(made: _Search, floor: UUID, ceiling: UUID) -> Found:
    """The same, with the calls that were asked about the person; `more` when so many were opened that it stops there."""
    asked, subject = made.asked, made.asked.subject
    assert subject is not None  # noqa: S101 - only then are questions opened
    users = None if made.users is None else [one.index for one in made.users]
    async with made.step():
        years = await years_of(made.connection, made.tenant_id)
    questions = Questions(made.connection, made.tenant_id, made.persons or (), users, asked.wanted, made.step)
    regels, unnamed, opened = list[Protocolregel](), list[UUID](), 0
    more: UUID | None = None
    async for page in questions.pages(years, floor, ceiling):
        rows = await read_again(
            made.connection,
            made.register,
            made.tenant_id,
            page.ids,
            reading=made.reading,
            actor=made.actor,
            contents=True,
        )
        about = {one.id: one.id in page.told or asks_about(one, subject) for one in rows}
        unnamed += [one for one, named in about.items() if named is None]
        regels += [
            one if asked.contents else one.showing(None)
            for one in rows
            if about[one.id] and (not asked.wanted.rubrieken or one.may_hold(asked.wanted.rubrieken, subject))
        ]
        opened += len(rows)
        if len(regels) > asked.limit:
            unnamed = [one for one in unnamed if one >= regels[asked.limit - 1].id]
            break
        if opened >= MOST_OPENED and page.lowest > floor:
            more = page.lowest
            break
    return Found(made.reading, tuple(regels), more, unnamed=len(unnamed))


async def _count_unknown(made: _Search, floor: UUID, ceiling: UUID) -> tuple[int, int]:
    """Calls without closing, and calls that were sent and not answered; a year at a time, so that no step locks much."""
    async with made.step():
        open_calls = await count_open_calls(made.connection, made.tenant_id, floor, ceiling)
        years = await years_of(made.connection, made.tenant_id)
    unanswered = 0
    for year in years:
        low, high = max(floor, month_floor(year, 1)), min(ceiling, month_floor(year, 13))
        if low < high:
            async with made.step():
                unanswered += await count_unanswered(made.connection, made.tenant_id, low, high)
    return open_calls, unanswered


async def _pages(made: _Search, floor: UUID, ceiling: UUID) -> AsyncIterator[list[UUID]]:
    """What the search finds, newest first, a page at a time, each page in a step of its own."""
    wanted = made.asked.wanted
    users = None if made.users is None else [one.index for one in made.users]
    narrowed = bool(wanted) or users is not None
    if made.persons is not None:
        while True:
            async with made.step():
                page = await ids_of_person(made.connection, made.tenant_id, made.persons, floor, ceiling, made.page)
            for part in in_steps(page):
                async with made.step():
                    kept = await keep(made.connection, made.tenant_id, wanted, part, users=users) if narrowed else part
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
        contents=asked.contents or bool(wanted.rubrieken) or asked.opens_questions,
        subjects=[one.index for one in persons or ()],
        users=[one.index for one in users or ()],
        period=asked.period,
        criteria={**wanted.criteria, **({"ookGevraagd": True} if asked.asked else {})},
    )
