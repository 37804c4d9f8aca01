"""How the database and a keyring fit each other. Pure.

Every version that a row names must be in the keyring, or that row opens for nobody. A version may be dropped when no row
names it: sealed values are moved by a rotation, hashes of secrets when their secret is used.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tenants.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Counted:
    """How many values of one column name one version. `version` None: a value of no known form."""

    keyring: str
    name: str
    kind: Literal["sealed", "hash"]
    version: int | None
    count: int


def faults_of(keyring: Keyring, counted: Iterable[Counted]) -> list[str]:
    """What rows name and this keyring does not have."""
    faults = []
    for one in counted:
        if one.keyring != keyring.name:
            continue
        if one.version is None:
            faults.append(f"{one.count} of {one.name} have no known form: restore them from a backup")
        elif one.version not in keyring.versions:
            faults.append(
                f"{one.count} of {one.name} name version {one.version}, which {keyring.name}.keyring does not have"
            )
    return faults


def uses_of(keyring: str, version: int, counted: Iterable[Counted]) -> list[Counted]:
    """What still names a version of a keyring."""
    return [one for one in counted if one.keyring == keyring and one.version == version]


def lines_of(keyring: Keyring, counted: Iterable[Counted]) -> list[str]:
    """How many rows are on which version, a line per column."""
    mine = [one for one in counted if one.keyring == keyring.name]
    lines = []
    for name in dict.fromkeys(one.name for one in mine):
        parts = ", ".join(
            f"{one.count} on {'no known version' if one.version is None else f'version {one.version}'}"
            for one in mine
            if one.name == name
        )
        moves = "" if next(one.kind for one in mine if one.name == name) == "sealed" else " (move when used)"
        lines.append(f"  {name}: {parts}{moves}")
    return lines or ["  nothing names it"]
