"""What rows hash to now, made again in PostgreSQL from what stands in them. For the role `koppelpunt_sealer`.

The stored hash of a row is a column as any other: who alters a row and leaves that column alone is seen only by making the
hash again. The sealer sees no content: it asks for hashes and gets hashes.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

import asyncpg

from tenants.leaves import Kind
from tenants.sealer.growing import Growth, Row

_ASKED: Final = {
    "opening": "SELECT tenant_id, id AS number, hash, made FROM register.rehash_openings($1::bigint[], $2::uuid[])",
    "closing": "SELECT tenant_id, id AS number, hash, made FROM register.rehash_closings($1::bigint[], $2::uuid[])",
    "wijziging": "SELECT tenant_id, number, hash, made FROM register.rehash_wijzigingen($1::bigint[], $2::bigint[])",
}

_STEP: Final = 1_000
"""Rows whose hashes are made in one statement, which does nothing but use a processor of PostgreSQL."""
_LONGEST_REST: Final = 0.05
"""Seconds between two at most, so that sealing goes on on a server that is slow."""


@dataclass(frozen=True, slots=True)
class Rehashed:
    """The hash that a row stores, and the one that it has: unless it was altered they are the same."""

    stored: bytes
    made: bytes

    @property
    def holds(self) -> bool:
        return self.stored == self.made


async def rehash(
    connection: asyncpg.Connection, kind: Kind, rows: Sequence[tuple[int, UUID | int]]
) -> dict[tuple[int, UUID | int], Rehashed]:
    """What rows, each by tenant and number, hash to; one that is not there is left out. Rows of one moment cost least."""
    found = await connection.fetch(_ASKED[kind], [tenant_id for tenant_id, _ in rows], [number for _, number in rows])
    return {(row["tenant_id"], row["number"]): Rehashed(row["hash"], row["made"]) for row in found}


async def find_altered(
    connection: asyncpg.Connection, kind: Kind, rows: Sequence[Row], *, step: int = _STEP
) -> set[tuple[int, UUID | int]]:
    """Those of the rows, by tenant and number, that say something else than their hash does, or are gone again.

    In steps, each a statement of its own: between two PostgreSQL has its processor for others as long as the first took.
    """
    wanted = {(row.tenant_id, row.number): row.hash for row in rows}
    asked, altered = list(wanted), set[tuple[int, UUID | int]]()
    for first in range(0, len(asked), step):
        part = asked[first : first + step]
        began = time.monotonic()
        found = await rehash(connection, kind, part)
        altered |= {key for key in part if key not in found or found[key].made != wanted[key]}
        if first + step < len(asked):
            await asyncio.sleep(min(time.monotonic() - began, _LONGEST_REST))
    return altered


def places_of(
    kind: Kind, rows: Iterable[Row], growth: Growth, altered: set[tuple[int, UUID | int]]
) -> list[tuple[int, str]]:
    """Where in its tree each altered row was put, as (tenant, place). Pure."""
    first = {run.tenant_id: run.first for run in growth.runs}
    by_tenant = sorted(rows, key=lambda row: row.tenant_id)
    return [
        (tenant_id, place_of(first[tenant_id] + at, kind, row.number))
        for tenant_id, group in groupby(by_tenant, key=lambda row: row.tenant_id)
        for at, row in enumerate(group)
        if (tenant_id, row.number) in altered
    ]


def place_of(leaf: int, kind: Kind, number: UUID | int) -> str:
    """How a fault names a row. The same row has one name, so that it is told once."""
    return f"leaf {leaf}, {kind} {number}"
