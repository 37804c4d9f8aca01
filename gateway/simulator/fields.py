"""The `fields` parameter: which parts of a person or document an answer holds. Pure.

A path names a field or a group; arrays are passed through. Dates and coded values are always given whole
(`geslacht.code` gives `geslacht`). What RvIG delivers by itself always comes when it is present: `type` of a
variant, indications of geheimhouding, opschorting, rni, verificatie, and of inOnderzoek what concerns asked fields.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

Json = dict[str, Any]
Tree = dict[str, Any]
"""Asked names with their sub-trees; an empty sub-tree asks for the whole."""

AUTOMATIC: Final = frozenset({
    "geheimhoudingPersoonsgegevens", "opschortingBijhouding", "rni", "verificatie", "inOnderzoek",
    "indicatieVastgesteldVerblijftNietOpAdres",
})  # fmt: skip
_ATOMS: Final = frozenset({"code", "omschrijving", "soort"})
_DATES: Final = "langFormaat"


@lru_cache(maxsize=4096)
def parse_fields(paths: tuple[str, ...]) -> Tree:
    """Make the tree of asked names. `naam` beside `naam.voornamen` asks for the whole of `naam`. Do not change it."""
    tree: Tree = {}
    for path in paths:
        _plant(tree, path.split("."))
    return tree


def _plant(tree: Tree, names: list[str]) -> None:
    for place, name in enumerate(names):
        last = place == len(names) - 1
        below = tree.get(name)
        if last:
            tree[name] = {}
            return
        if below is None:
            below = tree[name] = {}
        elif not below:
            return
        tree = below


def project(value: Json, asked: Tree) -> Json:
    """Give the asked part of `value` and what comes by itself. Never changes `value`; shares what is given whole."""
    result: Json = {}
    for name, below in asked.items():
        found = value.get(name)
        if found is None:
            continue
        part = found if not below else _part(found, below)
        if part is not None:
            result[name] = part
    for name in AUTOMATIC:
        found = value.get(name)
        if found is None or name in result:
            continue
        if name == "inOnderzoek":
            found = _concerning(found, asked) if isinstance(found, dict) else found
        if found:
            result[name] = found
    if "type" in value and result:
        result["type"] = value["type"]
    return result


def _part(found: Any, below: Tree) -> Any:
    if isinstance(found, list):
        return [one for one in (_part(each, below) for each in found) if one is not None]
    if not isinstance(found, dict) or _DATES in found or found.keys() <= _ATOMS:
        return found
    return project(found, below) or None


def _concerning(investigated: Json, asked: Iterable[str]) -> Json:
    """Of an inOnderzoek, the marks of asked fields with the dates that belong to it; empty if none was asked."""
    marks = {name: investigated[name] for name in asked if name in investigated}
    if "type" in investigated and marks:
        marks["type"] = investigated["type"]
    if not marks:
        return {}
    return {name: value for name, value in investigated.items() if name.startswith("datumIngang")} | marks
