"""Rows in the register as a gateway writes them, and the sealer's round over them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from tenants.leaves import unpack_entries
from tenants.sealer.sealing import seal_slice
from tenants.sealer.signing import Signer, list_unsigned, sign_tree
from tests.db.calls import Writer, closing, data_key, opening, uuid7
from tests.worlds import World

BATCH = 50


@dataclass(slots=True)
class Calls:
    """One session that numbers its rows per tenant, as the gateway does."""

    writer: Writer
    openings: Counter[int] = field(default_factory=Counter)
    closings: Counter[int] = field(default_factory=Counter)

    async def record(self, world: World, count: int = 1, **changes: Any) -> list[UUID]:
        """Record calls of one tenant, each with one person, in batches; return their ids."""
        ids: list[UUID] = []
        while len(ids) < count:
            rows = await self.open(world, min(BATCH, count - len(ids)), **changes)
            await self.close(world, rows)
            ids += [row["id"] for row in rows]
        return ids

    async def open(
        self, world: World, count: int = 1, *, span: bytes | None = None, **changes: Any
    ) -> list[dict[str, Any]]:
        base = self.openings[world.tenant_id]
        rows = [opening(world, base=base, **changes) for _ in range(count)]
        spans = [] if span is None else [(world.tenant_id, row["id"], span) for row in rows]
        answers = await self.writer.write(rows, keys=[data_key(row) for row in rows], spans=spans)
        assert all(answer.number is not None for answer in answers), answers
        self.openings[world.tenant_id] += count
        return rows

    async def close(self, world: World, rows: list[dict[str, Any]], **changes: Any) -> None:
        base = self.closings[world.tenant_id]
        answers = await self.writer.write(
            closings=[closing(row, base=base, **changes) for row in rows],
            persons=[(row["id"], world.tenant_id, uuid7(), "") for row in rows],
        )
        assert {answer.verdict for answer in answers} == {None}
        self.closings[world.tenant_id] += len(rows)


async def seal(sealing: asyncpg.Connection, batch: int = 5_000) -> int:
    """Seal until nothing is new; return how many leaves were made."""
    total = 0
    while (leaves := (await seal_slice(sealing, batch)).leaves) > 0:
        total += leaves
    return total


async def sign_all(sealing: asyncpg.Connection, signer: Signer, samples: int = 4) -> list[bool]:
    return [await sign_tree(sealing, signer, one, samples=samples) for one in await list_unsigned(sealing)]


async def faults(connection: asyncpg.Connection) -> list[tuple[int, str, str]]:
    rows = await connection.fetch("SELECT tenant_id, code, place FROM register.seal_fault ORDER BY number")
    return [tuple(row) for row in rows]


async def leaves(connection: asyncpg.Connection, tenant_id: int) -> list[tuple[str, Any]]:
    rows = await connection.fetch(
        "SELECT entries FROM register.leaf_run WHERE tenant_id = $1 ORDER BY first", tenant_id
    )
    return [one for row in rows for one in unpack_entries(row["entries"])]


async def size(connection: asyncpg.Connection, tenant_id: int) -> int:
    found: int = await connection.fetchval("SELECT size FROM register.tree WHERE tenant_id = $1", tenant_id)
    return found
