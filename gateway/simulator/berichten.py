"""A mailbox of the BRP Berichten API: sent, listed, fetched, deleted, kept seven days. Pure but for its own state.

Owns what happened to each message. The caller gives the moment (aware) and the identities; nothing here knows of HTTP.
Limits of the API (version 0.8): 25 sent, 100 fetched or deleted, 2,000 listed a call, 64 kB a message.
"""

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Json = dict[str, Any]

SEND_LIMIT: Final = 25
FETCH_LIMIT: Final = 100
LIST_LIMIT: Final = 2000
SIZE_LIMIT: Final = 64 * 1024
_FIRST_NUMBER: Final = 500_000_000_000


class State(StrEnum):
    NEW = "nieuw"
    LISTED = "gezien-in-lijst"
    FETCHED = "opgehaald"


class Missing(StrEnum):
    """Why a message cannot be given or deleted; the number within its code."""

    EXPIRED = "F001"
    DELETED = "F002"
    UNKNOWN = "F003"


@dataclass(slots=True)
class Bericht:
    """A message in a mailbox. `content` is emptied when it is deleted or expired; the rest stays, to say so."""

    transport_id: str
    number: int
    bericht_id: str
    reference: str | None
    kind: str
    sender: int
    recipient: int
    received: dt.datetime
    kept_until: dt.datetime
    content: Json
    state: State = State.NEW
    deleted: bool = False

    def missing(self, now: dt.datetime) -> Missing | None:
        if self.deleted:
            return Missing.DELETED
        return Missing.EXPIRED if now >= self.kept_until else None

    def kenmerken(self) -> Json:
        """The message's characteristics as list and fetch give them."""
        result: Json = {
            "berichtTransportId": self.transport_id,
            "berichtVolgnummer": self.number,
            "berichtId": self.bericht_id,
            "berichtType": self.kind,
            "afzender": self.sender,
            "ontvanger": self.recipient,
            "dtOntvangen": self.received.isoformat(),
            "opgehaald": self.state == State.FETCHED,
            "dtBewaardTot": self.kept_until.isoformat(),
        }
        return result | ({"verwijzingBerichtId": self.reference} if self.reference else {})


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is limited to. `kind` in any letter case; moments are inclusive and exclusive."""

    states: frozenset[State] = frozenset({State.NEW, State.LISTED})
    kind: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def take(self, one: Bericht) -> bool:
        return (
            one.state in self.states
            and (self.kind is None or one.kind.lower() == self.kind.lower())
            and (self.since is None or one.received >= self.since)
            and (self.until is None or one.received < self.until)
        )


@dataclass(slots=True)
class Mailbox:
    """One mailbox, in the order of arrival."""

    number: int
    _berichten: dict[str, Bericht] = field(default_factory=dict)

    def deliver(
        self,
        content: Json,
        *,
        sender: int,
        now: dt.datetime,
        kept: dt.timedelta,
        bericht_id: str,
        reference: str | None,
    ) -> Bericht:
        """Put a message in; its number rises by one each time."""
        bericht = Bericht(
            str(uuid.uuid4()), _FIRST_NUMBER + len(self._berichten), bericht_id, reference,
            str(content.get("berichtType", "")), sender, self.number, now, now + kept, content,
        )  # fmt: skip
        self._berichten[bericht.transport_id] = bericht
        return bericht

    def select(self, filters: Filters, now: dt.datetime) -> list[Bericht]:
        """Give what the filters take, oldest first, then by sender and the sender's own number."""
        found = [one for one in self._available(now) if filters.take(one)]
        return sorted(found, key=lambda one: (one.received, one.sender, one.bericht_id))

    def count(self, states: Iterable[State], now: dt.datetime) -> int:
        wanted = frozenset(states)
        return sum(one.state in wanted for one in self._available(now))

    def fetch(self, transport_id: str, now: dt.datetime) -> Bericht | Missing:
        """Give a message and note that it was fetched."""
        found = self._find(transport_id, now)
        if isinstance(found, Bericht):
            found.state = State.FETCHED
        return found

    def delete(self, transport_id: str, now: dt.datetime) -> Missing | None:
        """Delete a message; say why not if it is not there."""
        found = self._find(transport_id, now)
        if isinstance(found, Missing):
            return found
        found.deleted = True
        found.content = {}
        return None

    def _find(self, transport_id: str, now: dt.datetime) -> Bericht | Missing:
        found = self._berichten.get(transport_id.lower())
        if found is None:
            return Missing.UNKNOWN
        return found.missing(now) or found

    def _available(self, now: dt.datetime) -> list[Bericht]:
        return [one for one in self._berichten.values() if one.missing(now) is None]


def note_listed(berichten: Iterable[Bericht]) -> None:
    """Note that these were shown in a list."""
    for one in berichten:
        if one.state == State.NEW:
            one.state = State.LISTED


@dataclass(frozen=True, slots=True)
class Sent:
    """A message to send, read from a request; `faults` are the members at fault with their values."""

    bericht_id: str
    recipient: int | None
    reference: str | None
    content: Json
    faults: tuple[tuple[str, str], ...]


def read_sent(value: Any, size: int) -> Sent:
    """Read one of `berichten`. Nothing is raised: what is wrong stands in `faults`. `size` is of its content, in bytes."""
    outer = value if isinstance(value, dict) else {}
    marks = outer.get("berichtKenmerken")
    content = outer.get("berichtInhoud")
    marks = marks if isinstance(marks, dict) else {}
    faults: list[tuple[str, str]] = []
    bericht_id, kind, reference = (marks.get(name) for name in ("berichtId", "berichtType", "verwijzingBerichtId"))
    recipient = marks.get("ontvanger")
    if not isinstance(bericht_id, str) or not 0 < len(bericht_id) <= 12:
        faults.append(("berichtKenmerken.berichtId", str(bericht_id)))
    if not isinstance(kind, str) or not 0 < len(kind) <= 4:
        faults.append(("berichtKenmerken.berichtType", str(kind)))
    if isinstance(recipient, bool) or not isinstance(recipient, int) or not 0 < recipient <= 9_999_999:
        faults.append(("berichtKenmerken.ontvanger", str(recipient)))
    if reference is not None and (not isinstance(reference, str) or len(reference) > 12):
        faults.append(("berichtKenmerken.verwijzingBerichtId", str(reference)))
    if not isinstance(content, dict):
        faults.append(("berichtInhoud", ""))
    elif content.get("berichtType") != kind:
        faults.append(("berichtInhoud.berichtType", str(content.get("berichtType"))))
    elif size > SIZE_LIMIT:
        faults.append(("berichtInhoud", f"{size} bytes"))
    return Sent(
        bericht_id if isinstance(bericht_id, str) else "",
        recipient if isinstance(recipient, int) else None,
        reference if isinstance(reference, str) and reference != "0" else None,
        content if isinstance(content, dict) else {},
        tuple(faults),
    )
