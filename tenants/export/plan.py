"""What an export consists of: which leaves, up to which checkpoint, with which proofs. Read once; then it stands.

A period [from, until) becomes the shortest stretch of leaves that holds every row of its calls. Neighbours of other days
may lie in it: a proof over a stretch is a few hashes, however long it is, where a proof for each row would be many.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from tenants.checkpoints import Checkpoint, VerifierKey, read_note
from tenants.faults import InputRefused, NotFound
from tenants.merkle import Span, consistency_spans, places_of
from tenants.recording import Period
from tenants.register_keys import uuid_floor
from tenants.retention.reading import read_proof_lines
from tenants.timestamps import Stamped
from tenants.tree_nodes import read_nodes, read_proofs

FORMAT = "koppelpunt-register/1"


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves the leaves [first, until) in the tree of the checkpoint: subtrees before and after them.

    `consistency` are proofs from older checkpoints, of a size before `first` or behind `until`, by their size.
    """

    checkpoint: str
    first: int
    until: int
    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()
    consistency: tuple[tuple[int, tuple[bytes, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One export. `notes` are checkpoints along the way, one a month; `keys` what they are signed with, as PostgreSQL says."""

    tenant_id: int
    oin: str
    tree_size: int
    proof: Proof
    notes: tuple[str, ...]
    keys: tuple[str, ...]
    faults: tuple[str, ...] = ()
    timestamps: tuple[Stamped, ...] = ()
    """The last timestamp of each month over a checkpoint along the way, each with its checkpoint."""
    proofs: tuple[Mapping[str, Any], ...] = ()
    """Proofs of destruction that are about these leaves, as lines of an export with `inclusion`: their path to the root."""

    @property
    def span(self) -> Span:
        """The leaves that are exported."""
        return self.proof.first, self.proof.until


async def find_tenant(connection: asyncpg.Connection, oin: str) -> int:
    """The number of a tenant. Raises InputRefused."""
    found: int | None = await connection.fetchval("SELECT registry.tenant_of_oin($1)", oin)
    if found is None:
        raise InputRefused([f"No tenant has OIN {oin}."])
    return found


async def make_plan(
    connection: asyncpg.Connection,
    tenant_id: int,
    oin: str,
    period: Period | None,
    anchors: tuple[Checkpoint, ...] = (),
) -> Plan:
    """Plan an export, in the tenant's scope. Raises NotFound when nothing was signed yet, TreeDamaged, BadNote.

    When the tree is smaller than its newest checkpoint the plan still goes up to that checkpoint: what is cut off shows.
    """
    newest = await connection.fetchrow(
        "SELECT size, note FROM register.checkpoint WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1", tenant_id
    )
    if newest is None:
        raise NotFound("Nothing of this register was sealed and signed yet.")
    tree_size: int = await connection.fetchval("SELECT size FROM register.tree WHERE tenant_id = $1", tenant_id) or 0
    signed, _ = read_note(newest["note"])
    first, until = (0, signed.size) if period is None else await _span_of(connection, tenant_id, period, signed.size)
    proof = await _proof(connection, tenant_id, newest["note"], (first, until), signed.size, tree_size, anchors)
    notes = await connection.fetch(
        "SELECT DISTINCT ON (date_trunc('month', signed_at AT TIME ZONE 'UTC')) size, note FROM register.checkpoint "
        "WHERE tenant_id = $1 AND size > $2 AND size <= $3 ORDER BY date_trunc('month', signed_at AT TIME ZONE 'UTC'), size DESC",
        tenant_id, first, until,
    )  # fmt: skip
    keys = await connection.fetch("SELECT public_key FROM register.checkpoint_key ORDER BY first_used_at")
    faults = await connection.fetch(
        "SELECT code, place FROM register.seal_fault WHERE tenant_id = $1 AND resolved_at IS NULL ORDER BY number",
        tenant_id,
    )
    stamped = await connection.fetch(
        "SELECT DISTINCT ON (date_trunc('month', s.stamped_at AT TIME ZONE 'UTC')) c.size, c.note, s.token "
        "FROM register.checkpoint_timestamp s JOIN register.checkpoint c ON c.tenant_id = s.tenant_id AND c.size = s.size "
        "WHERE s.tenant_id = $1 AND s.size > $2 AND s.size <= $3 "
        "ORDER BY date_trunc('month', s.stamped_at AT TIME ZONE 'UTC'), s.size DESC",
        tenant_id, first, until,
    )  # fmt: skip
    return Plan(
        tenant_id, oin, tree_size, proof,
        tuple(row["note"] for row in sorted(notes, key=lambda row: row["size"])),
        tuple(str(VerifierKey(signed.origin, row["public_key"])) for row in keys),
        tuple(f"{row['code']}: {row['place']}" for row in faults),
        tuple(Stamped(row["note"], row["token"]) for row in sorted(stamped, key=lambda row: row["size"])),
        await read_proof_lines(connection, tenant_id, (first, until), min(signed.size, tree_size)),
    )  # fmt: skip


async def _span_of(connection: asyncpg.Connection, tenant_id: int, period: Period, size: int) -> Span:
    """The stretch of leaves that holds every row of the calls of a period.

    What was sealed before a call began cannot be about it (its id may be a minute ahead of PostgreSQL's clock). What was
    sealed long after it can: so the end is looked for until now, by the lowest call of each round.
    """
    began, ended = period
    lowest, highest = uuid_floor(began), uuid_floor(ended)
    first: int | None = await connection.fetchval(
        "SELECT min(first) FROM register.leaf_run WHERE tenant_id = $1 AND sealed_at >= $2::timestamptz - interval '2 minutes'",
        tenant_id, began,
    )  # fmt: skip
    until: int | None = await connection.fetchval(
        "SELECT max(first + count) FROM register.leaf_run WHERE tenant_id = $1 AND first >= $2 "
        "AND (lowest < $3 OR (lowest IS NULL AND sealed_at < $4))",
        tenant_id, first or 0, highest, ended,
    )  # fmt: skip
    if first is None or until is None or lowest >= highest:
        return size, size
    return min(first, size), min(until, size)


async def _proof(
    connection: asyncpg.Connection,
    tenant_id: int,
    note: str,
    span: Span,
    size: int,
    tree_size: int,
    anchors: tuple[Checkpoint, ...],
) -> Proof:
    first, until = span
    if tree_size < size:
        # Leaves are missing at the end, so nothing behind the stretch can be proved; that it is so will be told.
        return Proof(note, first, until)
    before, after = places_of((0, first)), places_of((until, size))
    nodes = await read_nodes(connection, tenant_id, [*before, *after])
    asked = [one.size for one in anchors if one.size < size and not first <= one.size <= until]
    proofs = await read_proofs(connection, tenant_id, [consistency_spans(old, size) for old in asked])
    return Proof(
        note, first, until,
        tuple(nodes[place] for place in before),
        tuple(nodes[place] for place in after),
        tuple((old, tuple(proof)) for old, proof in zip(asked, proofs, strict=True)),
    )  # fmt: skip
