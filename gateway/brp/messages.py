"""What the messages of the BRP Berichten API hold: their ids, whose persoonslijst, and which rubrieken.

A message of the Logisch Ontwerp names a person in `plData` (several in `plDataSet`), by category `c01` and
element `e0120`; references (`c21`) name the person where there is no category 01. A spontaneous mutation (Gv01)
has only the A-nummer, in its head: such a person counts as unidentified, with that A-nummer. Reads any decoded
JSON and never raises. Source: BRP Berichten API 0.8; Logisch Ontwerp BRP, berichtenboek.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.brp.question import is_bsn

_CATEGORY: Final = re.compile(r"c(\d\d)", re.ASCII)
_ELEMENT: Final = re.compile(r"e(\d{4})", re.ASCII)
_PERSON: Final = ("c01", "c21")
_HISTORY: Final = 50
"""The category of a historical element is its category of today plus fifty."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `id` is its berichtTransportId, `bericht_type` for instance Gv01; both empty where unreadable.

    `bsns` are the persons known by number, `unidentified` counts the others, of whom `a_nummers` are known.
    """

    id: str
    bericht_type: str
    bsns: tuple[str, ...] = field(default=(), repr=False)
    unidentified: int = 0
    a_nummers: tuple[str, ...] = field(default=(), repr=False)
    rubrieken: tuple[str, ...] = ()


def fetched_messages(answer: object) -> tuple[Message, ...]:
    """The messages that a GET brought (`opgehaaldeBerichten`): each of them is a disclosure."""
    return tuple(_message(item) for item in _objects(answer, "opgehaaldeBerichten"))


def sent_messages(body: object) -> tuple[Message, ...]:
    """The messages that a caller sends (`berichten` of a POST); they have no id yet."""
    return tuple(_message(item) for item in _objects(body, "berichten"))


def not_fetched_ids(answer: object) -> tuple[str, ...]:
    """The ids that a GET asked for and did not bring (`nietOpgehaaldeBerichten`)."""
    return _ids(_objects(answer, "nietOpgehaaldeBerichten"))


def listed_ids(answer: object) -> tuple[str, ...]:
    """The ids that a list shows; a list names no persons."""
    return _ids(_objects(answer, "berichten"))


def accepted_ids(answer: object) -> tuple[str, ...]:
    """The ids that RvIG gave to the messages it took for sending (`verwerkteBerichten`)."""
    return _ids(_objects(answer, "verwerkteBerichten"))


def deleted_ids(answer: object) -> tuple[str, ...]:
    """The ids that a DELETE took away (`succesvolVerwijderdeBerichten`)."""
    deleted = answer.get("succesvolVerwijderdeBerichten") if isinstance(answer, dict) else None
    return tuple(item for item in deleted if isinstance(item, str)) if isinstance(deleted, list) else ()


def not_deleted_ids(answer: object) -> tuple[str, ...]:
    """The ids that a DELETE left in place (`nietSuccesvolVerwijderdeBerichten`)."""
    return _ids(_objects(answer, "nietSuccesvolVerwijderdeBerichten"))


def _message(item: dict[str, object]) -> Message:
    kenmerken = item.get("berichtKenmerken")
    inhoud = item.get("berichtInhoud")
    heading: dict[str, object] = kenmerken if isinstance(kenmerken, dict) else {}
    content: dict[str, object] = inhoud if isinstance(inhoud, dict) else {}
    bsns: dict[str, None] = {}
    a_nummers: dict[str, None] = {}
    rubrieken: set[str] = set()
    unidentified = 0
    for persoonslijst in _persoonslijsten(content):
        rubrieken.update(_rubrieken(persoonslijst))
        known = [value for value in _person_elements(persoonslijst, "e0120") if is_bsn(value)]
        if known:
            bsns[known[0]] = None
            continue
        unidentified += 1
        for number in (*_person_elements(persoonslijst, "e0110"), _text(content.get("aNummer"))):
            if len(number) == 10 and number.isascii() and number.isdigit() and number.strip("0"):
                a_nummers[number] = None
                break
    return Message(
        id=_text(heading.get("berichtTransportId")),
        bericht_type=_text(heading.get("berichtType")) or _text(content.get("berichtType")),
        bsns=tuple(bsns),
        unidentified=unidentified,
        a_nummers=tuple(a_nummers),
        rubrieken=tuple(sorted(rubrieken)),
    )


def _persoonslijsten(content: dict[str, object]) -> Iterator[dict[str, object]]:
    several = content.get("plDataSet")
    for candidate in (content.get("plData"), *(several if isinstance(several, list) else ())):
        if isinstance(candidate, dict) and candidate:
            yield candidate


def _person_elements(persoonslijst: dict[str, object], element: str) -> list[str]:
    """The values of an element about the person itself: those of today first, then the historical ones."""
    for category in _PERSON:
        stacks = _objects(persoonslijst, category)
        if stacks:
            today = [_text(stack.get(element)) for stack in stacks]
            return today + [_text(past.get(element)) for stack in stacks for past in _objects(stack, "historie")]
    return []


def _rubrieken(persoonslijst: dict[str, object]) -> Iterator[str]:
    for name in persoonslijst:
        category = _CATEGORY.fullmatch(name) if isinstance(name, str) else None
        if category is None:
            continue
        number = int(category[1])
        for stack in _objects(persoonslijst, name):
            yield from _elements(number, stack)
            for past in _objects(stack, "historie"):
                yield from _elements(number + _HISTORY, past)


def _elements(category: int, stack: dict[str, object]) -> Iterator[str]:
    if category > 99:
        return
    for name in stack:
        element = _ELEMENT.fullmatch(name) if isinstance(name, str) else None
        if element is not None:
            yield f"{category:02}{element[1]}"


def _ids(items: list[dict[str, object]]) -> tuple[str, ...]:
    found = []
    for item in items:
        heading = item.get("berichtKenmerken")
        value = (heading if isinstance(heading, dict) else item).get("berichtTransportId")
        if isinstance(value, str):
            found.append(value)
    return tuple(found)


def _objects(holder: object, name: str) -> list[dict[str, object]]:
    items = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
