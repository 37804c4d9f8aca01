"""Whose data an answer of RvIG holds: the persons to note in the register (Wet BRP art. 3.11).

Reads any decoded JSON and never raises. A person counts once however often the answer names it. Partners,
parents and children inside a person are data about that person: RvIG records the persoonslijst delivered, and so
do we. Problem documents and empty answers disclose nobody. What an answer does not identify is counted, so that
the register can note that somebody's data were given even where RvIG was not asked for the number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.brp import apis
from gateway.brp.messages import fetched_messages
from gateway.brp.question import Question, is_bsn


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Persons disclosed by one answer.

    `bsns` are those known; `unidentified` counts persons, or their appearances, whose number stands nowhere;
    `among` are the BSNs asked of whom those are a part that cannot be told.
    """

    bsns: tuple[str, ...] = field(default=(), repr=False)
    unidentified: int = 0
    among: tuple[str, ...] = field(default=(), repr=False)


NOBODY: Final = Disclosed()


def disclosed_by(question: Question, answer: object) -> Disclosed:
    """The persons whose data a decoded answer to the question holds; an unknown API discloses nobody it can name."""
    read = _READERS.get(question.api)
    return read(question, answer) if read is not None and isinstance(answer, dict) else NOBODY


def _in_personen(question: Question, answer: dict[str, object]) -> Disclosed:
    persons = _objects(answer.get("personen"))
    found = _of_persons(persons)
    if not found.unidentified or question.type != apis.RAADPLEEG_MET_BSN:
        return found
    if found.bsns:
        return Disclosed(found.bsns, found.unidentified, _others(question.bsns, found.bsns))
    if len(question.bsns) == 1 or (len(persons) == len(question.bsns) and not question.bsns_repeated):
        return Disclosed(question.bsns)
    return Disclosed((), found.unidentified, question.bsns)


def _in_bewoningen(_: Question, answer: dict[str, object]) -> Disclosed:
    return _of_persons(
        [
            person
            for bewoning in _objects(answer.get("bewoningen"))
            for group in ("bewoners", "mogelijkeBewoners")
            for person in _objects(bewoning.get(group))
        ]
    )


def _in_verblijfplaatshistorie(question: Question, answer: dict[str, object]) -> Disclosed:
    given = ("verblijfplaatsen", "opschortingBijhouding", "geheimhoudingPersoonsgegevens")
    if not any(answer.get(name) for name in given):
        return NOBODY
    return Disclosed(question.bsns) if question.bsns else Disclosed((), 1)


def _in_reisdocumenten(question: Question, answer: dict[str, object]) -> Disclosed:
    documents = _objects(answer.get("reisdocumenten"))
    if documents and question.type == apis.ZOEK_MET_BSN and question.bsns:
        return Disclosed(question.bsns)
    holders = (document.get("houder") for document in documents)
    return _of_persons([holder if isinstance(holder, dict) else {} for holder in holders])


def _in_berichten(_: Question, answer: dict[str, object]) -> Disclosed:
    messages = fetched_messages(answer)
    return Disclosed(
        tuple(dict.fromkeys(bsn for message in messages for bsn in message.bsns)),
        sum(message.unidentified for message in messages),
    )


_READERS: Final[dict[str, Callable[[Question, dict[str, object]], Disclosed]]] = {
    apis.PERSONEN: _in_personen,
    apis.BEWONINGEN: _in_bewoningen,
    apis.VERBLIJFPLAATSHISTORIE: _in_verblijfplaatshistorie,
    apis.REISDOCUMENTEN: _in_reisdocumenten,
    apis.BERICHTEN: _in_berichten,
}


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of_persons(persons: Iterable[dict[str, object]]) -> Disclosed:
    numbers: dict[str, None] = {}
    unidentified = 0
    for person in persons:
        bsn = person.get("burgerservicenummer")
        if is_bsn(bsn):
            numbers[bsn] = None
        else:
            unidentified += 1
    return Disclosed(tuple(numbers), unidentified)


def _others(asked: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(bsn for bsn in asked if bsn not in found)
