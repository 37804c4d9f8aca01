"""Sealing: what is new in the register and in the history goes into its tenant's tree, in small transactions.

A slice is a number of openings, then the closings and wijzigingen that are not newer. So a closing's leaf always comes
after that of its opening, and not long after it: whoever verifies holds few openings in mind. Every number that a writer
skipped is looked for; what is found late is sealed late, what is not found is a fault that stays until someone answers
for it. What each row hashes to is made again before it is sealed: a row that says something else than its hash is sealed
by that hash, and a fault that halts the signing. Sealing itself goes on: what is lost must not take the proof of the rest
with it.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from tenants.leaves import Kind
from tenants.sealer.growing import Row, find_gaps, grow, still_missing, with_late_rows
from tenants.sealer.rehashing import find_altered, places_of
from tenants.sealer.trees import (
    append_leaves,
    find_late_rows,
    note_faults,
    read_cursor,
    read_horizon,
    read_last_numbers,
    read_new_rows,
    read_trees,
)

BATCH: Final = 5_000
"""Rows in one transaction."""
log = structlog.get_logger("koppelpunt.sealer")


class CursorAhead(Exception):
    """The sealer stands further than PostgreSQL has come: this is a logical copy, in which transactions mean nothing."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a round sealed: leaves, and numbers that were missing."""

    leaves: int = 0
    missing: int = 0

    def __add__(self, other: "Sealed") -> "Sealed":
        return Sealed(self.leaves + other.leaves, self.missing + other.missing)


async def seal_slice(connection: asyncpg.Connection, batch: int = BATCH) -> Sealed:
    """Seal one slice of what is new; nothing was new when no leaf was made. Raises CursorAhead, SerializationError."""
    horizon = await read_horizon(connection)
    opened, last = await _seal_batch(connection, "opening", horizon.of_register, batch, horizon.next)
    # A full batch may have left openings behind: closings are then sealed up to the last opening only.
    upto = horizon.of_register if last is None or opened.leaves < batch else last.tx
    total = opened
    rest: tuple[tuple[Kind, int], ...] = (("closing", upto), ("wijziging", min(upto, horizon.of_all)))
    for kind, below in rest:
        while True:
            sealed, _ = await _seal_batch(connection, kind, below, batch, horizon.next)
            total += sealed
            if sealed.leaves < batch:
                break
    return total


async def _seal_batch(
    connection: asyncpg.Connection, kind: Kind, below: int, batch: int, highest: int
) -> tuple[Sealed, Row | None]:
    cursor = await read_cursor(connection, kind)
    if cursor.tx >= highest:
        raise CursorAhead(kind)
    found = await read_new_rows(connection, kind, cursor, below, batch)
    if not found:
        return Sealed(), None
    writers = {(row.tenant_id, row.writer[0]) for row in found if row.writer is not None}
    sealed = await read_last_numbers(connection, kind, writers) if writers else {}
    gaps, repeated, now = find_gaps(found, sealed)
    late, faults = [], [(found[at].tenant_id, "number_repeated", f"{kind} {found[at].number}") for at in repeated]
    missing = 0
    for gap in gaps:
        rows = await find_late_rows(connection, kind, gap, found[gap.at], cursor)
        late.append((gap.at, rows))
        for first, final in still_missing(gap, rows):
            missing += final - first + 1
            numbers = str(first) if first == final else f"{first}-{final}"
            faults.append((gap.tenant_id, "row_missing", f"{kind} {numbers} of writer {gap.writer_id}"))
    rows = with_late_rows(found, late)
    trees = await read_trees(connection, {row.tenant_id for row in rows})
    altered = await find_altered(connection, kind, rows)
    growth = grow(kind, rows, trees)
    halting = [(tenant_id, "row_altered", place) for tenant_id, place in places_of(kind, rows, growth, altered)]
    async with connection.transaction():
        await append_leaves(connection, kind, found[-1], growth, now)
        await note_faults(connection, faults)
        await note_faults(connection, halting, halts=True)
    for tenant_id, code, place in (*faults, *halting):
        log.error("register_fault", tenant=tenant_id, code=code, place=place)
    return Sealed(len(rows), missing), found[-1]
