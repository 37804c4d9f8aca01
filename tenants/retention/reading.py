"""Reads the proofs of destruction of a tenant's tree, in its scope: each with its leaf and its path to the signed root.

For the role `koppelpunt_inzage`. What is not sealed below `size` proves nothing yet and is left out.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson

from tenants.export.lines import FORMS, WIJZIGING, line_of
from tenants.leaves import hash_of_leaf, pack_entry
from tenants.merkle import Span, inclusion_spans
from tenants.retention.ranges import Ranges
from tenants.tree_nodes import read_proofs

_PROOFS = """
SELECT w.tenant_id, w.number, (extract(epoch FROM w.at) * 1000000)::bigint AS at, w.actor, w.action, w.object, w.before::text AS before,
  w.after::text AS after, w.hash, w.after ->> 'leaves' AS leaves
FROM registry.wijziging w WHERE w.tenant_id = $1 AND w.object = 'vernietiging' AND w.after ->> 'soort' = 'protocolregels' ORDER BY w.number
"""
_LEAF = """
SELECT r.first + (position($2::bytea IN r.entries) - 1) / 17 AS leaf FROM register.leaf_run r
WHERE r.tenant_id = $1 AND position($2::bytea IN r.entries) % 17 = 1
  AND r.sealed_at >= (SELECT w.at FROM registry.wijziging w WHERE w.tenant_id = $1 AND w.number = $3) - interval '1 minute'
ORDER BY r.first LIMIT 1
"""


async def count_proofs(connection: asyncpg.Connection, tenant_id: int) -> int:
    """How many proofs there are, to see whether more came meanwhile."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM registry.wijziging WHERE tenant_id = $1 AND object = 'vernietiging'", tenant_id
    )
    return count


async def read_proof_lines(
    connection: asyncpg.Connection, tenant_id: int, span: Span, size: int
) -> tuple[Mapping[str, Any], ...]:
    """The proofs that are about leaves of this span, as lines of an export with `inclusion`. Raises TreeDamaged."""
    first, until = span
    made: list[dict[str, Any]] = []
    for row in await connection.fetch(_PROOFS, tenant_id):
        said = Ranges.read(row["leaves"])
        if not any(low < until and high > first for low, high in said):
            continue
        number = row["number"]
        leaf = await connection.fetchval(_LEAF, tenant_id, pack_entry("wijziging", number), number)
        if leaf is None or leaf >= size:
            continue
        values = {"form": FORMS["wijziging"], **{name: row[name] for name in WIJZIGING[1:]}}
        line = line_of(leaf, "wijziging", hash_of_leaf("wijziging", number, row["hash"]), row["hash"], values)
        made.append(orjson.loads(line))
    paths = await read_proofs(connection, tenant_id, [inclusion_spans(one["leaf"], size) for one in made])
    return tuple({**one, "inclusion": [hash_.hex() for hash_ in path]} for one, path in zip(made, paths, strict=True))
