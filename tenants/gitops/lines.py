"""A YAML document with the line of everything in it, so that a fault can be told by its place in the file. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from tenants.faults import InputRefused

_PLACE: Final = re.compile(r"^((?:[a-z_]+|[0-9]+)(?:\.(?:[A-Za-z_-]+|[0-9]+))*): ")
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A document that was read, and the line (from 1) of every place in it."""

    name: str
    document: dict[str, Any] = field(repr=False)
    lines: dict[Path, int] = field(repr=False)

    def with_lines(self, faults: Iterable[str]) -> list[str]:
        """Faults that begin with a place get the line of it, or of the nearest around it; in the order of the lines."""
        return [words for _, words in sorted((self._told(fault) for fault in faults), key=lambda told: told[0])]

    def _told(self, fault: str) -> tuple[int, str]:
        found = _PLACE.match(fault)
        path: Path = tuple(found[1].split(".")) if found else ()
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path)
        return (0, fault) if not path or line is None else (line, f"{self.name}, line {line}: {fault}")


def read_text(name: str, text: str) -> Text:
    """Read a YAML text. Raises InputRefused, with lines: when it is none, when a name stands twice in one mapping."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = "" if place is None else f", line {place.line + 1}"
        raise InputRefused([f"{name}{where}: this is not YAML."]) from None
    except RecursionError:
        raise InputRefused([f"{name}: this is nested too deeply."]) from None
    if not isinstance(document, dict) or node is None:
        raise InputRefused([f"{name} holds no document with `tenants`."])
    lines: dict[Path, int] = {}
    twice = [
        f"{name}, line {line}: {key!r} stands twice in the same place."
        for line, key in _walk(node, (), lines, frozenset())
    ]
    if twice:
        raise InputRefused(twice)
    return Text(name, document, lines)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], around: frozenset[int]) -> Iterator[tuple[int, str]]:
    """Note the lines of a node and what is in it; tell the names that stand twice. An alias is where it is used."""
    if id(node) in around:
        return
    around |= {id(node)}
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, one in enumerate(node.value):
            yield from _walk(one, (*path, str(number)), lines, around)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value == "<<":
                continue
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            lines[(*path, str(key.value))] = key.start_mark.line + 1
            yield from _walk(value, (*path, str(key.value)), lines, around)
