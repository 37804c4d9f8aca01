"""Rows of one tenant as the history keeps them, and how their values stand in a document. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenants.history.standing import Row, Standing


@dataclass(frozen=True, slots=True)
class Rows:
    """The configuration of one tenant, by table."""

    standing: Standing
    _indexes: dict[tuple[str, str], dict[Any, list[Row]]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def tenant(self) -> Row:
        return self.standing["tenant"][0]

    @property
    def oin(self) -> str:
        return str(self.tenant["oin"])

    def __getitem__(self, table: str) -> tuple[Row, ...]:
        return self.standing.get(table, ())

    def of(self, table: str, column: str, value: object) -> list[Row]:
        """The rows of a table with this value. Each question is indexed once: a tenant may have ten thousand rows."""
        index = self._indexes.get((table, column))
        if index is None:
            index = self._indexes[table, column] = {}
            for one in self[table]:
                index.setdefault(one.get(column), []).append(one)
        return index.get(value, [])

    def find(self, table: str, column: str, value: object) -> Row | None:
        """The row of a table with this number; None when there is none."""
        found = None if value is None else self.of(table, column, value)
        return found[0] if found else None


def moment_of(text: str | None) -> datetime | None:
    """A moment of a row; None for one that is without bound."""
    return None if text is None or text.endswith("infinity") else datetime.fromisoformat(text)


def without_none(**named: Any) -> dict[str, Any]:
    """What has a value, in this order."""
    return {name: value for name, value in named.items() if value is not None}


def bare(row: Mapping[str, Any], name: str, usual: object) -> Any:
    """A value that is not the usual one; None for one that is, and for a row older than the column."""
    value = row.get(name, usual)
    return None if value == usual else value
