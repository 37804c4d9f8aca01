"""What the admin API shows of the registry: tenants, blokkades and changes.

One function per query, for the role `koppelpunt_tenants`. What belongs to one tenant is read in its scope (the caller's
transaction); the lists of all tenants and all blokkades are the operator's alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tenants.faults import NotFound

_TENANT = "SELECT tenant_id, oin, name, kind, record_content, retention_years, state, created_at, version FROM registry.tenant"
_BLOKKADE = "SELECT kind, value, reason, blocked_by, blocked_at, by_tenant_id FROM registry.blokkade"
# What concerns a tenant: itself, its afnemers and their organisations, its certificates and its taaksystemen.
_CONCERNS = (
    " WHERE (kind = 'tenant' AND value = $1::bigint::text)"
    " OR (kind = 'taaksysteem' AND value LIKE $1::bigint || '/%')"
    " OR (kind = 'afnemer' AND value IN (SELECT afnemer_id FROM registry.afnemer WHERE tenant_id = $1))"
    " OR (kind = 'oin' AND value IN (SELECT oin FROM registry.tenant WHERE tenant_id = $1"
    "   UNION SELECT oin FROM registry.afnemer WHERE tenant_id = $1))"
    " OR (kind = 'certificate' AND value IN (SELECT encode(fingerprint, 'hex') FROM registry.certificate"
    "   WHERE tenant_id = $1))"
)
# An OIN that an afnemer names is proved by nobody: why it is blocked, and by whom, is for the tenant whose own it is.
_OWN = "(kind <> 'oin' OR value = (SELECT oin FROM registry.tenant WHERE tenant_id = $1))"
_BLOKKADE_OF = (
    f"SELECT kind, value, CASE WHEN {_OWN} THEN reason END AS reason, "  # noqa: S608 - the condition is ours
    f"CASE WHEN {_OWN} THEN blocked_by END AS blocked_by, blocked_at, "
    f"CASE WHEN {_OWN} THEN by_tenant_id END AS by_tenant_id FROM registry.blokkade"
)
# What a tenant may block: as above, but of organisations only its own. Another's OIN may serve other tenants too.
_OWNS = {
    "tenant": "SELECT $2::text = $1::bigint::text",
    "afnemer": "SELECT EXISTS (SELECT 1 FROM registry.afnemer WHERE tenant_id = $1 AND afnemer_id = $2)",
    "oin": "SELECT EXISTS (SELECT 1 FROM registry.tenant WHERE tenant_id = $1 AND oin = $2)",
    "certificate": "SELECT EXISTS (SELECT 1 FROM registry.certificate "
    "WHERE tenant_id = $1 AND fingerprint = decode($2, 'hex'))",
    "taaksysteem": "SELECT EXISTS (SELECT 1 FROM registry.taaksysteem "
    "WHERE tenant_id = $1 AND $2 = tenant_id || '/' || taaksysteem_id)",
}


@dataclass(frozen=True, slots=True)
class TenantSeen:
    tenant_id: int
    oin: str
    name: str
    kind: str
    record_content: str
    retention_years: int
    state: str
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class BlokkadeSeen:
    """An active blokkade; `by_tenant_id` is None for one of the operator, and `reason` and `blocked_by` for whom they are not."""

    kind: str
    value: str
    reason: str | None
    blocked_by: str | None
    blocked_at: datetime
    by_tenant_id: int | None


@dataclass(frozen=True, slots=True)
class Wijziging:
    """One change of the registry; secrets were never in it."""

    number: int
    at: datetime
    actor: str
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


async def list_active_tenant_ids(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch("SELECT tenant_id FROM registry.tenant WHERE state = 'active' ORDER BY tenant_id")
    return [row["tenant_id"] for row in rows]


async def list_tenants(connection: asyncpg.Connection, *, only: int | None, after: int, limit: int) -> list[TenantSeen]:
    """Tenants by number, or only that one."""
    rows = await connection.fetch(
        f"{_TENANT} WHERE tenant_id > $1 AND ($2::bigint IS NULL OR tenant_id = $2) ORDER BY tenant_id LIMIT $3",
        after, only, limit,
    )  # fmt: skip
    return [TenantSeen(**row) for row in rows]


async def list_blokkades(connection: asyncpg.Connection, *, concerning: int | None) -> list[BlokkadeSeen]:
    """Active blokkades, newest first: all of them, or those that concern a tenant (in its scope)."""
    order = " ORDER BY blocked_at DESC, kind, value"
    if concerning is None:
        rows = await connection.fetch(_BLOKKADE + order)
    else:
        rows = await connection.fetch(_BLOKKADE_OF + _CONCERNS + order, concerning)
    return [BlokkadeSeen(**row) for row in rows]


async def find_blokkade(connection: asyncpg.Connection, kind: str, value: str) -> BlokkadeSeen | None:
    row = await connection.fetchrow(f"{_BLOKKADE} WHERE kind = $1 AND value = $2", kind, value)
    return None if row is None else BlokkadeSeen(**row)


async def count_hit(connection: asyncpg.Connection, kind: str, value: str) -> dict[str, int]:
    """How many tenants, aansluitingen and taaksystemen a block stops now, of all tenants."""
    row = await connection.fetchrow(
        "SELECT tenants, aansluitingen, taaksystemen FROM registry.hit_by_blokkade($1, $2)", kind, value
    )
    return dict(row)


async def owns(connection: asyncpg.Connection, tenant_id: int, kind: str, value: str) -> bool:
    """Tell whether a tenant may block this by itself. In its scope."""
    return bool(await connection.fetchval(_OWNS[kind], tenant_id, value))


@dataclass(frozen=True, slots=True)
class WijzigingenFilter:
    """Which changes: older than number `before`, of one object, by one actor, from `since` until `until`; at most `limit`."""

    limit: int
    before: int | None = None
    object: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_wijzigingen(
    connection: asyncpg.Connection, tenant_id: int, wanted: WijzigingenFilter
) -> list[Wijziging]:
    """Changes, newest first. In the tenant's scope."""
    rows = await connection.fetch(
        "SELECT number, at, actor, action, object, before, after FROM registry.wijziging "
        "WHERE tenant_id = $1 AND ($2::bigint IS NULL OR number < $2) AND ($3::text IS NULL OR object = $3) "
        "AND ($4::text IS NULL OR actor = $4) AND ($5::timestamptz IS NULL OR at >= $5) "
        "AND ($6::timestamptz IS NULL OR at < $6) ORDER BY number DESC LIMIT $7",
        tenant_id, wanted.before, wanted.object, wanted.actor, wanted.since, wanted.until, wanted.limit,
    )  # fmt: skip
    return [Wijziging(**{**row, "before": _document(row["before"]), "after": _document(row["after"])}) for row in rows]


