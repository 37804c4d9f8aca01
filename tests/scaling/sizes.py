"""How large the register becomes: a formula over what was measured, and nothing else. Prints the table of docs/scaling.md."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
YEARS: Final = 20
DAYS: Final = 365.25
ASKED: Final = ((10, 5_000), (60, 5_000), (300, 5_000), (300, 20_000))
"""Gemeenten, and calls a day of each: an assumption, to be replaced by one's own."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Octets, from docs/performance.md: of a call with its indexes, of trees for it, of each index for it."""

    call: int
    trees: int
    opening_index: int
    closing_index: int
    person_index: int
    calls_per_second: int


def measured() -> Measured:
    """Read the figures where they are kept."""
    text = (DOCS / "performance.md").read_text()

    def one(pattern: str) -> list[int]:
        found = re.search(pattern, text)
        assert found is not None, pattern
        return [int(part.replace(",", "")) for part in found.groups()]

    call, trees = one(r"octets \| \*\*([\d,]+)\*\*, and (\d+) of trees")
    opening, closing, person = one(
        r"an opening has \d+ with (\d+) of indexes, a closing \d+ with (\d+), its person \d+ with (\d+)"
    )
    rate, worker = one(r"\*\*(\d+)\.\d ×\*\* \(([\d,]+) calls/s\)")
    return Measured(call, trees, opening, closing, person, worker // rate)


def rows(figures: Measured) -> list[str]:
    """The lines of the table."""
    made = []
    for gemeenten, calls in ASKED:
        day = gemeenten * calls
        whole = day * DAYS * YEARS
        size = whole * (figures.call + figures.trees) / 1e12
        indexes = whole * (figures.opening_index + figures.closing_index + figures.person_index) / 1e12
        month = day * DAYS / 12 * (figures.opening_index + figures.closing_index) / 1e9
        year = day * DAYS * figures.person_index / 1e9
        peak = day / 5 / 3600
        made.append(
            f"| {gemeenten} | {calls:,} | {day:,} | {peak:,.0f} | {whole / 1e9:,.2f} | {size:,.1f} | {indexes:,.2f} | {month:,.1f} | {year:,.1f} |"
        )
    return made


if __name__ == "__main__":
    print("\n".join(rows(measured())))
