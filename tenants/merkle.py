"""Merkle trees by RFC 6962 (2.1) and RFC 9162 (2.1): hashes, growing trees, and the proofs about them. Pure.

A tree is known here by its *frontier*: the hashes of the perfect subtrees that its leaves make, from left to right, of
which there are as many as the size has ones in binary. Appending costs one hash per leaf, amortised; nothing else of the
tree is kept in memory. Proofs are told as *spans* of leaves [lo, hi), and spans as perfect subtrees (level, index), so
that whoever keeps the nodes can look up all that a proof needs at once.

    leaf  = SHA-256(0x00 || data)        node = SHA-256(0x01 || left || right)        empty tree = SHA-256("")
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
_sha256 = hashlib.sha256

Place = tuple[int, int]
"""A perfect subtree: (level, index) stands for the leaves [index << level, (index + 1) << level)."""
Span = tuple[int, int]
"""Leaves [lo, hi)."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return _sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """A tree that grows: its size and the hashes of its perfect subtrees from left to right."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    @classmethod
    def read(cls, size: int, packed: bytes) -> "Frontier":
        """Take one up again from what `packed` returned. Raises ValueError when it is not of that size."""
        if size < 0 or len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError("This is no frontier of a tree of that size.")
        return cls(size, [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)])

    def packed(self) -> bytes:
        """All hashes, one after the other."""
        return b"".join(self.hashes)

    def extend(self, leaf_hashes: Iterable[bytes], *, keep: int = 64) -> list[tuple[Place, bytes]]:
        """Append leaves; return the subtrees of level `keep` and higher that became whole."""
        size, stack, made = self.size, self.hashes, []
        sha256, pop, push = _sha256, self.hashes.pop, self.hashes.append
        for leaf in leaf_hashes:
            size += 1
            level, count, hash_ = 0, size, leaf
            while not count & 1:
                hash_ = sha256(b"\x01" + pop() + hash_).digest()
                level += 1
                count >>= 1
                if level >= keep:
                    made.append(((level, count - 1), hash_))
            push(hash_)
        self.size, self.hashes = size, stack
        return made

    def append_subtree(self, level: int, hash_: bytes) -> None:
        """Append a perfect subtree whole. Raises ValueError where it does not fit in the tree's own division."""
        if self.size & ((1 << level) - 1):
            raise ValueError("A subtree of that level does not begin here.")
        count = (self.size >> level) + 1
        while not count & 1:
            hash_ = node_hash(self.hashes.pop(), hash_)
            count >>= 1
        self.hashes.append(hash_)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return fold(self.hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees that stand side by side, largest first."""
    if not hashes:
        return EMPTY_ROOT
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def places_of(span: Span) -> list[Place]:
    """The perfect subtrees that a span consists of, from left to right, as few as possible."""
    at, until = span
    places = []
    while at < until:
        level = (until - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        places.append((level, at >> level))
        at += 1 << level
    return places


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What the proof of one leaf consists of, from the leaf's neighbour up to the root (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("A tree of that size has no such leaf.")
    lo, hi, spans = 0, size, []
    while hi - lo > 1:
        middle = lo + _largest_power_below(hi - lo)
        if index < middle:
            spans.append((middle, hi))
            hi = middle
        else:
            spans.append((lo, middle))
            lo = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """What the proof consists of that a tree grew out of an older one (RFC 9162, 2.1.4.1). None for equal or empty ones."""
    if not 0 <= old <= new:
        raise ValueError("A tree does not become smaller.")
    if old in {0, new}:
        return []
    lo, hi, whole, spans = 0, new, True, []
    while old != hi:
        middle = lo + _largest_power_below(hi - lo)
        if old <= middle:
            spans.append((middle, hi))
            hi = middle
        else:
            spans.append((lo, middle))
            lo, whole = middle, False
    return ([] if whole else [(lo, hi)]) + spans[::-1]


def prove(spans: Iterable[Span], nodes: Callable[[Place], bytes]) -> list[bytes]:
    """The hashes of a proof, from where the nodes are kept."""
    return [fold([nodes(place) for place in places_of(span)]) for span in spans]


def places_for(spans: Iterable[Span]) -> Iterator[Place]:
    """Every node that a proof needs."""
    for span in spans:
        yield from places_of(span)


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether that leaf hash stands at that place (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if first & 1 or first == last:
            found = node_hash(sibling, found)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        first >>= 1
        last >>= 1
    return not last and found == root


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the newer tree begins with the older one (RFC 9162, 2.1.4.2). An empty tree is the beginning of any."""
    if not 0 <= old <= new or (old == 0 and old_root != EMPTY_ROOT):
        return False
    if old in {0, new}:
        return not proof and (old == 0 or old_root == new_root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if first & 1 or first == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            from_new = node_hash(from_new, sibling)
        first >>= 1
        last >>= 1
    return not last and from_old == old_root and from_new == new_root


def nodes_of(leaf_hashes: Sequence[bytes], base: int = 0) -> Mapping[Place, bytes]:
    """Every perfect subtree over leaves that begin at number `base`, a multiple of the largest power that they reach."""
    made: dict[Place, bytes] = {(0, base + at): hash_ for at, hash_ in enumerate(leaf_hashes)}
    level, row, start = 0, list(leaf_hashes), base
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        level, start = level + 1, start >> 1
        made.update({(level, start + at): hash_ for at, hash_ in enumerate(row)})
    return made


def _largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)
