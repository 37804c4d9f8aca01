"""What a machtiging adds to a question for the register, and takes out of an answer. Pure.

Two things, each only where the machtiging says so (`add_bsn`, `leave_out_geheimhouding`):

- `burgerservicenummer` is asked of RvIG when the caller did not ask it, so that the register knows whom the answer is
  about, and taken out again;
- persons with geheimhouding (Wet BRP 2.59, 3.21) are left out of what is disclosed to a derde. RvIG has noted them, so
  they are recorded as *ontvangen, niet doorgegeven*.

Everything else of question and answer stays as it is, to the byte: bodies are cut, never written anew. Annotations of
art. 3.10 (inOnderzoek, opschorting, geheimhouding) of a person that is passed on are never taken out, also not those
about the number that is. An answer that cannot be cut with certainty is not passed on at all.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.besluiten import rights_of
from gateway.brp import apis
from gateway.brp.authorisation import dutch_date, row_of_today
from gateway.brp.question import Question, is_bsn
from gateway.call import Answered, Bevraging, Choice, Result
from gateway.doelbinding import is_covered
from gateway.errors import KoppelpuntError, UpstreamUnavailable
from gateway.snapshot import Snapshot
from tenants.model import Machtiging

_NUMBER: Final = "burgerservicenummer"
_NUMBER_FIELDS: Final = {apis.PERSONEN: (_NUMBER, 130), apis.REISDOCUMENTEN: (f"houder.{_NUMBER}", 25)}
"""By which field the number is asked, and how many fields RvIG takes."""
_RUBRIEK_OF_NUMBER: Final = "010120"
_MARK: Final = "geheimhoudingPersoonsgegevens"
_NO_HISTORY: Final = b'{"verblijfplaatsen":[]}'

_Reader: TypeAlias = Callable[[str, int], tuple[Any, int]]
"""Reads the value at a place of a text; returns it, and where it ends."""
_NO_READERS: Final[Mapping[str, _Reader]] = {}
# The C scanner under json.loads. Typeshed does not know it.
_scan: Final[_Reader] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE: Final[Callable[[str, int], re.Match[str]]] = re.compile(r"[ \t\r\n]*").match  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Withheld:
    """What was received and not passed on: persons by number, how many more without one, and fields."""

    bsns: tuple[str, ...] = field(default=(), repr=False)
    unidentified: int = 0
    fields: tuple[str, ...] = ()


class _Item(NamedTuple):
    """A member of an object (or, without name, an element of an array), where it stands, and what was read of it."""

    name: str
    start: int
    end: int
    value: Any


class _Person(NamedTuple):
    """What matters of a person: its mark, its number, where to cut to strip it, and whether nothing else is there."""

    marked: bool
    number: str | None
    strip: list[tuple[int, int]]
    bare: bool


@dataclass(slots=True)
class _Cutting:
    """What is to be cut from one text, and whom that leaves out. `kept` are the numbers of those that stay."""

    strip: bool
    leave_out: bool
    cuts: list[tuple[int, int]] = field(default_factory=list)
    left_out: list[str | None] = field(default_factory=list, repr=False)
    kept: set[str | None] = field(default_factory=set, repr=False)

    def persons(self, text: str, at: int) -> tuple[None, int]:
        return self._about(*_items(text, at, "[", element=_read_person))

    def documents(self, text: str, at: int) -> tuple[None, int]:
        """A document is about its holder; a holder of whom nothing else is given would not have been there."""
        return self._about(*_items(text, at, "[", element=_read_document))

    def bewoningen(self, text: str, at: int) -> tuple[None, int]:
        return None, _items(text, at, "[", element=self._bewoning)[1]

    def _bewoning(self, text: str, at: int) -> tuple[None, int]:
        return None, _items(text, at, "{", {"bewoners": self.persons, "mogelijkeBewoners": self.persons})[1]

    def _about(self, items: list[_Item], end: int) -> tuple[None, int]:
        gone = []
        for item in items:
            person: _Person = item.value
            if person.marked and self.leave_out:
                gone.append(item)
                self.left_out.append(person.number)
                continue
            self.kept.add(person.number)
            if self.strip:
                self.cuts += person.strip
        self.cuts += _spans(items, gone)
        return None, end


def asked_of_rvig(bevraging: Bevraging, choice: Choice, snapshot: Snapshot, now: datetime) -> Bevraging:
    """The call as it goes to RvIG: the very same, or with the number among its fields.

    It is not added where the afnemer's besluit of today is known not to have it: RvIG would refuse the whole question.
    """
    if not choice.machtiging.add_bsn or bevraging.api.kind not in _NUMBER_FIELDS:
        return bevraging
    question = bevraging.question
    name, most = _NUMBER_FIELDS[bevraging.api.kind]
    if not 0 < len(question.fields) < most or is_covered(name, frozenset(question.fields)):
        return bevraging
    rights = rights_of(choice.aansluiting, snapshot)
    row = row_of_today(rights.rows, dutch_date(now))
    if rights.gemeente_code is None and row is not None and _RUBRIEK_OF_NUMBER not in row.rubrieken:
        return bevraging
    return replace(
        bevraging, body=_with_field(bevraging.body, name), question=replace(question, fields=(*question.fields, name))
    )


def pass_on(
    result: Result, fault: KoppelpuntError | None, bevraging: Bevraging, asked: Bevraging, machtiging: Machtiging
) -> tuple[Result, Withheld | None, KoppelpuntError | None]:
    """What the caller gets of a result, what was withheld of it, and why it gets nothing at all, if so."""
    strip, leave_out = asked is not bevraging, machtiging.leave_out_geheimhouding
    if fault is not None or not (strip or leave_out) or not isinstance(result, Answered):
        return result, None, fault
    if not (200 <= result.status < 300 and result.body):
        return result, None, None
    try:
        body, withheld = _cut(result.body, asked.question, strip=strip, leave_out=leave_out)
    except (ValueError, IndexError, TypeError, StopIteration, RecursionError):
        return result, None, _unfit()
    return (replace(result, body=body) if body != result.body else result), withheld, None


def _cut(body: bytes, question: Question, *, strip: bool, leave_out: bool) -> tuple[bytes, Withheld]:
    cutting, text = _Cutting(strip, leave_out), body.decode()
    readers: dict[str, dict[str, _Reader]] = {
        apis.PERSONEN: {"personen": cutting.persons},
        apis.BEWONINGEN: {"bewoningen": cutting.bewoningen},
        apis.REISDOCUMENTEN: {"reisdocumenten": cutting.documents},
    }
    root, _ = _items(text, _space(text, 0), "{", readers.get(question.api, {}))
    if question.api == apis.VERBLIJFPLAATSHISTORIE:
        if any(item.name == _MARK and _is_marked(item.value) for item in root):
            return _NO_HISTORY, Withheld(question.bsns, 0 if question.bsns else 1)
        return body, Withheld()
    numbers = [one for one in cutting.left_out if is_bsn(one) and one not in cutting.kept]
    nameless = sum(not is_bsn(one) for one in cutting.left_out)
    if nameless and not numbers and len(question.bsns) == 1:
        # Only one person was asked about, so it is that one.
        numbers, nameless = list(question.bsns), 0
    fields = (_NUMBER_FIELDS[question.api][0],) if strip else ()
    return _without(text, cutting.cuts).encode(), Withheld(tuple(dict.fromkeys(numbers)), nameless, fields)


def _read_person(text: str, at: int) -> tuple[_Person, int]:
    members, end = _items(text, at, "{")
    numbers = [one for one in members if one.name == _NUMBER]
    marked = any(one.name == _MARK and _is_marked(one.value) for one in members)
    number = numbers[-1].value if numbers and isinstance(numbers[-1].value, str) else None
    return _Person(marked, number, _spans(members, numbers), len(numbers) == len(members) > 0), end


def _read_document(text: str, at: int) -> tuple[_Person, int]:
    members, end = _items(text, at, "{", {"houder": _read_person})
    holders = [one for one in members if one.name == "houder"]
    strip = _spans(members, [one for one in holders if one.value.bare])
    strip += [span for one in holders if not one.value.bare for span in one.value.strip]
    number = holders[-1].value.number if holders else None
    return _Person(any(one.value.marked for one in holders), number, strip, bare=False), end


def _is_marked(value: object) -> bool:
    """RvIG gives the mark as true, or not at all. Whatever is not surely no mark counts as one."""
    return value is not None and value is not False


def _with_field(body: bytes, name: str) -> bytes:
    text = body.decode()
    members, _ = _items(text, _space(text, 0), "{")
    end = next(item.end for item in members if item.name == "fields") - 1
    return f'{text[:end]},"{name}"{text[end:]}'.encode()


def _items(
    text: str, at: int, opening: str, readers: Mapping[str, _Reader] = _NO_READERS, element: _Reader = _scan
) -> tuple[list[_Item], int]:
    """The members or elements of what begins at `at`, each as often as it stands there; and where it ends.

    A member is read by the reader of its name, anything else as plain JSON. The text is JSON: that was seen before.
    Raises TypeError when it is not what was opened for.
    """
    if text[at] != opening:
        raise TypeError("another kind of value")
    is_object, space = opening == "{", _SPACE
    at = space(text, at + 1).end()
    items: list[_Item] = []
    while text[at] not in "}]":
        start, name, read = at, "", element
        if is_object:
            name, at = _scan(text, at)
            at = space(text, space(text, at).end() + 1).end()
            read = readers.get(name, _scan)
        value, end = read(text, at)
        items.append(_Item(name, start, end, value))
        at = space(text, end).end()
        if text[at] == ",":
            at = space(text, at + 1).end()
    return items, at + 1


def _space(text: str, at: int) -> int:
    return _SPACE(text, at).end()


def _spans(items: list[_Item], gone: list[_Item]) -> list[tuple[int, int]]:
    """Where to cut so that what is gone takes one comma with it: the one after it, and at the end the one before."""
    if not gone:
        return []
    starts = {one.start for one in gone}
    last_kept = max((place for place, one in enumerate(items) if one.start not in starts), default=-1)
    spans = [
        (one.start, items[place + 1].start)
        for place, one in enumerate(items[: max(last_kept, 0)])
        if one.start in starts
    ]
    if last_kept + 1 < len(items):
        spans.append((items[last_kept].end if last_kept >= 0 else items[0].start, items[-1].end))
    return spans


def _without(text: str, cuts: list[tuple[int, int]]) -> str:
    pieces, at = [], 0
    for start, end in sorted(cuts):
        pieces.append(text[at:start])
        at = end
    return "".join(pieces) + text[at:]


def _unfit() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "antwoordOnleesbaar",
        "Het antwoord van RvIG is niet zo te lezen dat zeker is wat ervan mag worden doorgegeven. "
        "RvIG kan de bevraging hebben verwerkt.",
        sent=True,
    )
