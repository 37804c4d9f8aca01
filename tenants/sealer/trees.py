"""The sealer's queries about trees: how far it may read, what is new, and appending it. One function per query.

Rows are found by the transaction that wrote them (reading by highest id misses what commits late). What the *horizon*
promises: no row of a lower transaction will still appear. For the register it is the lowest transaction under way that
may be writing it. The snapshot comes first, the locks after it: a writer takes its lock on the register before it gets a
transaction number, so one that is in the snapshot holds its lock until its rows can be seen. Only those are left out of
the reckoning that surely hold no such lock, so that a long transaction elsewhere delays nothing. For wijzigingen, which
are written at the end of any transaction of the registry, it is the lowest of all transactions under way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from tenants.leaves import Kind
from tenants.merkle import Frontier
from tenants.sealer.growing import Gap, Growth, Row, WriterOf

_ZERO: Final = UUID(int=0)
_HORIZON = """
WITH s AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot),
locks AS MATERIALIZED (SELECT l.locktype, l.relation, l.database, l.mode, l.transactionid, l.virtualtransaction FROM s, pg_locks l),
elsewhere AS (
  SELECT l.transactionid FROM locks l WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND NOT EXISTS (
    SELECT 1 FROM locks w WHERE w.virtualtransaction = l.virtualtransaction AND w.locktype = 'relation' AND w.mode = 'RowExclusiveLock'
      AND w.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND w.relation IN ('register.opening'::regclass, 'register.closing'::regclass))
)
SELECT pg_snapshot_xmin(s.snapshot)::text::bigint AS of_all, pg_snapshot_xmax(s.snapshot)::text::bigint AS next,
  COALESCE((SELECT min(x::text::bigint) FROM pg_snapshot_xip(s.snapshot) x WHERE x::xid NOT IN (SELECT e.transactionid FROM elsewhere e)),
    pg_snapshot_xmax(s.snapshot)::text::bigint) AS of_register
FROM s
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Below which transactions nothing more will appear; `next` is higher than any that has ended."""

    of_register: int
    of_all: int
    next: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one kind of row was sealed: up to and with this one."""

    tx: int
    tenant_id: int
    id: UUID


async def read_horizon(connection: asyncpg.Connection) -> Horizon:
    """How far may be read now. What is read must be read by a later statement."""
    row = await connection.fetchrow(_HORIZON)
    return Horizon(row["of_register"], row["of_all"], row["next"])


async def read_cursor(connection: asyncpg.Connection, kind: Kind) -> Cursor:
    """Where the sealer stands."""
    row = await connection.fetchrow(
        "SELECT tx::text::bigint AS tx, after_tenant, after_id FROM register.seal_cursor WHERE source = $1", kind
    )
    return Cursor(row["tx"], row["after_tenant"], row["after_id"])


async def read_new_rows(connection: asyncpg.Connection, kind: Kind, after: Cursor, below: int, most: int) -> list[Row]:
    """Rows behind the cursor and below the horizon, in the order in which they are sealed: that of the index."""
    if kind == "wijziging":
        rows = await connection.fetch(
            "SELECT tenant_id, number, hash, tx::text::bigint AS written_by FROM registry.wijziging "
            "WHERE tx >= $1::text::xid8 AND (tx, tenant_id, number) > ($1::text::xid8, $2, $3) AND tx < $4::text::xid8 "
            "ORDER BY tx, tenant_id, number LIMIT $5",
            str(after.tx), after.tenant_id, after.id.int, str(below), most,
        )  # fmt: skip
        return [Row(row["tenant_id"], row["number"], row["hash"], row["written_by"]) for row in rows]
    rows = await connection.fetch(
        f"SELECT tenant_id, id, writer_id, number, hash, tx::text::bigint AS written_by FROM register.{kind} "  # noqa: S608 - a literal
        "WHERE tx >= $1::text::xid8 AND (tx, tenant_id, id) > ($1::text::xid8, $2, $3) AND tx < $4::text::xid8 "
        "ORDER BY tx, tenant_id, id LIMIT $5",
        str(after.tx), after.tenant_id, after.id, str(below), most,
    )  # fmt: skip
    return [
        Row(row["tenant_id"], row["id"], row["hash"], row["written_by"], (row["writer_id"], row["number"]))
        for row in rows
    ]


