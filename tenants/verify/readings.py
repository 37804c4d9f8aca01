"""Judges the records of readings by what the tree says of them: of each reading a wijziging with its number and hash.

A record that differs was altered; one that is gone without a proof for its month was taken away; one that no leaf stands for,
among those that were sealed, was put there. Readings of before wijzigingen told of them are not judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from tenants.export.lezingen import hash_of_lezing
from tenants.verify.findings import Fault

_MOST: Final = 20
_MARKS: Final = (b'"object":"lezing"', b'\\"soort\\": \\"lezingen\\"')
_MINUTE: Final = 60_000_000


@dataclass(slots=True)
class Readings:
    """Feed it the lines of the tree with `take`; `judge` then looks at the records. `whole`: of all times."""

    whole: bool = True
    _noted: dict[int, tuple[str, int]] = field(default_factory=dict)
    _destroyed: list[tuple[int, int]] = field(default_factory=list)
    _sealed_until: int = 0

    def take(self, line: bytes) -> None:
        """Hear of a leaf. Only wijzigingen of readings, and of their destruction, count."""
        if not any(mark in line for mark in _MARKS):
            return
        try:
            row = orjson.loads(line)["row"]
            after = orjson.loads(row["after"])
            if row["object"] == "lezing":
                self._noted[after["number"]] = after["hash"], row["at"]
                self._sealed_until = max(self._sealed_until, row["at"])
            elif row["object"] == "vernietiging" and after["soort"] == "lezingen":
                self._destroyed.append((_micros(after["period_from"]), _micros(after["period_until"])))
        except (ValueError, KeyError, TypeError):
            # What is wrong with such a line itself, the judge of lines says.
            return

    def judge(self, lines: Iterable[bytes]) -> list[Fault]:
        """What is wrong with the records."""
        faults, seen = [], set[int]()
        first = min(self._noted, default=None)
        for line in lines:
            try:
                row: dict[str, Any] = orjson.loads(line)["row"]
                number, found, at = row["number"], hash_of_lezing(row), row["at"]
            except (ValueError, KeyError, TypeError):
                faults.append(Fault("unreadable_line", None, "the record of a reading"))
                continue
            seen.add(number)
            noted = self._noted.get(number)
            if noted is not None and noted[0] != found:
                faults.append(Fault("altered_row", None, f"the record of reading {number}"))
            # One that was made about when the tree was sealed may be in it a moment later.
            elif (
                noted is None
                and first is not None
                and number > first
                and at < self._sealed_until - _MINUTE
                and self.whole
            ):
                faults.append(Fault("extra_row", None, f"the record of reading {number}"))
        if self.whole:
            gone = (number for number, (_, at) in self._noted.items() if number not in seen and not self._is_proved(at))
            faults += [Fault("missing_row", None, f"the record of reading {number}") for number in sorted(gone)]
        return faults[:_MOST]

    def _is_proved(self, at: int) -> bool:
        # The wijziging is a moment younger than its record, which may be of the month before.
        return any(low <= at < high + _MINUTE for low, high in self._destroyed)


def _micros(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000)
