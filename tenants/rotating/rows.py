"""What the database names of the keyrings' versions, and the exchange of one sealed value for another.

For the role `koppelpunt_keys`, which sees sealed values and versions, and nothing else. One function per query.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tenants.rotating.standing import Counted
from tenants.sealing import Purpose

_LOCK = (19_271, 1)
Place = tuple[str, int, int]
"""Where a sealed value stands: table and column, tenant, number."""
START: Place = ("", 0, 0)
ANY = 1 << 16
"""Above every version."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed value, and what it is bound to."""

    place: Place
    purpose: Purpose
    context: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OldHash:
    """A key whose hash is of another version: it moves when it is used, or goes on `valid_until`."""

    name: str
    oin: str | None
    number: int
    taaksysteem: str | None
    version: int
    valid_until: datetime


async def lock_rotation(connection: asyncpg.Connection) -> bool:
    """Be the only one that rotates, until this session ends; False when another one does."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LOCK))


async def count_versions(connection: asyncpg.Connection) -> list[Counted]:
    """How many values name which version."""
    rows = await connection.fetch(
        "SELECT keyring, name, kind, version, count FROM registry.key_versions() ORDER BY keyring, kind DESC, name, version"
    )
    return [Counted(**row) for row in rows]


async def list_old_hashes(connection: asyncpg.Connection, version: int, *, most: int) -> list[OldHash]:
    """Keys whose hashes are not on this version."""
    rows = await connection.fetch(
        "SELECT name, oin, number, taaksysteem, version, valid_until FROM registry.hashes_not_on($1, $2)", version, most
    )
    return [OldHash(**row) for row in rows]


async def list_sealed(
    connection: asyncpg.Connection, keyring: str, *, below: int, after: Place, most: int
) -> list[Sealed]:
    """Values behind a place that are sealed to an older version than `below`."""
    rows = await connection.fetch(
        "SELECT name, tenant_id, number, purpose, context, sealed "
        "FROM registry.sealed_before($1, $2, $3, $4, $5, $6) ORDER BY 1, 2, 3",
        keyring, below, *after, most,
    )  # fmt: skip
    return [
        Sealed((row["name"], row["tenant_id"], row["number"]), row["purpose"], row["context"], row["sealed"])
        for row in rows
    ]


async def exchange(connection: asyncpg.Connection, found: Sequence[Sealed], made: Sequence[bytes]) -> int:
    """Exchange values for what was made of them, in one transaction; return how many still were what was found."""
    done = 0
    async with connection.transaction():
        for old, new in zip(found, made, strict=True):
            done += await connection.fetchval(
                "SELECT registry.reseal($1, $2, $3, $4, $5)::integer", *old.place, old.sealed, new
            )
    return done
