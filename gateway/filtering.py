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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

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

# The C scanner under json.loads: one value, and where it ends. Typeshed does not know it.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Withheld:
    """What was received and not passed on: persons by number, how many more without one, and fields."""

    bsns: tuple[str, ...] = field(default=(), repr=False)
    unidentified: int = 0
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """A member of an object (or, without name, an element of an array), and where it stands in the text."""

    name: str
    start: int
    value_start: int
    end: int
    value: Any = field(repr=False)


@dataclass(slots=True)
class _Cutting:
    """What is to be cut from one text, and whom that leaves out. `kept` are the numbers of those that stay."""

    text: str = field(repr=False)
    strip: bool
    leave_out: bool
    cuts: list[tuple[int, int]] = field(default_factory=list)
    left_out: list[object] = field(default_factory=list, repr=False)
    kept: set[object] = field(default_factory=set, repr=False)


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
    cutting = _Cutting(body.decode(), strip=strip, leave_out=leave_out)
    begin = _space(cutting.text, 0)
    if cutting.text[begin] != "{":
        raise ValueError("no object")
    root = _items(cutting.text, begin)
    fields = (_NUMBER_FIELDS[question.api][0],) if strip else ()
    if question.api == apis.VERBLIJFPLAATSHISTORIE:
        if not any(item.name == _MARK and _is_marked(item.value) for item in root):
            return body, Withheld()
        return _NO_HISTORY, Withheld(question.bsns, 0 if question.bsns else 1)
    for item in root:
        _cut_member(cutting, question.api, item)
    numbers = [one for one in cutting.left_out if is_bsn(one) and one not in cutting.kept]
    nameless = sum(not is_bsn(one) for one in cutting.left_out)
    if nameless and not numbers and len(question.bsns) == 1:
        # Only one person was asked about, so it is that one.
        numbers, nameless = list(question.bsns), 0
    return _without(cutting).encode(), Withheld(tuple(dict.fromkeys(numbers)), nameless, fields)


def _cut_member(cutting: _Cutting, api: str, item: _Item) -> None:
    """Cut a member of the answer: the persons of it, or the documents, or those of each bewoning."""
    if api == apis.BEWONINGEN and item.name == "bewoningen":
        for bewoning in _elements(cutting.text, item):
            for group in _items(cutting.text, bewoning.value_start):
                if group.name in {"bewoners", "mogelijkeBewoners"}:
                    _cut_array(cutting, group, _of_person)
    elif api == apis.PERSONEN and item.name == "personen":
        _cut_array(cutting, item, _of_person, _strip_person)
    elif api == apis.REISDOCUMENTEN and item.name == "reisdocumenten":
        _cut_array(cutting, item, _of_holder, _strip_holder)


def _cut_array(
    cutting: _Cutting,
    array: _Item,
    about: Callable[[Any], tuple[bool, object]],
    strip: Callable[[str, _Item], Iterator[tuple[int, int]]] | None = None,
) -> None:
    elements = _elements(cutting.text, array)
    gone = []
    for element in elements:
        marked, number = about(element.value)
        if marked and cutting.leave_out:
            gone.append(element)
            cutting.left_out.append(number)
            continue
        cutting.kept.add(number)
        if cutting.strip and strip is not None:
            cutting.cuts += strip(cutting.text, element)
    cutting.cuts += _spans(elements, gone)


def _of_person(person: Any) -> tuple[bool, object]:
    return _is_marked(person.get(_MARK)), _text(person.get(_NUMBER))


def _of_holder(document: Any) -> tuple[bool, object]:
    holder = document.get("houder")
    return _of_person(holder) if isinstance(holder, dict) else (False, None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_marked(value: object) -> bool:
    """RvIG gives the mark as true, or not at all. Whatever is not surely no mark counts as one."""
    return value is not None and value is not False


def _strip_person(text: str, element: _Item) -> Iterator[tuple[int, int]]:
    members = _items(text, element.value_start)
    yield from _spans(members, [one for one in members if one.name == _NUMBER])


def _strip_holder(text: str, element: _Item) -> Iterator[tuple[int, int]]:
    """A holder of whom nothing else is given would not have been there."""
    members = _items(text, element.value_start)
    bare = [
        one for one in members if one.name == "houder" and isinstance(one.value, dict) and set(one.value) == {_NUMBER}
    ]
    yield from _spans(members, bare)
    for holder in members:
        if holder.name == "houder" and holder not in bare and isinstance(holder.value, dict):
            yield from _strip_person(text, holder)


def _with_field(body: bytes, name: str) -> bytes:
    text = body.decode()
    fields = next(item for item in _items(text, _space(text, 0)) if item.name == "fields")
    return f'{text[: fields.end - 1]},"{name}"{text[fields.end - 1 :]}'.encode()


def _elements(text: str, array: _Item) -> list[_Item]:
    if not isinstance(array.value, list) or not all(isinstance(one, dict) for one in array.value):
        raise TypeError("not an array of objects")
    return _items(text, array.value_start)


def _items(text: str, at: int) -> list[_Item]:
    """The members or elements of the object or array that begins at `at`, each as often as it stands there."""
    is_object = text[at] == "{"
    if not is_object and text[at] != "[":
        raise ValueError("neither object nor array")
    at = _space(text, at + 1)
    items = []
    while text[at] not in "}]":
        start, name = at, ""
        if is_object:
            name, at = _scan(text, at)
            at = _space(text, _space(text, at) + 1)
        value, end = _scan(text, at)
        items.append(_Item(name, start, at, end, value))
        at = _space(text, end)
        if text[at] == ",":
            at = _space(text, at + 1)
    return items


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _spans(items: list[_Item], gone: list[_Item]) -> Iterator[tuple[int, int]]:
    """Where to cut so that what is gone takes one comma with it: the one after it, and at the end the one before."""
    if not gone:
        return
    starts = {one.start for one in gone}
    last_kept = max((place for place, one in enumerate(items) if one.start not in starts), default=-1)
    for place, one in enumerate(items[:last_kept]):
        if one.start in starts:
            yield one.start, items[place + 1].start
    if last_kept + 1 < len(items):
        begin = items[last_kept].end if last_kept >= 0 else items[0].start
        yield begin, items[-1].end


def _without(cutting: _Cutting) -> str:
    pieces, at = [], 0
    for start, end in sorted(cutting.cuts):
        pieces.append(cutting.text[at:start])
        at = end
    return "".join(pieces) + cutting.text[at:]


def _unfit() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "antwoordOnleesbaar",
        "Het antwoord van RvIG is niet zo te lezen dat zeker is wat ervan mag worden doorgegeven. "
        "RvIG kan de bevraging hebben verwerkt.",
        sent=True,
    )
