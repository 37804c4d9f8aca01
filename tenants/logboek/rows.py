"""The queries of the export: what is due, what is to be sent, how it went. For the role `koppelpunt_inzage`.

No statement of this module reads the register's tables: functions of the database give the columns that are exported, of a
tenant that has a destination, and nothing else. Hence no recorded reading either: the destination is on record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from tenants.export.rows import read_leaves
from tenants.logboek.spans import Call
from tenants.scope import tenant_scope

ACTOR: Final = "tenants/logboek"
MOST_LEAVES: Final = 512
"""Leaves in one request at most; an answer about many persons makes many spans."""


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

    @property
    def until(self) -> int:
        """The leaf behind the last that is sent now."""
        return min(self.leaf + self.step, self.size)


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
    """The calls of the next leaves, and calls that stay without closing. Raises PostgresError when the destination ended."""
    async with tenant_scope(connection, due.tenant_id, actor=ACTOR):
        leaves = await read_leaves(connection, due.tenant_id, (due.leaf, due.until))
        opened = [one.number for one in leaves if one.kind == "opening"]
        closed = [one.number for one in leaves if one.kind == "closing"]
        calls = await _read_calls(connection, opened, closed)
        there = await _count_there(connection, opened)
        open_calls = await connection.fetch(
            "SELECT * FROM register.logboek_open($1, $2, $3)", due.after_open, open_after, due.step
        )
    # A leaf that is not there is the sealer's alarm and no reason to send nothing any more.
    ended = sum(1 for call in calls if call.outcome is not None)
    gone = len(opened) - there + len(closed) - ended
    calls += [_call(row) for row in open_calls]
    after_open = open_calls[-1]["id"] if open_calls else due.after_open
    return Batch(tuple(calls), max(due.until, due.leaf), after_open, gone)


async def end(
    connection: asyncpg.Connection, due: Due, batch: Batch | None, *, spans: int = 0, error: str | None = None
) -> bool:
    """Say how it went; False when another process was faster, and this one changed nothing."""
    leaf, after_open, gone = (
        (due.leaf, due.after_open, 0) if batch is None else (batch.leaf, batch.after_open, batch.gone)
    )
    moved = await connection.fetchval(
        "SELECT register.end_logboek($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        due.tenant_id, due.destination_id, due.leaf, leaf, after_open, spans, gone, MOST_LEAVES, error,
    )  # fmt: skip
    return bool(moved)


async def list_lags(connection: asyncpg.Connection) -> list[Lag]:
    """How every destination stands."""
    return [Lag(**row) for row in await connection.fetch("SELECT * FROM register.logboek_standing()")]


async def _read_calls(connection: asyncpg.Connection, opened: Sequence[Any], closed: Sequence[Any]) -> list[Call]:
    if not (opened or closed):
        return []
    bounds = min(*opened, *closed, key=lambda one: one.int), max(*opened, *closed, key=lambda one: one.int)
    rows = await connection.fetch("SELECT * FROM register.logboek_calls($1, $2, $3, $4)", opened, closed, *bounds)
    order = {number: at for at, number in enumerate([*opened, *closed])}
    return sorted((_call(row) for row in rows), key=lambda one: order[one.id])


async def _count_there(connection: asyncpg.Connection, opened: Sequence[Any]) -> int:
    if not opened:
        return 0
    return int(
        await connection.fetchval("SELECT register.logboek_there($1, $2, $3)", opened, min(opened), max(opened)) or 0
    )


def _call(row: asyncpg.Record) -> Call:
    values = dict(row.items())
    persons = values.pop("persons")
    return Call(**values, persons=tuple(sorted(persons or ())))
