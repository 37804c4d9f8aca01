"""Reads the history of what is of no tenant: the operator's people, keys, IDPs and environments, and its checkpoints.

For the role `koppelpunt_tenants` in the operator's scope; in a tenant's nothing of it shows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tenants.overviews import Wijziging, WijzigingenFilter


@dataclass(frozen=True, slots=True)
class OperatorCheckpoint:
    """A signed note over the first `size` wijzigingen of the operator."""

    size: int
    signed_at: datetime
    note: str


async def list_operator_wijzigingen(connection: asyncpg.Connection, wanted: WijzigingenFilter) -> list[Wijziging]:
    """Changes, newest first."""
    rows = await connection.fetch(
        "SELECT number, at, actor, action, object, before, after FROM registry.operator_wijziging "
        "WHERE ($1::bigint IS NULL OR number < $1) AND ($2::text IS NULL OR object = $2) AND ($3::text IS NULL OR actor = $3) "
        "AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5) ORDER BY number DESC LIMIT $6",
        wanted.before, wanted.object, wanted.actor, wanted.since, wanted.until, wanted.limit,
    )  # fmt: skip
    return [Wijziging(**{**row, "before": _read(row["before"]), "after": _read(row["after"])}) for row in rows]


async def list_operator_checkpoints(
    connection: asyncpg.Connection, *, before: int | None = None, limit: int | None = None
) -> list[OperatorCheckpoint]:
    """Checkpoints, the largest first."""
    rows = await connection.fetch(
        "SELECT size, signed_at, note FROM registry.operator_checkpoint WHERE ($1::bigint IS NULL OR size < $1) "
        "ORDER BY size DESC LIMIT $2",
        before, limit,
    )  # fmt: skip
    return [OperatorCheckpoint(**row) for row in rows]


async def read_operator_rows(connection: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    """Every row as its hash covers it, by number."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "SELECT number, (extract(epoch FROM at) * 1000000)::bigint AS at, actor::text, action, object, before::text, "
        "  after::text FROM registry.operator_wijziging ORDER BY number"
    )
    return rows


def _read(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)
