"""One row of the register as a value: the opening, its closing, and what both hold when opened. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from tenants.records import open_record
from tenants.register_keys import DataKeys
from tenants.sealing import SealingError
from tenants.subjects import Subject
from tenants.words.rubrieken import split

_NUMBER_FIELDS = frozenset({"burgerservicenummer", "houder.burgerservicenummer"})
_OF_NUMBER = "010120"
ContentsState = Literal["geopend", "sleutel_vernietigd", "niet_te_openen"]
Outcome = Literal["beantwoord", "niet_beantwoord", "niet_verzonden", "geweigerd", "uitkomst_onbekend"]
Cause = Literal["loopt_nog", "blijft_open", "database_herstart", "schrijver_verloren", "rvig_antwoordt_niet"]
"""Why nobody here knows what became of a call at RvIG, which may have answered and recorded it."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How a call ended. Sizes in bytes, times in microseconds; `unidentified` are persons without BSN."""

    closed_at: datetime
    outcome: Outcome
    status: int | None
    code: str | None
    persons: int
    unidentified: int
    question_bytes: int
    answer_bytes: int
    token_us: int
    upstream_us: int
    total_us: int
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What was sealed: user, source, headers and question of the opening; persons and answer of the closing."""

    state: ContentsState
    opening: Mapping[str, Any] | None = field(default=None, repr=False)
    closing: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Bericht:
    """A message of the mailbox as its fetching is recorded: its kind, whose numbers it tells, and which rubrieken."""

    id: str
    type: str
    numbers: frozenset[str] = field(repr=False)
    rubrieken: tuple[str, ...]


def berichten_of(closing: Mapping[str, Any]) -> tuple[Bericht, ...]:
    """The messages of what a closing holds."""
    return tuple(
        Bericht(one["id"], one["type"], frozenset((*one["bsns"], *one["aNummers"])), tuple(one["rubrieken"]))
        for one in closing.get("messages", ())
    )


def passed_on_in(closing: Mapping[str, Any]) -> frozenset[str]:
    """The numbers of whom the answer that a closing holds told the caller about."""
    return frozenset(closing["persons"]).union(*(one.numbers for one in berichten_of(closing)))


def withheld_in(closing: Mapping[str, Any]) -> frozenset[str]:
    """The numbers of whom data came in and were not passed on."""
    return frozenset((closing.get("withheld") or {}).get("persons", ()))


@dataclass(frozen=True, slots=True)
class Protocolregel:
    """One call. What names an aansluiting is None for a refused attempt; `taaksysteem_name` for another tenant's."""

    id: UUID
    opened_at: datetime
    afnemer_id: str | None
    organisation_oin: str | None
    certificate_oin: str | None
    fingerprint: bytes | None
    aansluiting_id: int | None
    machtiging_id: int | None
    machtiging_version: int | None
    mandate_id: int | None
    taaksysteem_tenant_id: int
    taaksysteem_id: int
    taaksysteem_name: str | None
    acting_oin: str
    doelbinding: str | None
    grondslag: str | None
    ontvanger: str | None
    verwerkingsactiviteit: str | None
    refusal: str | None
    api: str
    operation: str
    question_type: str | None
    zoekrubrieken: str
    rubrieken: str
    trace_id: UUID | None
    writer_id: int
    number: int
    hash: bytes
    closing: Closing | None
    contents: Contents | None = None
    inzage_refused: str | None = None
    """The article by which inzage of this call is refused to the person (Besluit BRP 46), or None."""
    open_cause: Cause | None = None
    """Why a call without closing has none."""

    @property
    def fetched(self) -> bool:
        """Whether this call fetched messages of the mailbox: what those told stands sealed in the closing."""
        return self.api == "berichten" and self.operation == "fetch"

    @property
    def messages(self) -> tuple[Bericht, ...] | None:
        """The messages that were fetched; None when it is not known what they told (not opened, key destroyed)."""
        closing = None if self.contents is None else self.contents.closing
        return None if closing is None else berichten_of(closing)

    @property
    def passed_on(self) -> tuple[str, ...]:
        """The rubrieken that went back: those that were asked, but for a number that was asked for the register alone."""
        closing = None if self.contents is None else self.contents.closing
        fields = () if closing is None else (closing.get("withheld") or {}).get("fields", ())
        asked = split(self.rubrieken)
        return tuple(one for one in asked if one != _OF_NUMBER) if _NUMBER_FIELDS.intersection(fields) else asked

    def may_hold(self, rubrieken: frozenset[str], subject: Subject | None) -> bool:
        """Whether one of these rubrieken was asked, or may stand in a message (about this person) that was fetched."""
        if not self.fetched:
            return not rubrieken.isdisjoint(split(self.rubrieken))
        messages = self.messages
        about = messages and [one for one in messages if subject is None or subject.numbers & one.numbers]
        return about is None or any(not rubrieken.isdisjoint(one.rubrieken) for one in about)

    @property
    def outcome(self) -> Outcome:
        """The closing's outcome, or why there is none: refused, or not known (still running, crashed, lost)."""
        if self.closing is not None:
            return self.closing.outcome
        return "uitkomst_onbekend" if self.refusal is None else "geweigerd"

    @property
    def unanswered(self) -> bool:
        """Whether it was sent and no answer came: what RvIG did with it is not known."""
        return self.closing is not None and self.closing.outcome == "niet_beantwoord" and self.closing.status is None

    @property
    def unknown(self) -> bool:
        """Whether nobody here knows what RvIG did with it: no closing, or sent and not answered. A refused attempt never left."""
        return self.refusal is None and (self.closing is None or self.unanswered)

    @property
    def cause(self) -> Cause | None:
        """Why it is not known what became of it; None when that is known."""
        return "rvig_antwoordt_niet" if self.unanswered else self.open_cause

    def showing(self, contents: Contents | None) -> "Protocolregel":
        """The same row with what it holds."""
        return replace(self, contents=contents)


@dataclass(frozen=True, slots=True, repr=False)
class SealedRegel:
    """A row with its sealed columns, each with the number of its data key."""

    regel: Protocolregel
    opening: tuple[UUID, bytes]
    closing: tuple[UUID, bytes] | None


def regel_of(row: Mapping[str, Any], closing: Closing | None, open_cause: Cause | None = None) -> Protocolregel:
    """Make the value from an opening's columns."""
    return Protocolregel(
        **{name: value for name, value in row.items() if name not in {"data_key_id", "sealed"}},
        closing=closing,
        open_cause=open_cause,
    )


def closing_of(row: Mapping[str, Any]) -> Closing:
    """Make the value from a closing's columns."""
    return Closing(**{name: value for name, value in row.items() if name not in {"id", "data_key_id", "sealed"}})


def open_contents(sealed: SealedRegel, keys: DataKeys, tenant_id: int) -> Contents:
    """Open what a row holds. What does not open is told; it never hides the row."""
    needed = {sealed.opening[0]} | ({sealed.closing[0]} if sealed.closing is not None else set())
    if needed & keys.destroyed:
        return Contents("sleutel_vernietigd")
    if not needed <= keys.opened.keys():
        return Contents("niet_te_openen")
    number = sealed.regel.id
    try:
        opening = open_record(
            keys.opened[sealed.opening[0]], sealed.opening[1], tenant_id=tenant_id, id=number, kind="opening"
        )
        closing = sealed.closing and open_record(
            keys.opened[sealed.closing[0]], sealed.closing[1], tenant_id=tenant_id, id=number, kind="closing"
        )
    except SealingError:
        return Contents("niet_te_openen")
    return Contents("geopend", opening, closing)
