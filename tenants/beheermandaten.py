"""Mandates to administer: by one the operator, or another tenant's beheerders, administer for a tenant until it ends.

For the role `koppelpunt_tenants`, inside a scope (`tenants.admins.scope_of`: a tenant's, or the operator's with None). Nothing
is changed afterwards but its end. That a mandate is given by the tenant's own beheerder stands in the database.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tenants.beheerders import found_or_refused

_MANDAAT = (
    "SELECT tenant_id, mandaat_id, to_tenant_id, reason, given_by, valid_from, valid_until, withdrawn_at, version "
    "FROM registry.beheermandaat"
)


@dataclass(frozen=True, slots=True)
class Mandaat:
    """By this the operator (`to_tenant_id` None) or another tenant's beheerders administer for `tenant_id`."""

    tenant_id: int
    number: int
    to_tenant_id: int | None
    reason: str
    given_by: str
    valid_from: datetime
    valid_until: datetime
    withdrawn_at: datetime | None
    version: int


async def give_mandaat(
    connection: asyncpg.Connection, tenant_id: int, *, to_tenant_id: int | None, reason: str, valid_until: datetime
) -> int:
    """Let the operator (None) or another tenant's beheerders administer for this tenant, for two years at most."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.beheermandaat (tenant_id, to_tenant_id, reason, given_by, valid_until) "
        "VALUES ($1, $2, $3, '', $4) RETURNING mandaat_id",
        tenant_id, to_tenant_id, reason, valid_until,
    )  # fmt: skip
    return number


async def end_mandaat(connection: asyncpg.Connection, tenant_id: int, number: int) -> None:
    """End a mandate from now on. Raises NotFound."""
    row = await connection.fetchrow(
        "UPDATE registry.beheermandaat SET withdrawn_at = now() "
        "WHERE tenant_id = $1 AND mandaat_id = $2 AND withdrawn_at IS NULL RETURNING mandaat_id",
        tenant_id, number,
    )  # fmt: skip
    found_or_refused(row, "beheermandaat", number)


async def list_mandaten(
    connection: asyncpg.Connection, tenant_id: int | None, *, after: int = 0, limit: int = 200
) -> list[Mandaat]:
    """What the tenant gave and got (None: what the operator got), by number."""
    rows = await connection.fetch(
        f"{_MANDAAT} WHERE (tenant_id = $1 OR to_tenant_id IS NOT DISTINCT FROM $1) AND mandaat_id > $2 "
        "ORDER BY mandaat_id LIMIT $3",
        tenant_id, after, limit,
    )  # fmt: skip
    return [_mandaat(row) for row in rows]


async def find_mandaat(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> Mandaat:
    """One that the tenant gave or got. Raises NotFound."""
    row = await connection.fetchrow(
        f"{_MANDAAT} WHERE (tenant_id = $1 OR to_tenant_id IS NOT DISTINCT FROM $1) AND mandaat_id = $2",
        tenant_id, number,
    )  # fmt: skip
    return _mandaat(found_or_refused(row, "beheermandaat", number))


async def standing_mandaat(connection: asyncpg.Connection, tenant_id: int, to_tenant_id: int | None) -> int | None:
    """The number of a mandate that holds now, from this tenant to that one (None: the operator). In the latter's scope."""
    number: int | None = await connection.fetchval(
        "SELECT m.mandaat_id FROM registry.beheermandaat m JOIN registry.tenant t ON t.tenant_id = m.tenant_id "
        "WHERE m.tenant_id = $1 AND m.to_tenant_id IS NOT DISTINCT FROM $2 AND m.withdrawn_at IS NULL "
        "  AND now() >= m.valid_from AND now() < m.valid_until AND t.state = 'active' ORDER BY m.mandaat_id LIMIT 1",
        tenant_id, to_tenant_id,
    )  # fmt: skip
    return number


async def administered_by(connection: asyncpg.Connection, tenant_id: int) -> list[tuple[str, datetime]]:
    """Who administers for the tenant by a mandate that holds now, by name, and until when. In its scope."""
    rows = await connection.fetch(
        "SELECT COALESCE(t.name, 'De operator') AS name, m.valid_until FROM registry.beheermandaat m "
        "LEFT JOIN registry.tenant t ON t.tenant_id = m.to_tenant_id WHERE m.tenant_id = $1 "
        "  AND m.withdrawn_at IS NULL AND now() >= m.valid_from AND now() < m.valid_until ORDER BY m.mandaat_id",
        tenant_id,
    )
    return [(row["name"], row["valid_until"]) for row in rows]


def _mandaat(row: asyncpg.Record) -> Mandaat:
    return Mandaat(
        tenant_id=row["tenant_id"],
        number=row["mandaat_id"],
        to_tenant_id=row["to_tenant_id"],
        reason=row["reason"],
        given_by=row["given_by"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        withdrawn_at=row["withdrawn_at"],
        version=row["version"],
    )
