"""The sealer's queries about destruction. One function per query; what may go is decided inside PostgreSQL.

For the role `koppelpunt_sealer`. A step that the term or a stop does not allow raises asyncpg.PostgresError there.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast

import asyncpg

Soort = Literal["protocolregels", "lezingen", "inzageverzoeken", "steekproeven", "jaarsleutel"]
Outcome = Literal["wacht", "bezig", "klaar"]
ACTOR = "sealer"


@dataclass(frozen=True, slots=True)
class Due:
    """Records of one kind and month (of a key: year) that are due from a moment on."""

    soort: Soort
    maand: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """The same with how much it is. `rows` are openings and closings, or records of another kind; `held` is part of them."""

    soort: Soort
    maand: date
    due_at: datetime
    rows: int
    openings: int
    closings: int
    persons: int
    held: int


async def list_tenants(connection: asyncpg.Connection) -> list[int]:
    """Every tenant, the ended ones too: their registers have terms as others have."""
    rows = await connection.fetch("SELECT tenant_id FROM registry.tenant ORDER BY tenant_id")
    return [row["tenant_id"] for row in rows]


async def list_due(connection: asyncpg.Connection, tenant_id: int, horizon: datetime | None = None) -> list[Due]:
    """What is due, oldest first and keys last; by PostgreSQL's clock without a horizon."""
    rows = await connection.fetch(
        "SELECT soort, maand, due_at FROM register.months_to_destroy($1, COALESCE($2::timestamptz, now()))",
        tenant_id, horizon,
    )  # fmt: skip
    return [Due(**row) for row in rows]


async def list_planned(connection: asyncpg.Connection, tenant_id: int, horizon: datetime) -> list[Planned]:
    """What will be due until the horizon, counted. The dry run: nothing changes."""
    rows = await connection.fetch(
        "SELECT soort, maand, due_at, rows, openings, closings, persons, held FROM register.plan_vernietiging($1, $2)",
        tenant_id, horizon,
    )  # fmt: skip
    return [Planned(**row) for row in rows]


async def begin(connection: asyncpg.Connection, tenant_id: int, maand: date, backup_days: int, most: int) -> int | None:
    """Write the proof of what is to go of a month; None when nothing of it can go now."""
    number: int | None = await connection.fetchval(
        "SELECT register.begin_vernietiging($1, $2, $3, $4, $5)", tenant_id, maand, backup_days, most, ACTOR
    )
    return number


async def destroy_some(connection: asyncpg.Connection, tenant_id: int, number: int, most: int) -> Outcome:
    """One step. `wacht`: its proof is not signed yet."""
    return cast(
        "Outcome", await connection.fetchval("SELECT register.destroy_rows($1, $2, $3)", tenant_id, number, most)
    )


async def destroy_records(connection: asyncpg.Connection, tenant_id: int, due: Due, backup_days: int, most: int) -> int:
    """One step of records about the use of the register; return how many went."""
    count: int = await connection.fetchval(
        "SELECT register.destroy_records($1, $2, $3, $4, $5, $6)",
        tenant_id, due.soort, due.maand, backup_days, most, ACTOR,
    )  # fmt: skip
    return count


async def destroy_year_key(connection: asyncpg.Connection, tenant_id: int, year: int, backup_days: int) -> bool:
    """Destroy the key of a year when nothing needs it any more; tell whether it went now."""
    gone: bool = await connection.fetchval(
        "SELECT register.destroy_year_key($1, $2, $3, $4)", tenant_id, year, backup_days, ACTOR
    )
    return gone


async def forget_proef(connection: asyncpg.Connection, tenant_id: int, most: int) -> int:
    """One step of the register of proef; return how many rows went."""
    count: int = await connection.fetchval("SELECT register.forget_proef($1, $2)", tenant_id, most)
    return count


async def confirm(connection: asyncpg.Connection) -> int:
    """Count as destroyed what no backup holds any more; return how many destructions."""
    count: int = await connection.fetchval("SELECT register.confirm_vernietigingen()")
    return count


@dataclass(frozen=True, slots=True)
class Standing:
    """What was destroyed so far, by tenant: rows and keys that are gone for good, and what backups may still hold."""

    tenant_id: int
    rows: int
    keys: int
    in_backups: int


async def read_standing(connection: asyncpg.Connection) -> list[Standing]:
    """How it stands, for all tenants that had anything destroyed."""
    rows = await connection.fetch(
        "SELECT tenant_id, "
        "  COALESCE(sum(CASE soort WHEN 'protocolregels' THEN openings + closings + persons WHEN 'jaarsleutel' THEN 0 ELSE rows END) "
        "    FILTER (WHERE definitief_at IS NOT NULL), 0)::bigint AS rows, "
        "  count(*) FILTER (WHERE soort = 'jaarsleutel' AND definitief_at IS NOT NULL) AS keys, "
        "  count(*) FILTER (WHERE finished_at IS NOT NULL AND definitief_at IS NULL) AS in_backups "
        "FROM register.vernietiging GROUP BY tenant_id ORDER BY tenant_id"
    )
    return [Standing(**row) for row in rows]
