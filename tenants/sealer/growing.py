"""From rows that were found to leaves: which numbers are missing, and how each tenant's tree grows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tenants.leaves import Kind, hash_of_leaf, lowest_call, pack_entry
from tenants.merkle import Frontier, Place
from tenants.tree_nodes import KEPT_LEVEL

WriterOf = tuple[int, int]
"""A tenant and a writer: within it the numbers of a kind of row are gap-free."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row to be sealed, and where the sealer stands after it. A wijziging has no writer."""

    tenant_id: int
    number: UUID | int
    hash: bytes
    tx: int
    writer: tuple[int, int] | None = None
    """Writer and its number for this tenant."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers [first, last] of a writer that did not come before the row at `at` did."""

    tenant_id: int
    writer_id: int
    first: int
    last: int
    at: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one tenant's tree gets: leaves from number `first` on, and the frontier after them."""

    tenant_id: int
    first: int
    count: int
    lowest: UUID | None
    entries: bytes
    hashes: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """What one round appends."""

    runs: tuple[Run, ...]
    nodes: tuple[tuple[int, Place, bytes], ...]


def find_gaps(rows: Sequence[Row], last: Mapping[WriterOf, int]) -> tuple[list[Gap], list[int], dict[WriterOf, int]]:
    """Return the gaps before rows, the places of rows whose number is not higher than the one before, and the new lasts."""
    gaps, repeated, now = [], [], dict(last)
    for at, row in enumerate(rows):
        if row.writer is None:
            continue
        writer_id, number = row.writer
        key = (row.tenant_id, writer_id)
        expected = now.get(key, 0) + 1
        if number > expected:
            gaps.append(Gap(row.tenant_id, writer_id, expected, number - 1, at))
        elif number < expected:
            repeated.append(at)
            continue
        now[key] = number
    return gaps, repeated, now


def still_missing(gap: Gap, found: Sequence[Row]) -> list[tuple[int, int]]:
    """The numbers of a gap that were not found late either, as ranges [first, last]."""
    ranges, expected = [], gap.first
    for row in found:
        number = row.writer[1] if row.writer is not None else expected
        if number > expected:
            ranges.append((expected, number - 1))
        expected = number + 1
    return ranges if expected > gap.last else [*ranges, (expected, gap.last)]


def with_late_rows(rows: Sequence[Row], late: Iterable[tuple[int, Sequence[Row]]]) -> list[Row]:
    """The rows with those that were found late, each put before the row that showed them missing."""
    before = dict(late)
    return [one for at, row in enumerate(rows) for one in (*before.get(at, ()), row)]


def grow(kind: Kind, rows: Iterable[Row], trees: Mapping[int, Frontier]) -> Growth:
    """Append rows to the trees of their tenants. The trees that are given grow."""
    of_tenant: dict[int, list[Row]] = {}
    for row in rows:
        of_tenant.setdefault(row.tenant_id, []).append(row)
    runs: list[Run] = []
    nodes: list[tuple[int, Place, bytes]] = []
    for tenant_id, mine in of_tenant.items():
        tree = trees[tenant_id]
        first = tree.size
        hashes = [hash_of_leaf(kind, row.number, row.hash) for row in mine]
        nodes += [(tenant_id, place, hash_) for place, hash_ in tree.extend(hashes, keep=KEPT_LEVEL)]
        entries = b"".join([pack_entry(kind, row.number) for row in mine])
        lowest = lowest_call((kind, row.number) for row in mine)
        runs.append(Run(tenant_id, first, len(mine), lowest, entries, b"".join(hashes), tree.packed()))
    return Growth(tuple(runs), tuple(nodes))
