"""What an auditor sees of destruction: proofs, and what would go. In the tenant's scope, for the role `koppelpunt_inzage`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tenants.retention.steps import Planned
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Vernietiging:
    """One destruction with what its proof says. `wijziging` is the piece of history that is its leaf in the tree."""

    number: int
    begun_at: datetime
    ground: str
    retention_years: int
    soort: str
    period_from: datetime
    period_until: datetime
    rows: int
    leaves: str
    public_key_sha256: str | None
    finished_at: datetime | None
    openings: int | None
    closings: int | None
    persons: int | None
    data_keys: int | None
    backups_until: datetime | None
    definitief_at: datetime | None
    wijzigingen: list[int]


_LIST = """
SELECT v.number, v.begun_at, v.ground, v.retention_years, v.soort, v.period_from, v.period_until, v.rows,
  COALESCE(v.destroyed, v.leaves)::text AS leaves, v.public_key_sha256, v.finished_at, v.openings, v.closings, v.persons, v.data_keys, v.backups_until,
  v.definitief_at, ARRAY(SELECT w.number FROM registry.wijziging w WHERE w.tenant_id = $1 AND w.object = 'vernietiging'
    AND (w.after ->> 'number')::bigint = v.number ORDER BY w.number) AS wijzigingen
FROM register.vernietiging v WHERE v.tenant_id = $1 AND ($2::bigint IS NULL OR v.number < $2) ORDER BY v.number DESC LIMIT $3
"""


async def list_vernietigingen(
    connection: asyncpg.Connection, tenant_id: int, *, before: int | None, limit: int, actor: str
) -> list[Vernietiging]:
    """Destructions, newest first."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(_LIST, tenant_id, before, limit)
    return [Vernietiging(**_named(row)) for row in rows]


async def list_own_planned(
    connection: asyncpg.Connection, tenant_id: int, horizon: datetime, *, actor: str
) -> list[Planned]:
    """What will have had its term at that moment, counted. Nothing changes."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            "SELECT soort, maand, due_at, rows, openings, closings, persons, held FROM register.plan_own_vernietiging($1)",
            horizon,
        )
    return [Planned(**_named(row)) for row in rows]


def _named(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row.items())
