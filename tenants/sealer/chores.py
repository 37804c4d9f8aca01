"""The sealer's queries: partitions ahead, fetched messages forgotten, calls without closing, certificates that end.

For the role `koppelpunt_sealer`, which sees hashes, counters and dates. One function per query.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

_LEADER = (19_265, 3)
"""Advisory lock of the one sealer that works. The session that holds it does the work: if it is lost, so is the lock."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A call that was let through and has no closing: *uitkomst onbekend*. `kind` is productie or proef.

    `instance` is the gateway that began it, `cause` why it has no closing (migration 0014 says which there are).
    """

    kind: str
    tenant_id: int
    id: UUID
    writer_id: int
    aansluiting_id: int
    opened_at: datetime
    instance: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate ends that is in use, or about to be."""

    tenant_id: int
    certificate_id: int
    state: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class SecretEnd:
    """When RvIG said that the secret of a credential ends which is in use."""

    tenant_id: int
    credential_id: int
    ends_at: datetime


async def lead(connection: asyncpg.Connection) -> bool:
    """Become the leader if nobody is; asked once per session."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER))


async def ensure_partitions(connection: asyncpg.Connection, ahead: timedelta) -> int:
    """Make the partitions of the coming time that are missing; return how many. Openings do not wait for it."""
    made: int = await connection.fetchval("SELECT register.ensure_partitions((now() + $1::interval)::date)", ahead)
    return made


async def forget_fetched_messages(connection: asyncpg.Connection) -> int:
    """Forget which messages were fetched when RvIG no longer has them; return how many."""
    gone: int = await connection.fetchval("SELECT register.forget_fetched_messages()")
    return gone


async def forget_used_assertions(connection: asyncpg.Connection) -> int:
    """Forget client assertions that have ended and cannot come again; return how many."""
    gone: int = await connection.fetchval("SELECT auth.forget_jtis()")
    return gone


async def list_orphans(connection: asyncpg.Connection, older_than: timedelta) -> list[Orphan]:
    """Every call, of all tenants, that is open for longer than that."""
    rows = await connection.fetch(
        "SELECT kind, tenant_id, id, writer_id, aansluiting_id, opened_at, instance, cause "
        "FROM register.calls_without_closing($1) ORDER BY opened_at",
        older_than,
    )
    return [Orphan(**row) for row in rows]


async def list_expiries(connection: asyncpg.Connection) -> list[Expiry]:
    """Certificates that are staged, active or retiring."""
    rows = await connection.fetch(
        "SELECT tenant_id, certificate_id, state, not_after FROM registry.certificate "
        "WHERE state IN ('staged', 'active', 'retiring') AND not_after IS NOT NULL"
    )
    return [Expiry(**row) for row in rows]


async def list_secret_ends(connection: asyncpg.Connection) -> list[SecretEnd]:
    """Secrets of RvIG in use that end in the coming quarter, or ended in the last."""
    rows = await connection.fetch(
        "SELECT tenant_id, object::bigint AS credential_id, due_at AS ends_at FROM registry.meldingsfeiten_einde(now()) "
        "WHERE kind = 'geheim'"
    )
    return [SecretEnd(**row) for row in rows]
