"""Where revocation lists are kept, and what the database does with what they say. One function per query.

Lists belong to no tenant. The sealer writes them; gateway and tenants read them, and verify each signature again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate that may leave or is about to, with its chain in PEM, own certificate first."""

    tenant_id: int
    certificate_id: int
    version: int
    chain_pem: str


@dataclass(frozen=True, slots=True)
class KeptList:
    """A row of `registry.crl`; `der` None until it could be fetched once."""

    issuer: bytes
    url: str
    der: bytes | None = field(repr=False)
    this_update: datetime | None
    next_update: datetime | None
    is_due: bool
    failures: int


async def list_chains(connection: asyncpg.Connection) -> list[Chain]:
    """Chains of all tenants. For the sealer."""
    return [Chain(**row) for row in await connection.fetch("SELECT * FROM registry.certificate_chains()")]


async def list_kept(connection: asyncpg.Connection) -> list[KeptList]:
    rows = await connection.fetch(
        "SELECT issuer, url, der, this_update, next_update, due_at <= now() AS is_due, failures FROM registry.crl ORDER BY issuer, url"
    )
    return [KeptList(**row) for row in rows]


async def want(connection: asyncpg.Connection, wanted: Iterable[tuple[bytes, str]]) -> None:
    """Note which lists are wanted; those that nobody has wanted for thirty days go."""
    pairs = sorted(set(wanted))
    await connection.execute(
        "INSERT INTO registry.crl AS c (issuer, url) SELECT * FROM unnest($1::bytea[], $2::text[]) "
        "ON CONFLICT (issuer, url) DO UPDATE SET wanted_at = now() WHERE c.wanted_at < now() - interval '1 day'",
        [issuer for issuer, _ in pairs],
        [url for _, url in pairs],
    )
    await connection.execute("DELETE FROM registry.crl WHERE wanted_at < now() - interval '30 days'")


async def keep_list(
    connection: asyncpg.Connection,
    issuer: bytes,
    url: str,
    der: bytes,
    dates: tuple[datetime, datetime],
    again_in: timedelta,
) -> bool:
    """Keep a list that was fetched and verified; False, and nothing kept, for one that is older than the one there is."""
    kept = await connection.fetchval(
        "UPDATE registry.crl SET der = $3, this_update = $4, next_update = $5, fetched_at = now(), failures = 0, "
        "  fault = NULL, due_at = now() + $6 "
        "WHERE issuer = $1 AND url = $2 AND (this_update IS NULL OR this_update <= $4) RETURNING true",
        issuer, url, der, *dates, again_in,
    )  # fmt: skip
    return bool(kept)


async def note_failure(
    connection: asyncpg.Connection, issuer: bytes, url: str, fault: str, again_in: timedelta
) -> None:
    """What was kept stays; the next try is later each time."""
    await connection.execute(
        "UPDATE registry.crl SET failures = failures + 1, fault = $3, due_at = now() + $4 "
        "WHERE issuer = $1 AND url = $2",
        issuer, url, fault, again_in,
    )  # fmt: skip


async def revoke(connection: asyncpg.Connection, chain: Chain, says: str) -> bool:
    """Stop a certificate that its CA revoked; True when this call stopped it."""
    return bool(
        await connection.fetchval(
            "SELECT registry.revoke_certificate($1, $2, $3)", chain.tenant_id, chain.certificate_id, says
        )
    )


async def destroy_retired_keys(connection: asyncpg.Connection) -> int:
    """Destroy the keys of certificates that ended thirty days ago; return how many."""
    destroyed: int = await connection.fetchval("SELECT registry.destroy_retired_keys()")
    return destroyed


async def list_lists(connection: asyncpg.Connection, issuers: Sequence[bytes] | None) -> list[tuple[bytes, bytes]]:
    """(issuer, list in DER) of these issuers, or of all."""
    rows = await connection.fetch(
        "SELECT issuer, der FROM registry.crl WHERE der IS NOT NULL AND ($1::bytea[] IS NULL OR issuer = ANY ($1))",
        None if issuers is None else list(issuers),
    )
    return [(row["issuer"], row["der"]) for row in rows]
