"""A Merkle tree is what RFC 6962 says, however it was grown; a proof holds for what it proves and for nothing else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.merkle import (
    EMPTY_ROOT,
    Frontier,
    Place,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    leaf_hash,
    places_of,
    prove,
)

# The test vectors that Certificate Transparency's implementations share: eight leaves and the roots of their trees.
LEAVES = [
    bytes.fromhex(one)
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + root_by_definition(leaves[:k]) + root_by_definition(leaves[k:])).digest()


def tree(count: int, salt: bytes = b"") -> list[bytes]:
    return [salt + number.to_bytes(4, "big") for number in range(count)]


def grown(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    frontier.extend(leaf_hash(leaf) for leaf in leaves)
    return frontier


def node(leaves: list[bytes]):
    def at(place: Place) -> bytes:
        level, index = place
        return root_by_definition(leaves[index << level : (index + 1) << level])

    return at


def test_the_roots_are_those_of_the_vectors_that_everyone_uses():
    assert [grown(LEAVES[:size]).root().hex() for size in range(1, 9)] == ROOTS
    assert Frontier().root() == EMPTY_ROOT


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 9))
def test_a_tree_is_the_same_however_it_was_grown(parts, keep):
    leaves = tree(sum(parts))
    frontier, at = Frontier(), 0
    made: dict[Place, bytes] = {}
    for count in parts:
        made.update(frontier.extend((leaf_hash(leaf) for leaf in leaves[at : at + count]), keep=keep))
        frontier = Frontier.read(frontier.size, frontier.packed())
        at += count
    assert frontier.root() == root_by_definition(leaves)
    assert all(hash_ == node(leaves)(place) and place[0] >= keep for place, hash_ in made.items())
    assert len(made) == sum(len(leaves) >> level for level in range(max(keep, 1), 10))


@given(st.integers(1, 70), st.data())
def test_a_leaf_is_proved_at_its_own_place_and_at_no_other(size, data):
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    leaves = tree(size)
    root = root_by_definition(leaves)
    proof = prove(inclusion_spans(index, size), node(leaves))
    assert is_included(leaf_hash(leaves[index]), index, size, proof, root)
    assert is_included(leaf_hash(leaves[index]), other, size, proof, root) == (index == other)
    assert is_included(leaf_hash(leaves[other]), index, size, proof, root) == (index == other)
    assert not is_included(leaf_hash(b"forged"), index, size, proof, root)
    assert not is_included(leaf_hash(leaves[index]), index, size, [*proof, root], root)
    assert not is_included(leaf_hash(leaves[index]), index, size, proof[:-1], root) or not proof


@given(st.integers(0, 70), st.integers(0, 70), st.data())
def test_a_grown_tree_is_consistent_with_what_it_was_and_with_nothing_else(one, other, data):
    old, new = sorted((one, other))
    leaves = tree(new)
    old_root, new_root = root_by_definition(leaves[:old]), root_by_definition(leaves)
    proof = prove(consistency_spans(old, new), node(leaves))
    assert is_consistent(old, new, old_root, new_root, proof)
    if old:
        changed = data.draw(st.integers(0, old - 1))
        forked = [b"other" if number == changed else leaf for number, leaf in enumerate(leaves)]
        assert not is_consistent(old, new, root_by_definition(forked[:old]), new_root, proof)
        assert not is_consistent(old, new, old_root, root_by_definition(forked), proof)
        honest = prove(consistency_spans(old, new), node(forked))
        assert not is_consistent(old, new, old_root, root_by_definition(forked), honest)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_a_stretch_of_leaves_with_the_subtrees_beside_it_makes_the_root(one, two, three):
    first, until, size = sorted((one, two, three))
    leaves = tree(size)
    frontier = Frontier(first, [node(leaves)(place) for place in places_of((0, first))])
    frontier.extend(leaf_hash(leaf) for leaf in leaves[first:until])
    for level, index in places_of((until, size)):
        frontier.append_subtree(level, node(leaves)((level, index)))
    assert (frontier.size, frontier.root()) == (size, root_by_definition(leaves))


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_a_span_is_its_perfect_subtrees_in_order(one, other):
    lo, hi = sorted((one, other))
    at = lo
    for level, index in places_of((lo, hi)):
        assert index << level == at
        at += 1 << level
    assert at == hi
    assert len(places_of((lo, hi))) <= 2 * max(hi, 1).bit_length()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_spans(3, 3)
    with pytest.raises(ValueError, match="smaller"):
        consistency_spans(4, 3)
    with pytest.raises(ValueError, match="no frontier"):
        Frontier.read(3, bytes(32))
    with pytest.raises(ValueError, match="does not begin here"):
        grown(tree(3)).append_subtree(1, bytes(32))
    assert not is_included(bytes(32), 5, 5, [], bytes(32))
    assert not is_consistent(5, 4, bytes(32), bytes(32), [])
    assert not is_consistent(0, 4, bytes(32), bytes(32), [])
    assert not is_consistent(3, 4, bytes(32), bytes(32), [])