def _document(text: str | None) -> Mapping[str, Any] | None:
    """A jsonb column comes as its text."""
    return None if text is None else json.loads(text)


@dataclass(frozen=True, slots=True)
class CheckpointSeen:
    """A signed note over the first `size` leaves of the tenant's tree."""

    size: int
    signed_at: datetime
    note: str


async def list_checkpoints(
    connection: asyncpg.Connection, tenant_id: int, *, before: int | None, limit: int
) -> list[CheckpointSeen]:
    """Checkpoints, newest first, of trees smaller than `before`. In the tenant's scope."""
    rows = await connection.fetch(
        "SELECT size, signed_at, note FROM register.checkpoint "
        "WHERE tenant_id = $1 AND ($2::bigint IS NULL OR size < $2) ORDER BY size DESC LIMIT $3",
        tenant_id, before, limit,
    )  # fmt: skip
    return [CheckpointSeen(**row) for row in rows]


async def find_checkpoint(connection: asyncpg.Connection, tenant_id: int, size: int) -> CheckpointSeen:
    """The checkpoint of a tree of that size. Raises NotFound. In the tenant's scope."""
    found = await list_checkpoints(connection, tenant_id, before=size + 1, limit=1)
    if not found or found[0].size != size:
        raise NotFound(f"There is no checkpoint of size {size}.")
    return found[0]


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """Where checkpoints go, and how far that is: the size of the last one that is there, and failures since."""

    destination_id: int
    kind: str
    target: str
    every_seconds: int
    state: str
    version: int
    delivered: int
    delivered_at: datetime | None
    attempts: int
    last_error: str | None


async def list_places_seen(
    connection: asyncpg.Connection, tenant_id: int, *, after: int, limit: int
) -> list[PlaceSeen]:
    """Destinations by number, ended ones too. In the tenant's scope."""
    rows = await connection.fetch(
        "SELECT d.destination_id, d.kind, d.target, d.every_seconds, d.state, d.version, "
        "  COALESCE(v.size, 0) AS delivered, v.delivered_at, COALESCE(v.attempts, 0) AS attempts, v.last_error "
        "FROM registry.checkpoint_destination d LEFT JOIN register.delivery v "
        "  ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
        "WHERE d.tenant_id = $1 AND d.destination_id > $2 ORDER BY d.destination_id LIMIT $3",
        tenant_id, after, limit,
    )  # fmt: skip
    return [PlaceSeen(**row) for row in rows]


async def find_place(connection: asyncpg.Connection, tenant_id: int, destination_id: int) -> PlaceSeen:
    """One destination. Raises NotFound. In the tenant's scope."""
    found = await list_places_seen(connection, tenant_id, after=destination_id - 1, limit=1)
    if not found or found[0].destination_id != destination_id:
        raise NotFound(f"There is no checkpoint destination {destination_id} here.")
    return found[0]
