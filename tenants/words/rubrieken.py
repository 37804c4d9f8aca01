"""What rubrieken are called, and which ones carry a piece of data on. Pure.

A rubriek is never shown to a citizen as a number. One that this version has no words for is told as just that, under its
category when that is known: leaving it out would make the letter say less than was disclosed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tenants.words.elementen import AFGELEID, BRONNEN, CATEGORIEEN, ELEMENTEN

FORM: Final = re.compile(r"[0-9A-Z]{6}", re.ASCII)
_HISTORY: Final = 50
"""The category of a historical element is its category of today plus fifty."""
_OTHER: Final = "overige gegevens"
_NAMELESS: Final = "een gegeven zonder omschrijving"


@dataclass(frozen=True, slots=True)
class Groep:
    """Data of one category, in words: for instance `verblijfplaats`, and `straatnaam`, `huisnummer`."""

    categorie: str
    gegevens: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.categorie}: {', '.join(self.gegevens)}"


def split(text: str) -> tuple[str, ...]:
    """The rubrieken of a column of the register, which joins them by comma and space."""
    return tuple(FORM.findall(text))


def in_words(rubrieken: Iterable[str]) -> tuple[Groep, ...]:
    """The data in words, by category in the order of the persoonslijst; historical data after those of today."""
    found: dict[tuple[int, str], dict[str, None]] = {}
    for rubriek in sorted(set(rubrieken)):
        order, categorie, gegeven = _describe(rubriek)
        found.setdefault((order, categorie), {})[gegeven] = None
    return tuple(Groep(categorie, tuple(gegevens)) for (_, categorie), gegevens in sorted(found.items()))


def describe(rubriek: str) -> str:
    """One rubriek in words, with its category."""
    _, categorie, gegeven = _describe(rubriek)
    return f"{categorie}: {gegeven}"


def is_known(rubriek: str) -> bool:
    """Whether there are words for this rubriek."""
    return _describe(rubriek)[2] != _NAMELESS


def carriers_of(rubrieken: Iterable[str]) -> frozenset[str]:
    """These rubrieken, what RvIG derives from them, and where they stand as history (Wet BRP art. 3.23).

    Who received a name for on a letter received the geslachtsnaam; who received it as historical data received it too.
    """
    wanted = set(rubrieken)
    wanted |= {f"{int(one[:2]) + _HISTORY}{one[2:]}" for one in wanted if one[:2].isdigit() and int(one[:2]) < _HISTORY}
    return frozenset(wanted | {derived for derived, sources in BRONNEN.items() if sources & wanted})


def _describe(rubriek: str) -> tuple[int, str, str]:
    """Where in the list it belongs, its category, and what it is called."""
    if rubriek in AFGELEID:
        number, gegeven = AFGELEID[rubriek]
        return 2 * number, CATEGORIEEN[number], gegeven
    if not rubriek[:2].isdigit():
        return 999, _OTHER, _NAMELESS
    number, gegeven = int(rubriek[:2]), ELEMENTEN.get(rubriek[2:], _NAMELESS)
    past = number > _HISTORY
    categorie = CATEGORIEEN.get(number - _HISTORY if past else number)
    if categorie is None:
        return 999, _OTHER, gegeven
    return (2 * (number - _HISTORY) + 1, f"{categorie} (eerder)", gegeven) if past else (2 * number, categorie, gegeven)
