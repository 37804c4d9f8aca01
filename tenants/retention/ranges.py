"""Sets of numbers as stretches, as PostgreSQL writes an int8multirange: `{[0,12),[14,20)}`. Pure.

A set is sorted, its stretches do not touch, and each is half open. Raises ValueError for a text that is none.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_WHOLE = re.compile(r"\{(\[\d+,\d+\)(,\[\d+,\d+\))*)?\}", re.ASCII)
_STRETCH = re.compile(r"\[(\d+),(\d+)\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of numbers."""

    stretches: tuple[tuple[int, int], ...] = ()
    _firsts: tuple[int, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_firsts", tuple(first for first, _ in self.stretches))

    @classmethod
    def read(cls, text: str) -> "Ranges":
        """From how PostgreSQL writes it."""
        if not _WHOLE.fullmatch(text):
            raise ValueError("This is no set of ranges.")
        return union([(int(first), int(until)) for first, until in _STRETCH.findall(text)])

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number < self.stretches[at][1]

    def __bool__(self) -> bool:
        return bool(self.stretches)

    def __len__(self) -> int:
        return sum(until - first for first, until in self.stretches)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.stretches)

    def missing_from(self, first: int, last: int) -> list[tuple[int, int]]:
        """The numbers of [first, last] that are not in this set, as ranges [first, last]."""
        found, at = [], first
        for low, until in self.stretches[max(0, bisect_right(self._firsts, first) - 1) :]:
            if low > last:
                break
            if low > at:
                found.append((at, low - 1))
            at = max(at, until)
        return [*found, (at, last)] if at <= last else found


def union(stretches: Iterable[tuple[int, int]]) -> Ranges:
    """All numbers of these half-open stretches, in any order. Raises ValueError for one that is empty."""
    merged: list[tuple[int, int]] = []
    for first, until in sorted(stretches):
        if first >= until:
            raise ValueError("A stretch has at least one number.")
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
        else:
            merged.append((first, until))
    return Ranges(tuple(merged))
