"""What happened to a person's data in one call, read from its row of the register. Pure.

A row is a disclosure only when the answer went back. What came from RvIG and was not passed on, and a question about this
person whose outcome nobody knows (no closing, or sent and not answered: RvIG's own record may hold it), are told as what
they are. Whether inzage was refused is told with each.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from tenants.protocolregels import Protocolregel, withheld_in
from tenants.subjects import Subject
from tenants.words.rubrieken import split

_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{9,10}(?![0-9])")
Uitkomst = Literal["verstrekt", "niet_doorgegeven", "uitkomst_onbekend"]


@dataclass(frozen=True, slots=True)
class Verstrekking:
    """One call about a person. `rubrieken` is None when it is not known any more what a message told.

    `refused` is the article by which inzage of it is refused, or None. Who inside the organisation asked is not in it.
    """

    id: UUID
    at: datetime
    uitkomst: Uitkomst
    afnemer_id: str | None
    ontvanger: str
    grondslag: str
    doelbinding: str | None
    api: str
    rubrieken: tuple[str, ...] | None
    zoekrubrieken: tuple[str, ...]
    refused: str | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found. `reading` is the number of its record.

    `destroyed_years` could not be searched. `untold` is how many calls of the period have no known outcome and name nobody:
    about whom they were cannot be told. Those of which inzage is refused are not in it but in `untold_refused`, for who may
    know of them. `words` are the tenant's for its doelbindingen, `names` those of its afnemers.
    """

    reading: int
    verstrekkingen: tuple[Verstrekking, ...] = field(repr=False)
    destroyed_years: tuple[int, ...]
    untold: int
    words: Mapping[str, str]
    names: Mapping[str, str]
    untold_refused: int = 0


def verstrekking_of(regel: Protocolregel, subject: Subject) -> Verstrekking:
    """What a row that the register has for this person tells about it."""
    return Verstrekking(
        id=regel.id,
        at=regel.opened_at if regel.closing is None else regel.closing.closed_at,
        uitkomst=_uitkomst(regel, subject),
        afnemer_id=regel.afnemer_id,
        ontvanger=regel.ontvanger or "",
        grondslag=regel.grondslag or "",
        doelbinding=regel.doelbinding,
        api=regel.api,
        rubrieken=_rubrieken(regel, subject),
        zoekrubrieken=split(regel.zoekrubrieken),
        refused=regel.inzage_refused,
    )


def asks_about(regel: Protocolregel, subject: Subject) -> bool | None:
    """Whether the question of a call whose outcome is not known names this person; None when that cannot be told."""
    opening = None if regel.contents is None else regel.contents.opening
    if opening is None:
        return None
    named = named_in(opening)
    # A question that names persons names others; one that searches by name or address may have found anyone.
    return bool(subject.numbers & named) if named else None


def named_in(opening: Mapping[str, Any]) -> frozenset[str]:
    """The numbers of persons that a question names: nine digits, or ten, and no more of them."""
    return frozenset(_NUMBER.findall(_question(opening)))


def order(found: Iterable[Verstrekking]) -> tuple[Verstrekking, ...]:
    """Oldest first, as a letter tells them."""
    return tuple(sorted(found, key=lambda one: (one.at, one.id)))


def _uitkomst(regel: Protocolregel, subject: Subject) -> Uitkomst:
    if regel.closing is None or regel.unknown:
        return "uitkomst_onbekend"
    if regel.closing.outcome != "beantwoord":
        return "niet_doorgegeven"
    closing = None if regel.contents is None else regel.contents.closing
    withheld = frozenset[str]() if closing is None else withheld_in(closing)
    return "niet_doorgegeven" if subject.numbers & withheld else "verstrekt"


def _rubrieken(regel: Protocolregel, subject: Subject) -> tuple[str, ...] | None:
    if not regel.fetched:
        return regel.passed_on
    if regel.messages is None:
        return None
    return tuple(
        sorted({rubriek for one in regel.messages if subject.numbers & one.numbers for rubriek in one.rubrieken})
    )


def _question(opening: Mapping[str, Any]) -> str:
    """The question as text, however it was kept."""
    if "question" in opening:
        return str(opening["question"] or "")
    try:
        return base64.b64decode(opening.get("question_base64", "")).decode("utf-8", "replace")
    except (binascii.Error, TypeError, ValueError):
        return ""
