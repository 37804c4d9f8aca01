"""Whom a reading of the register is about: a person by burgerservicenummer, by A-nummer, or by both. Pure.

A spontaneous message of the mailbox may know a person by A-nummer alone, so whoever wants all of a person's disclosures
names both numbers.
"""

import re
from dataclasses import dataclass

from tenants.model import Bsn

_A_NUMMER = re.compile(r"[1-9][0-9]{9}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class ANummer:
    """An administratienummer: ten digits. Its repr and str never show them; `digits` does. Raises ValueError."""

    digits: str

    def __post_init__(self) -> None:
        if not _A_NUMMER.fullmatch(self.digits):
            raise ValueError("An A-nummer has ten digits.")

    def __repr__(self) -> str:
        return "ANummer(**********)"


@dataclass(frozen=True, slots=True)
class Subject:
    """One person. Raises ValueError when no number is given."""

    bsn: Bsn | None = None
    a_nummer: ANummer | None = None

    def __post_init__(self) -> None:
        if self.bsn is None and self.a_nummer is None:
            raise ValueError("A person is known by burgerservicenummer, by A-nummer, or by both.")

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers themselves, to recognise the person in what was opened."""
        return frozenset(one.digits for one in (self.bsn, self.a_nummer) if one is not None)
