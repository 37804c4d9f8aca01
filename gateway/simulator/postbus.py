"""The routes of the BRP Berichten API over the mailboxes. The mailbox is that of the token and never named by the URL.

Owns the API's documents and codes. Partial failures stand in an answer that succeeds, as in the API.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.simulator.afnemers import Afnemers
from gateway.simulator.berichten import (
    FETCH_LIMIT,
    LIST_LIMIT,
    SEND_LIMIT,
    Bericht,
    Filters,
    Mailbox,
    Missing,
    State,
    note_listed,
    read_sent,
)
from gateway.simulator.calls import PLAIN_JSON, PROBLEM, Call, Reply
from gateway.simulator.conversion import convert
from gateway.simulator.settings import SimulatorSettings

Json = dict[str, Any]

TYPE: Final = "https://www.rvig.nl/brp/berichten-api/probleem/"
SOURCE_MAILBOX: Final = 3_000_200
"""Who sends what RvIG itself sends."""

_TEXTS: Final = {
    "BBA-AUTH-F001": ("Authenticatiefout", "Onjuiste of onbekende authenticatie."),
    "BBA-AUTH-F002": ("Authenticatiefout", "Het account is geblokkeerd."),
    "BBA-PUT-F001": ("PUTREQUEST_NUMBER_OF_MESSAGES_IN_REQUEST_EXCEEDS_LIMITS", "Het aantal berichten in het verzoek overschrijd het ingestelde limiet"),
    "BBA-PUT-F002": ("PUTREQUEST_INVALID_FIELD_ERROR", "Een of meerdere velden in het bericht voldoen niet aan de gestelde eisen"),
    "BBA-PUT-F003": ("PUTREQUEST_MESSAGE_COULD_NOT_BE_SEND", "Het bericht kon niet verzonden worden aan de geadresseerde"),
    "BBA-LIST-F001": ("LIST_MESSAGE_REQUEST_INVALID_PARAMETERS", "Ongeldige zoekfilters opgegeven"),
    "BBA-GET-F001": ("GETREQUEST_MESSAGE_CONTENT_EXPIRED", "Het bericht is niet langer beschikbaar omdat de retentietijd verstreken is."),
    "BBA-GET-F002": ("GETREQUEST_MESSAGE_CONTENT_DELETED", "Het bericht is niet langer beschikbaar omdat het verwijderd is."),
    "BBA-GET-F003": ("GETREQUEST_MESSAGE_NOT_FOUND", "Onbekend berichtTransportId"),
    "BBA-GET-F004": ("GETREQUEST_REQUESTED_NUMBER_OF_MESSAGES_EXCEEDS_LIMIT", "Het aantal opgevraagde berichten overschreed het ingestelde limiet"),
    "BBA-DELETE-F001": ("DELETEREQUEST_MESSAGE_EXPIRED", "Het bericht is niet langer beschikbaar omdat de retentietijd verstreken is."),
    "BBA-DELETE-F002": ("DELETEREQUEST_MESSAGE_DELETED", "Het bericht is niet langer beschikbaar omdat het reeds verwijderd is."),
    "BBA-DELETE-F003": ("DELETEREQUEST_MESSAGE_NOT_FOUND", "Onbekend berichtTransportId"),
    "BBA-DELETE-F004": ("DELETEREQUEST_REQUESTED_NUMBER_OF_MESSAGES_EXCEEDS_LIMIT", "Het aantal berichten dat in dit verzoek verwijderd dient te worden overschrijft het ingestelde limiet"),
    "BBA-SUMMARIZE-F001": ("SUMMARIZEREQUEST_INVALID_REQUEST_ERROR", "Het verzoek is onjuist controleer de zoekparameters."),
    "BBA-F999": ("Onbekende fout", "Onbekende (/technische) fout."),
}  # fmt: skip
_COUNTS: Final = {
    "nieuw": (State.NEW,),
    "gezien-in-lijst-en-niet-opgehaald": (State.LISTED,),
    "niet-opgehaald": (State.NEW, State.LISTED),
}


def unknown_account() -> Reply:
    return _refused(401, "BBA-AUTH-F001")


def blocked_account() -> Reply:
    return _refused(401, "BBA-AUTH-F002")


class Postbus:
    """Every mailbox that some account has, and the routes over them. Single-threaded."""

    def __init__(self, settings: SimulatorSettings, afnemers: Afnemers) -> None:
        self._settings = settings
        self._afnemers = afnemers
        self._boxes: dict[str, Mailbox] = {}
        self._stock = _read_directory(settings)

    def box(self, mailbox_id: str) -> Mailbox | None:
        """Give the mailbox of an account, filled from the settings' directory when it is first looked at."""
        found = self._boxes.get(mailbox_id)
        if found is None and mailbox_id in self._afnemers.mailboxes() and mailbox_id.isdecimal():
            found = self._boxes[mailbox_id] = Mailbox(int(mailbox_id))
            for content in self._stock:
                self.deliver(mailbox_id, content)
        return found

    def deliver(
        self, mailbox_id: str, content: Json, *, sender: int = SOURCE_MAILBOX, reference: str | None = None
    ) -> str:
        """Put a message into a mailbox, as RvIG does with a spontaneous disclosure; return its transport id.

        Raises KeyError when no account has the mailbox.
        """
        box = self.box(mailbox_id)
        if box is None:
            raise KeyError("no such mailbox")
        now = self._now()
        kept = dt.timedelta(seconds=self._settings.retention_seconds)
        number = str(uuid.uuid4().int % 10**12)
        return box.deliver(
            content, sender=sender, now=now, kept=kept, bericht_id=number, reference=reference
        ).transport_id

    def answer(self, call: Call, rest: str, mailbox_id: str | None) -> Reply:  # noqa: PLR0911 - one return per route
        """Answer a call under the API's base; `rest` begins with `/berichten`."""
        box = self.box(mailbox_id) if mailbox_id is not None else None
        if box is None:
            return unknown_account()
        match call.method, rest:
            case ("GET" | "HEAD", "/berichten/ping"):
                return Reply(204, content_type=None)
            case ("GET", "/berichten/telling"):
                return self._count(box, call.query)
            case ("POST", "/berichten/conversie"):
                return convert(call.headers, call.body)
            case ("POST", "/berichten"):
                return self._send(box, call.body)
            case ("GET", "/berichten"):
                return self._list(box, call.query)
            case ("GET" | "DELETE", _) if (ids := _transport_ids(rest)) is not None:
                return self._fetch(box, ids) if call.method == "GET" else self._delete(box, ids)
            case _:
                known = rest in {"/berichten", "/berichten/ping", "/berichten/telling", "/berichten/conversie"}
                return _refused(405 if known or _transport_ids(rest) else 404, "BBA-F999")

    def _send(self, box: Mailbox, body: bytes) -> Reply:
        try:
            berichten = orjson.loads(body)["berichten"]
        except (ValueError, KeyError, TypeError):
            berichten = None
        if not isinstance(berichten, list):
            return _refused(400, "BBA-F999")
        if len(berichten) > SEND_LIMIT:
            return _refused(400, "BBA-PUT-F001")
        done: list[Json] = []
        failed: list[Json] = []
        for one in berichten:
            self._send_one(box, one, done, failed)
        return _succeeded({"verwerkteBerichten": done, "nietVerwerkteBerichten": failed})

    def _send_one(self, box: Mailbox, value: Any, done: list[Json], failed: list[Json]) -> None:
        content = value.get("berichtInhoud") if isinstance(value, dict) else None
        sent = read_sent(value, len(orjson.dumps(content)))
        marks: Json = {"berichtId": sent.bericht_id} | ({"ontvanger": sent.recipient} if sent.recipient else {})
        recipient = self.box(str(sent.recipient)) if sent.recipient is not None else None
        if sent.faults or recipient is None:
            code = "BBA-PUT-F002" if sent.faults else "BBA-PUT-F003"
            invalid = [{"key": key, "value": given} for key, given in sent.faults]
            fault = _document(200, code, {"invalidParameters": invalid} if invalid else {})
            failed.append(marks | {"berichtTransportId": str(uuid.uuid4()), "foutmeldingen": [fault]})
            return
        kept = dt.timedelta(seconds=self._settings.retention_seconds)
        bericht = recipient.deliver(
            sent.content,
            sender=box.number,
            now=self._now(),
            kept=kept,
            bericht_id=sent.bericht_id,
            reference=sent.reference,
        )
        done.append(marks | {"berichtTransportId": bericht.transport_id})

    def _list(self, box: Mailbox, query: Mapping[str, str]) -> Reply:
        faults: list[Json] = []
        filters = _read_filters(query, faults)
        page = _whole(query, "pagina", 1, faults)
        size = min(_whole(query, "berichtenPerPagina", LIST_LIMIT, faults), LIST_LIMIT)
        if faults:
            return _refused(400, "BBA-LIST-F001", {"invalidParameters": faults})
        found = box.select(filters, self._now())
        pages = max(1, -(-len(found) // size))
        shown = found[(page - 1) * size : page * size]
        answer: Json = {
            "berichten": [one.kenmerken() for one in shown],
            "paginering": {
                "pagineringVerzoek": {"pagina": page},
                "totaalAantalBerichten": len(found),
                "aantalBerichtenOpDezePagina": len(shown),
                "aantalPaginas": pages,
                "huidigePagina": page,
                "eerstePagina": page == 1,
                "laatstePagina": page >= pages,
            },
        }
        note_listed(shown)
        return _succeeded(answer)

    def _count(self, box: Mailbox, query: Mapping[str, str]) -> Reply:
        states = _COUNTS.get(query.get("soort", ""))
        if states is None:
            return _refused(400, "BBA-SUMMARIZE-F001")
        return _succeeded({"aantalBerichten": box.count(states, self._now())})

    def _fetch(self, box: Mailbox, ids: list[str]) -> Reply:
        if len(ids) > FETCH_LIMIT:
            return _refused(400, "BBA-GET-F004")
        now = self._now()
        found, missing = [], []
        for one in dict.fromkeys(ids):
            bericht = box.fetch(one, now)
            if isinstance(bericht, Bericht):
                found.append({"berichtKenmerken": bericht.kenmerken(), "berichtInhoud": bericht.content})
            else:
                missing.append(_missing(one, "BBA-GET-", bericht))
        return _succeeded({"opgehaaldeBerichten": found, "nietOpgehaaldeBerichten": missing})

    def _delete(self, box: Mailbox, ids: list[str]) -> Reply:
        if len(ids) > FETCH_LIMIT:
            return _refused(400, "BBA-DELETE-F004")
        now = self._now()
        outcomes = {one: box.delete(one, now) for one in dict.fromkeys(ids)}
        return _succeeded(
            {
                "succesvolVerwijderdeBerichten": [one for one, why in outcomes.items() if why is None],
                "nietSuccesvolVerwijderdeBerichten": [
                    _missing(one, "BBA-DELETE-", why) for one, why in outcomes.items() if why is not None
                ],
            }
        )

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._settings.clock(), dt.UTC)


def _read_directory(settings: SimulatorSettings) -> list[Json]:
    if settings.berichten_dir is None:
        return []
    return [orjson.loads(path.read_bytes()) for path in sorted(settings.berichten_dir.glob("*.json"))]


def _transport_ids(rest: str) -> list[str] | None:
    """The UUIDs of `/berichten/{id,id…}`; None for another path."""
    base, _, ids = rest.rpartition("/")
    if base != "/berichten" or not ids or ids in {"ping", "telling", "conversie"}:
        return None
    return ids.split(",")


def _read_filters(query: Mapping[str, str], faults: list[Json]) -> Filters:
    states = Filters().states
    if given := query.get("status"):
        known = {state.value: state for state in State}
        faults.extend({"key": "status", "value": one} for one in given.split(",") if one not in known)
        states = frozenset(known[one] for one in given.split(",") if one in known)
    moments = [_moment(query, name, faults) for name in ("vanafMoment", "totMoment")]
    return Filters(states, query.get("berichtType") or None, *moments)


def _moment(query: Mapping[str, str], name: str, faults: list[Json]) -> dt.datetime | None:
    given = query.get(name)
    if not given:
        return None
    try:
        # A plus sign that was not encoded arrives as a space.
        moment = dt.datetime.fromisoformat(given.replace(" ", "+"))
    except ValueError:
        faults.append({"key": name, "value": given})
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _whole(query: Mapping[str, str], name: str, default: int, faults: list[Json]) -> int:
    given = query.get(name)
    if not given:
        return default
    if given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0:
        return int(given)
    faults.append({"key": name, "value": given})
    return default


def _missing(transport_id: str, prefix: str, why: Missing) -> Json:
    return {"berichtTransportId": transport_id, "foutmeldingen": [_document(200, prefix + why.value)]}


def _document(status: int, code: str, extra: Json | None = None) -> Json:
    title, detail = _TEXTS[code]
    moment = dt.datetime.now(dt.UTC).isoformat()
    return {"type": TYPE + code, "title": title, "detail": detail, "status": status, "dateTime": moment} | (extra or {})


def _refused(status: int, code: str, extra: Json | None = None) -> Reply:
    return Reply(status, orjson.dumps(_document(status, code, extra)), PROBLEM)


def _succeeded(answer: Json) -> Reply:
    return Reply(200, orjson.dumps({"interactieId": str(uuid.uuid4())} | answer), PLAIN_JSON)
