"""What a leaf of the register's tree is: one row, by its kind, its number and its hash. Pure.

    data of a leaf = kind ":" number ":" hash of the row in hex        e.g. opening:01942f5e-…:5feceb66…

An opening and a closing have the id of their call; a wijziging has its number in decimal. The row's hash covers the
tenant and all that the row says, its sealed bytes by their own hash, so a leaf stays provable when the keys, or the row
itself, are gone. Beside the hashes the tree keeps *entries*, 17 bytes a leaf: the kind, and the number as 16 bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal
from uuid import UUID

from tenants.merkle import leaf_hash

Kind = Literal["opening", "closing", "wijziging"]
KINDS: Final[tuple[Kind, ...]] = ("opening", "closing", "wijziging")
ENTRY_BYTES = 17

_CODES: Final = {"opening": b"\x01", "closing": b"\x02", "wijziging": b"\x03"}
_NAMES: Final[dict[int, Kind]] = {1: "opening", 2: "closing", 3: "wijziging"}


def hash_of_leaf(kind: Kind, number: UUID | int, row_hash: bytes) -> bytes:
    """The leaf's hash. `number` is the id of a call, or the number of a wijziging."""
    return leaf_hash(f"{kind}:{number}:{row_hash.hex()}".encode())


def pack_entry(kind: Kind, number: UUID | int) -> bytes:
    """17 bytes that say which row a leaf is."""
    return _CODES[kind] + (number if isinstance(number, int) else number.int).to_bytes(16, "big")


def unpack_entries(packed: bytes) -> Iterator[tuple[Kind, UUID | int]]:
    """The rows of packed entries. Raises KeyError for a kind that does not exist."""
    for at in range(0, len(packed), ENTRY_BYTES):
        kind = _NAMES[packed[at]]
        value = int.from_bytes(packed[at + 1 : at + ENTRY_BYTES], "big")
        yield kind, value if kind == "wijziging" else UUID(int=value)


def lowest_call(entries: Iterable[tuple[Kind, UUID | int]]) -> UUID | None:
    """The lowest id of a call among rows; None when there are wijzigingen only."""
    return min((number for _, number in entries if isinstance(number, UUID)), default=None)
