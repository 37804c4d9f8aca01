"""Looks up what a proof needs in a tenant's tree: hashes of leaves and of the subtrees above them.

For the sealer and for whoever reads a register in its tenant's scope. Subtrees of fewer than 256 leaves are not kept
but made from their leaves. Raises TreeDamaged when the tree lacks what a tree of its size must have.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import asyncpg

from tenants.merkle import HASH_BYTES, Place, Span, nodes_of, places_for, prove

KEPT_LEVEL: Final = 8
"""Subtrees of 2^8 leaves and more are kept."""


class TreeDamaged(Exception):
    """The tree lacks a leaf or a node that it must have."""


async def read_leaf_hashes(connection: asyncpg.Connection, tenant_id: int, span: Span) -> list[bytes]:
    """The hashes of these leaves. Raises TreeDamaged."""
    lo, hi = span
    rows = await connection.fetch(
        "SELECT first, substring(hashes FROM greatest($2 - first, 0)::int * 32 + 1 "
        "  FOR (least($3, first + count) - greatest($2, first))::int * 32) AS part "
        "FROM register.leaf_run WHERE tenant_id = $1 AND first < $3 AND first >= COALESCE("
        "  (SELECT max(r.first) FROM register.leaf_run r WHERE r.tenant_id = $1 AND r.first <= $2), 0) "
        "AND first + count > $2 ORDER BY first",
        tenant_id, lo, hi,
    )  # fmt: skip
    hashes: list[bytes] = []
    for row in rows:
        if max(row["first"], lo) != lo + len(hashes):
            raise TreeDamaged(f"leaf {lo + len(hashes)} is not in the tree")
        part = row["part"]
        hashes += [part[at : at + HASH_BYTES] for at in range(0, len(part), HASH_BYTES)]
    if len(hashes) != hi - lo:
        raise TreeDamaged(f"leaf {lo + len(hashes)} is not in the tree")
    return hashes


async def read_nodes(connection: asyncpg.Connection, tenant_id: int, places: Iterable[Place]) -> Mapping[Place, bytes]:
    """The hashes of these subtrees. Raises TreeDamaged."""
    wanted = set(places)
    kept = sorted(place for place in wanted if place[0] >= KEPT_LEVEL)
    rows = await connection.fetch(
        "SELECT n.level, n.index, n.hash FROM unnest($2::smallint[], $3::bigint[]) w (level, index) "
        "JOIN register.tree_node n ON n.tenant_id = $1 AND n.level = w.level AND n.index = w.index",
        tenant_id, [level for level, _ in kept], [index for _, index in kept],
    )  # fmt: skip
    found: dict[Place, bytes] = {(row["level"], row["index"]): row["hash"] for row in rows}
    for block, low in _blocks(place for place in wanted if place[0] < KEPT_LEVEL).items():
        start = block << KEPT_LEVEL
        until = max((index + 1) << level for level, index in low)
        made = nodes_of(await read_leaf_hashes(connection, tenant_id, (start, until)), start)
        found.update({place: made[place] for place in low})
    if missing := wanted - found.keys():
        level, index = min(missing)
        raise TreeDamaged(f"the subtree over leaves {index << level} to {(index + 1) << level} is not in the tree")
    return found


async def read_proofs(
    connection: asyncpg.Connection, tenant_id: int, proofs: Sequence[Sequence[Span]]
) -> list[list[bytes]]:
    """Several proofs, each by its spans, with all they need looked up at once. Raises TreeDamaged."""
    nodes = await read_nodes(connection, tenant_id, {place for spans in proofs for place in places_for(spans)})
    return [prove(spans, nodes.__getitem__) for spans in proofs]


def _blocks(places: Iterable[Place]) -> Mapping[int, list[Place]]:
    """Small subtrees, by the block of 256 leaves that they lie in."""
    blocks: dict[int, list[Place]] = {}
    for level, index in places:
        blocks.setdefault((index << level) >> KEPT_LEVEL, []).append((level, index))
    return blocks
