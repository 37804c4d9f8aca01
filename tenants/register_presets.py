"""How a register is kept when nobody chose, by kind of organisation, and what nobody may choose. Pure.

Whole questions and answers for twenty years. A gemeente owes its citizens to tell of twenty years (Wet BRP art. 3.22): it
keeps no register shorter. Others may keep less, or shorter, on a ground of their own, which their auditor names; the operator
asks that and does not decide it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Preset:
    """What is kept of each call, for how many years, and the fewest years that may be chosen."""

    content: str
    years: int
    fewest_years: int


_GEMEENTE: Final = Preset("whole", 20, 20)
_OTHER: Final = Preset("whole", 20, 1)


def preset_of(kind: str) -> Preset:
    """By the kind of a tenant."""
    return _GEMEENTE if kind == "gemeente" else _OTHER


def years_kept(kind: str, years: int) -> int:
    """The years that a register is kept in truth, as destruction counts them (`register.bewaarjaren`)."""
    return max(years, preset_of(kind).fewest_years)


def kept_at_first(kind: str, content: str | None, years: int | None) -> tuple[str, int]:
    """How the register of a new tenant is kept, until its auditor grants less: as it was asked, or by the preset."""
    preset = preset_of(kind)
    return "whole" if "whole" in {preset.content, content} else preset.content, max(years or 0, preset.years)


def is_weaker(content: str | None, years: int | None, kept: tuple[str, int]) -> bool:
    """Whether what is asked keeps less of each call, or for a shorter time, than what is kept."""
    return (content == "rubrieken" and kept[0] == "whole") or (years is not None and years < kept[1])
