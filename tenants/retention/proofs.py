"""What proofs of destruction say: which leaves may be without their row, which must be, and which numbers went. Pure.

A proof is a wijziging of object `vernietiging`, a leaf of the tree that it is about. Its first form (action `insert`) is
sealed and signed before the first row goes and names the leaves; its second (`update`) names those whose rows went. A leaf
without its row that no proof names is a fault; so is a row that stands where a proof says that it went.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tenants.retention.ranges import Ranges, union

OBJECT = "vernietiging"


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What all proofs of a register say together. Numbers are by kind and writer."""

    may_be_gone: Ranges = field(default_factory=Ranges)
    must_be_gone: Ranges = field(default_factory=Ranges)
    numbers: Mapping[tuple[str, int], Ranges] = field(default_factory=dict)


def gather(rows: Iterable[Mapping[str, Any]]) -> Destroyed:
    """Gather what rows of the history (as an export has them) say. Raises ValueError for a proof that is none."""
    may: list[tuple[int, int]] = []
    must: list[tuple[int, int]] = []
    numbers: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for row in rows:
        try:
            said = orjson.loads(row["after"])
            if row["object"] != OBJECT or said["soort"] != "protocolregels":
                continue
            if row["action"] == "insert":
                may += Ranges.read(said["leaves"])
                for kind, writers in said["numbers"].items():
                    for writer, text in writers.items():
                        numbers.setdefault((kind, int(writer)), []).extend(Ranges.read(text))
            elif said["destroyed"] is not None:
                must += Ranges.read(said["destroyed"])
        except (KeyError, TypeError, AttributeError):
            raise ValueError("This is no proof of destruction.") from None
    return Destroyed(union(may), union(must), {key: union(found) for key, found in numbers.items()})
