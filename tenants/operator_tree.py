"""The tree of the operator's own history: which leaves it has, and what its root was at each size. Pure.

    data of a leaf = "operatorwijziging:" number ":" hash of the row in hex
    hash of a row  = SHA-256 over the JSON array of what it says, as PostgreSQL writes it (docs/register-format.md)

RFC 6962 hashes, as a tenant's tree has. The rows are few, so that the tree is made anew of all of them each time.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tenants.export.lines import canonical
from tenants.merkle import Frontier, leaf_hash

ORIGIN: Final = "operator"
"""What stands in the place of a tenant's OIN in the origin of its checkpoints."""
FORM: Final = "registry/operatorwijziging/1"
FIELDS: Final = ("number", "at", "actor", "action", "object", "before", "after")


@dataclass(frozen=True, slots=True)
class Tree:
    """Numbers without gaps from one on, or the first that is missing; and the root at every size that was asked for."""

    size: int
    roots: Mapping[int, bytes]
    gap: int | None = None


def hash_of_row(row: Mapping[str, Any]) -> bytes:
    """The hash of what a row says; `at` in microseconds, `before` and `after` as PostgreSQL's own text."""
    return hashlib.sha256(canonical([FORM, *(row[name] for name in FIELDS)])).digest()


def make_tree(leaves: Iterable[tuple[int, bytes]], sizes: Iterable[int]) -> Tree:
    """The tree of these leaves (number and row hash, by number), with its roots at `sizes` and at its end."""
    wanted, tree = set(sizes), Frontier()
    roots: dict[int, bytes] = {}
    for expected, (number, row_hash) in enumerate(leaves, start=1):
        if number != expected:
            return Tree(tree.size, roots | {tree.size: tree.root()}, gap=expected)
        tree.extend([leaf_hash(f"operatorwijziging:{number}:{row_hash.hex()}".encode())])
        if number in wanted:
            roots[number] = tree.root()
    return Tree(tree.size, roots | {tree.size: tree.root()})
