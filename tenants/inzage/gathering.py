"""Gathers all that the register has about one person, in recorded steps: persons → openings with closings by id.

Owns no judgement: what a row tells is read in `tenants.inzage.verstrekkingen`. Refuses more calls than one letter can tell.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

from tenants.finding import bounds_of, ids_of_person, in_steps, month_floor, years_of
from tenants.inzage.verstrekkingen import Gathered, asks_about, order, verstrekking_of
from tenants.keyring import Keyring
from tenants.protocolregels import Protocolregel
from tenants.recording import Period, Reading, reading_scope, record_reading
from tenants.register_keys import InYear, find_person
from tenants.register_rows import keys_for, open_all, read_sealed
from tenants.scope import tenant_scope
from tenants.subjects import Subject

MOST = 20_000
"""Calls about one person that one report tells."""
_PAGE = 1_000


class TooMuch(Exception):
    """More calls than one report tells; a shorter period is needed. `most` is how many it could be."""

    def __init__(self, most: int) -> None:
        super().__init__(f"More than {most} calls.")
        self.most = most


@dataclass(frozen=True, slots=True)
class _Gathering:
    """One recorded reading under way."""

    connection: asyncpg.Connection
    register: Keyring
    tenant_id: int
    actor: str
    subject: Subject
    reading: int

    async def read(self, ids: Sequence[UUID]) -> list[Protocolregel]:
        """These calls, opened, each part of them in a step of its own."""
        found: list[Protocolregel] = []
        for part in in_steps(ids):
            async with reading_scope(self.connection, self.tenant_id, self.reading, actor=self.actor):
                sealed = await read_sealed(self.connection, self.tenant_id, part)
                keys = await keys_for(self.connection, self.register, self.tenant_id, sealed)
            # What an answer told stands in the row already; it is not kept a moment longer than opening takes.
            found += [_lean(one) for one in await open_all(sealed, keys, self.tenant_id)]
        return found


async def gather(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    subject: Subject,
    period: Period,
    reading: Reading,
    *,
    actor: str,
) -> Gathered:
    """Record `reading` (what it is about is added here), then gather. Raises SealingError, TooMuch."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        persons, destroyed = await find_person(connection, register, tenant_id, subject, period)
    recorded = replace(reading, period=period, contents=True, subjects=[one.index for one in persons])
    number = await record_reading(connection, tenant_id, recorded, actor=actor)
    made = _Gathering(connection, register, tenant_id, actor, subject, number)
    closed, running, words, names = await _find(made, persons, period)
    found = [verstrekking_of(one, subject) for one in await made.read(closed)]
    untold = untold_refused = 0
    told = set(closed)
    # After a failure of RvIG these are many: they are read page by page, and only what names the person is kept.
    async for page in _pages_of_unknown(made, running, period):
        for one in await made.read([id_ for id_ in page if id_ not in told]):
            named = asks_about(one, subject) if one.unknown else False
            untold += named is None and one.inzage_refused is None
            untold_refused += named is None and one.inzage_refused is not None
            if named:
                found.append(verstrekking_of(one, subject))
        told.update(page)
    return Gathered(number, order(found), tuple(destroyed), untold, words, names, untold_refused)


async def _find(
    made: _Gathering, persons: Sequence[InYear], period: Period
) -> tuple[list[UUID], list[UUID], dict[str, str], dict[str, str]]:
    """The calls that told about the person, those of the period without closing, and the tenant's words and names."""
    floor, ceiling = bounds_of(period)
    db, tenant_id = made.connection, made.tenant_id
    async with reading_scope(db, tenant_id, made.reading, actor=made.actor):
        closed = await ids_of_person(db, tenant_id, persons, floor, ceiling, MOST + 1)
        running = await db.fetch(
            "SELECT id FROM register.running WHERE tenant_id = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4",
            tenant_id, floor, ceiling, MOST + 1,
        )  # fmt: skip
        words = await db.fetch("SELECT doelbinding, words FROM registry.doelbinding WHERE tenant_id = $1", tenant_id)
        names = await db.fetch("SELECT afnemer_id, name FROM registry.afnemer WHERE tenant_id = $1", tenant_id)
    if max(len(closed), len(running)) > MOST:
        raise TooMuch(MOST)
    # A call that was closed in the meantime is told by its closing, not as one without.
    open_ids = [row["id"] for row in running if row["id"] not in set(closed)]
    return (
        closed,
        open_ids,
        {row["doelbinding"]: row["words"] for row in words},
        {row["afnemer_id"]: row["name"] for row in names},
    )


async def _pages_of_unknown(made: _Gathering, running: list[UUID], period: Period) -> AsyncIterator[list[UUID]]:
    """Calls without closing, then those that were sent and not answered, a year at a time: one step never locks many partitions."""
    yield running
    floor, ceiling = bounds_of(period)
    async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
        years = await years_of(made.connection, made.tenant_id)
    for year in sorted(years):
        after, before = max(floor, month_floor(year, 1)), min(ceiling, month_floor(year, 13))
        while after < before:
            async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
                rows = await made.connection.fetch(
                    "SELECT id FROM register.closing WHERE tenant_id = $1 AND id >= $2 AND id < $3 "
                    "AND outcome = 'niet_beantwoord' AND status IS NULL ORDER BY id LIMIT $4",
                    made.tenant_id, after, before, _PAGE,
                )  # fmt: skip
            if rows:
                yield [row["id"] for row in rows]
            if len(rows) < _PAGE:
                break
            after = UUID(int=rows[-1]["id"].int + 1)


def _lean(regel: Protocolregel) -> Protocolregel:
    contents = regel.contents
    if contents is None or contents.closing is None:
        return regel
    kept = {name: value for name, value in contents.closing.items() if not name.startswith("answer")}
    return regel.showing(replace(contents, closing=kept))
