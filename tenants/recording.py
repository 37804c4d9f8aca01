"""Records a reading of the register before it starts, and lets it read.

The database shows nothing of the register to a transaction that does not name a committed record of the last hour: who,
why, about what. So a record comes first, in a transaction of its own, and every step of the reading names it.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from tenants.scope import tenant_scope

Period = tuple[datetime, datetime]
"""From the first moment until the second, which is not in it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is recorded of a reading. Persons and users stand there as their index of each year, never in the clear."""

    kind: str
    reason: str
    contents: bool
    subjects: Sequence[UUID] = field(default=(), repr=False)
    users: Sequence[UUID] = field(default=(), repr=False)
    ids: Sequence[UUID] = ()
    period: Period | None = None
    criteria: Mapping[str, Any] = field(default_factory=dict)
    inzageverzoek_id: int | None = None


async def record_reading(connection: asyncpg.Connection, tenant_id: int, reading: Reading, *, actor: str) -> int:
    """Write the record, in a transaction of its own, and return its number. From then on the register shows itself."""
    began, ended = reading.period or (None, None)
    async with tenant_scope(connection, tenant_id, actor=actor):
        number: int = await connection.fetchval(
            "INSERT INTO register.reading (tenant_id, actor, reason, kind, subjects, users, ids, period_from, "
            "  period_until, contents, criteria, inzageverzoek_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12) RETURNING number",
            tenant_id, actor, reading.reason, reading.kind, reading.subjects, reading.users, reading.ids, began, ended,
            reading.contents, json.dumps(dict(reading.criteria)), reading.inzageverzoek_id,
        )  # fmt: skip
    return number


@asynccontextmanager
async def reading_scope(
    connection: asyncpg.Connection, tenant_id: int, reading: int, *, actor: str
) -> AsyncIterator[None]:
    """One step of a recorded reading: a transaction that sees the tenant's register."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        await connection.fetchval("SELECT set_config('koppelpunt.reading', $1, true)", str(reading))
        yield
