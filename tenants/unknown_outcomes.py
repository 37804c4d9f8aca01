"""Calls of a tenant of which nobody here knows what RvIG did with them, and why not.

For the role `koppelpunt_inzage`, in the tenant's scope. Numbers, times and codes only: what a call was about is read by a
search with a reason. Never hidden: RvIG may have answered and recorded it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from tenants.protocolregels import Cause
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """One call. `ended_at` is None for a call without closing; `instance` names the gateway that began it."""

    id: UUID
    opened_at: datetime
    ended_at: datetime | None
    writer_id: int
    instance: str | None
    cause: Cause
    code: str | None


async def count_unanswered(connection: asyncpg.Connection, tenant_id: int, floor: UUID, ceiling: UUID) -> int:
    """How many calls between two ids, a year apart at most, were sent and not answered. For one step of a recorded reading."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM register.closing WHERE tenant_id = $1 AND id >= $2 AND id < $3 "
        "AND outcome = 'niet_beantwoord' AND status IS NULL",
        tenant_id, floor, ceiling,
    )  # fmt: skip
    return found


async def list_unknown_outcomes(
    connection: asyncpg.Connection, tenant_id: int, floor: UUID, ceiling: UUID, *, actor: str, limit: int
) -> list[UnknownOutcome]:
    """The calls with ids from `floor` until `ceiling`, newest first."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            "SELECT id, opened_at, ended_at, writer_id, instance, cause, code FROM register.unknown_outcomes($1, $2, $3)",
            floor, ceiling, limit,
        )  # fmt: skip
    return [UnknownOutcome(**row) for row in rows]