async def find_late_rows(connection: asyncpg.Connection, kind: Kind, gap: Gap, row: Row, after: Cursor) -> list[Row]:
    """Rows that the sealer has passed by: their transaction was older than their writing. Any of a gap, before `row`.

    Looked for among the calls of a day around it, and among transactions that are behind the sealer.
    """
    if not isinstance(row.number, UUID):
        return []
    day = 86_400_000 << 80
    rows = await connection.fetch(
        f"SELECT tenant_id, id, writer_id, number, hash, tx::text::bigint AS written_by FROM register.{kind} "  # noqa: S608 - a literal
        "WHERE tenant_id = $1 AND id BETWEEN $2 AND $3 AND writer_id = $4 AND number BETWEEN $5 AND $6 "
        "AND tx <= $7::text::xid8 ORDER BY number LIMIT 10000",
        gap.tenant_id, UUID(int=max(0, row.number.int - day)), UUID(int=min((1 << 128) - 1, row.number.int + day)),
        gap.writer_id, gap.first, gap.last, str(after.tx),
    )  # fmt: skip
    return [
        Row(one["tenant_id"], one["id"], one["hash"], one["written_by"], (one["writer_id"], one["number"]))
        for one in rows
    ]


async def read_last_numbers(
    connection: asyncpg.Connection, kind: Kind, writers: Iterable[WriterOf]
) -> Mapping[WriterOf, int]:
    """The last number that was sealed of each of these writers; one that is not there has none."""
    wanted = sorted(set(writers))
    rows = await connection.fetch(
        "SELECT c.tenant_id, c.writer_id, c.number FROM unnest($2::bigint[], $3::int[]) w (tenant_id, writer_id) "
        "JOIN register.seal_counter c ON c.tenant_id = w.tenant_id AND c.source = $1 AND c.writer_id = w.writer_id",
        kind, [tenant_id for tenant_id, _ in wanted], [writer_id for _, writer_id in wanted],
    )  # fmt: skip
    return {(row["tenant_id"], row["writer_id"]): row["number"] for row in rows}


async def read_trees(connection: asyncpg.Connection, tenants: Iterable[int]) -> dict[int, Frontier]:
    """The trees of these tenants, an empty one for who has none yet. Raises ValueError for one that is damaged."""
    wanted = sorted(set(tenants))
    rows = await connection.fetch(
        "SELECT tenant_id, size, frontier FROM register.tree WHERE tenant_id = ANY($1)", wanted
    )
    found = {row["tenant_id"]: Frontier.read(row["size"], row["frontier"]) for row in rows}
    return {tenant_id: found.get(tenant_id) or Frontier() for tenant_id in wanted}


async def append_leaves(
    connection: asyncpg.Connection, kind: Kind, upto: Row, growth: Growth, numbers: Mapping[WriterOf, int]
) -> None:
    """Append a round and move on to its last row. Raises asyncpg.SerializationError when another sealer was first."""
    await connection.execute(
        "SELECT register.append_leaves($1, $2::text::xid8, $3, $4, $5, $6, $7)",
        kind, str(upto.tx), upto.tenant_id, upto.number if isinstance(upto.number, UUID) else UUID(int=upto.number),
        [(run.tenant_id, run.first, run.count, run.lowest, run.entries, run.hashes, run.frontier) for run in growth.runs],
        [(tenant_id, level, index, hash_) for tenant_id, (level, index), hash_ in growth.nodes],
        [(tenant_id, writer_id, number) for (tenant_id, writer_id), number in sorted(numbers.items())],
    )  # fmt: skip


async def note_faults(
    connection: asyncpg.Connection, faults: Sequence[tuple[int, str, str]], *, halts: bool = False
) -> None:
    """Note what is wrong with these tenants' trees: (tenant, code, place). `halts` stops the signing."""
    for tenant_id, code, place in faults:
        await connection.execute("SELECT register.note_seal_fault($1, $2, $3, $4)", tenant_id, code, place, halts)


async def is_answered(connection: asyncpg.Connection, tenant_id: int, code: str, place: str) -> bool:
    """Whether somebody answered already for just this fault."""
    answered: bool = await connection.fetchval("SELECT register.is_answered($1, $2, $3)", tenant_id, code, place)
    return answered
