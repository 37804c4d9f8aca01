"""The queries of the export: what is due, what is to be sent, how it went. For the role `koppelpunt_inzage`.

No statement of this module reads the register's tables: functions of the database give the columns that are exported, of a
tenant that has a destination, and nothing else. Hence no recorded reading either: the destination is on record.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from tenants.export.rows import read_leaves
from tenants.logboek.spans import Call
from tenants.scope import tenant_scope

ACTOR: Final = "tenants/logboek"
MOST_CALLS: Final = 512
"""Calls in one request at most; a call about many persons makes many spans."""
_WINDOW: Final = 512
"""Leaves that are looked at together."""
_WINDOWS: Final = 40
"""Windows without a call (years of changes of the registry) that are passed in one go."""


@dataclass(frozen=True, slots=True)
class Due:
    """A destination that was taken for a minute, and where it stands. Secrets are sealed to the register keyring."""

    tenant_id: int
    destination_id: int
    url: str
    header: str
    secret_sealed: bytes | None = field(repr=False)
    key_sealed: bytes = field(repr=False)
    leaf: int
    size: int
    after_open: UUID
    step: int
    oin: str
    name: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request carries, and where the destination stands after it. `gone` rows were destroyed with proof."""

    calls: tuple[Call, ...]
    leaf: int
    after_open: UUID
    gone: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How a destination stands: seconds since its oldest row that waits was sealed, or something was last sent."""

    tenant_id: int
    seconds: float
    leaves: int


async def take_due(connection: asyncpg.Connection, most: int, open_after: timedelta) -> list[Due]:
    """Take destinations that have something to be sent; nobody else does for a minute."""
    rows = await connection.fetch("SELECT * FROM register.take_logboek($1, $2)", most, open_after)
    return [Due(**row) for row in rows]


async def read_batch(connection: asyncpg.Connection, due: Due, open_after: timedelta) -> Batch:
    """The next calls in the order of their leaves, and calls that stay without closing.

    Raises PostgresError when the destination ended meanwhile.
    """
    calls: list[Call] = []
    leaf, gone = due.leaf, 0
    async with tenant_scope(connection, due.tenant_id, actor=ACTOR):
        for _ in range(_WINDOWS):
            if calls or leaf >= due.size:
                break
            calls, leaf, lost = await _read_window(connection, due, leaf)
            gone += lost
        open_calls = await connection.fetch(
            "SELECT * FROM register.logboek_open($1, $2, $3)", due.after_open, open_after, due.step
        )
        calls += [_call(row) for row in open_calls]
        # What asked for these calls, where a caller said it: it stands beside the register, for this alone.
        parents = dict(
            await connection.fetch("SELECT id, span FROM register.logboek_parents($1)", [one.id for one in calls])
        )
    after_open = open_calls[-1]["id"] if open_calls else due.after_open
    return Batch(tuple(replace(one, caller_span=parents.get(one.id)) for one in calls), leaf, after_open, gone)


async def _read_window(connection: asyncpg.Connection, due: Due, leaf: int) -> tuple[list[Call], int, int]:
    """As many calls as may go at once from this leaf on, the leaf behind them, and how many rows before it are gone.

    A leaf that is not there is the sealer's alarm, and no reason to send nothing any more.
    """
    until = min(leaf + _WINDOW, due.size)
    leaves = await read_leaves(connection, due.tenant_id, (leaf, until))
    # An opening and its closing are two leaves of one call; the first says something only when it was refused.
    at = {(one.kind, one.number): one.index for one in leaves if one.kind != "wijziging"}
    opened = [number for kind, number in at if kind == "opening"]
    closed = [number for kind, number in at if kind == "closing"]
    if not at:
        return [], until, 0
    both = [*opened, *closed]
    bounds = min(both), max(both)
    rows = await connection.fetch("SELECT * FROM register.logboek_calls($1, $2, $3, $4)", opened, closed, *bounds)
    pairs = ((at["opening" if row["refusal"] else "closing", row["id"]], _call(row)) for row in rows)
    found = sorted(pairs, key=lambda pair: pair[0])
    missing = await connection.fetch("SELECT * FROM register.logboek_gone($1, $2, $3)", both, *bounds)
    if len(found) > due.step:
        until = found[due.step][0]
    gone = {row[0] for row in missing}
    lost = sum(1 for (_, number), index in at.items() if number in gone and index < until)
    return [call for index, call in found if index < until], until, lost


async def end(
    connection: asyncpg.Connection, due: Due, batch: Batch | None, *, spans: int = 0, error: str | None = None
) -> bool:
    """Say how it went; False when another process was faster, and this one changed nothing."""
    leaf, after_open, gone = (
        (due.leaf, due.after_open, 0) if batch is None else (batch.leaf, batch.after_open, batch.gone)
    )
    moved = await connection.fetchval(
        "SELECT register.end_logboek($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        due.tenant_id, due.destination_id, due.leaf, leaf, after_open, spans, gone, MOST_CALLS, error,
    )  # fmt: skip
    return bool(moved)


async def list_lags(connection: asyncpg.Connection) -> list[Lag]:
    """How every destination stands."""
    return [Lag(**row) for row in await connection.fetch("SELECT * FROM register.logboek_standing()")]


def _call(row: asyncpg.Record) -> Call:
    values = dict(row.items())
    persons = values.pop("persons")
    return Call(**values, persons=tuple(sorted(persons or ())))
