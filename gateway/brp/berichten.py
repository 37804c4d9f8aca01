"""The routes of the BRP Berichten API, its limits and its problem documents.

Which mailbox is meant stands in the token, never here. A route is read strictly: an id is a UUID, nothing may be
empty. The size of one message (64 kB) is no reason to refuse, since RvIG announces that it will grow; it is
stated for the simulator. Source: BRP Berichten API 0.8.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from gateway.brp import problems
from gateway.brp.problems import ProblemShape

MOST_SENT: Final = 25
MOST_FETCHED: Final = 100
MOST_DELETED: Final = 100
MOST_LISTED: Final = 2_000
MOST_BYTES_OF_A_MESSAGE: Final = 64 * 1024
DAYS_KEPT: Final = 7

PROBLEM_TYPE: Final = "https://www.rvig.nl/brp/berichten-api/probleem/"
LIST_STATES: Final = frozenset({"nieuw", "gezien-in-lijst", "opgehaald"})
TELLINGEN: Final = frozenset({"nieuw", "gezien-in-lijst-en-niet-opgehaald", "niet-opgehaald"})

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_LONGEST_IDS: Final = 16_384


class Operation(StrEnum):
    """What a call does with the mailbox; a machtiging names these."""

    LIST = "list"
    FETCH = "fetch"
    DELETE = "delete"
    SEND = "send"
    PING = "ping"
    TELLING = "telling"
    CONVERSIE = "conversie"


@dataclass(frozen=True, slots=True)
class Route:
    """A call to the API: its operation and, for fetch and delete, the distinct message ids in lower case."""

    operation: Operation
    ids: tuple[str, ...] = ()


_FIXED: Final[dict[str, dict[str, Operation]]] = {
    "/berichten": {"GET": Operation.LIST, "POST": Operation.SEND},
    "/berichten/ping": {"GET": Operation.PING, "HEAD": Operation.PING},
    "/berichten/telling": {"GET": Operation.TELLING},
    "/berichten/conversie": {"POST": Operation.CONVERSIE},
}
_BY_IDS: Final = {"GET": Operation.FETCH, "DELETE": Operation.DELETE}
_MOST_IDS: Final = {Operation.FETCH: MOST_FETCHED, Operation.DELETE: MOST_DELETED}


def problem(code: str, status: int, title: str, detail: str | None = None) -> ProblemShape:
    """A problem of the Berichten API: it names its code in `type` and has no `code` member."""
    return ProblemShape(status, title, PROBLEM_TYPE + code, detail=detail)


NOT_AUTHENTICATED: Final = problem("BBA-AUTH-F001", 401, "Authenticatiefout", "Onjuiste of onbekende authenticatie.")
ACCOUNT_BLOCKED: Final = problem("BBA-AUTH-F002", 401, "Authenticatiefout", "Het account is geblokkeerd.")
TOO_MANY_SENT: Final = problem(
    "BBA-PUT-F001",
    400,
    "PUTREQUEST_NUMBER_OF_MESSAGES_IN_REQUEST_EXCEEDS_LIMITS",
    "Het aantal berichten in het verzoek overschrijd het ingestelde limiet",
)
INVALID_LIST: Final = problem(
    "BBA-LIST-F001", 400, "LIST_MESSAGE_REQUEST_INVALID_PARAMETERS", "Ongeldige zoekfilters opgegeven"
)
TOO_MANY_FETCHED: Final = problem(
    "BBA-GET-F004",
    400,
    "GETREQUEST_REQUESTED_NUMBER_OF_MESSAGES_EXCEEDS_LIMIT",
    "Het aantal opgevraagde berichten overschreed het ingestelde limiet",
)
TOO_MANY_DELETED: Final = problem(
    "BBA-DELETE-F004",
    400,
    "DELETEREQUEST_REQUESTED_NUMBER_OF_MESSAGES_EXCEEDS_LIMIT",
    "Het aantal berichten dat in dit verzoek verwijderd dient te worden overschrijft het ingestelde limiet",
)
INVALID_TELLING: Final = problem(
    "BBA-SUMMARIZE-F001",
    400,
    "SUMMARIZEREQUEST_INVALID_REQUEST_ERROR",
    "Het verzoek is onjuist controleer de zoekparameters.",
)
INTERNAL_ERROR: Final = problem("BBA-F999", 500, "Onbekende (/technische) fout.")

_TOO_MANY_IDS: Final = {Operation.FETCH: TOO_MANY_FETCHED, Operation.DELETE: TOO_MANY_DELETED}

EXPIRED: Final = "F001"
DELETED: Final = "F002"
NOT_FOUND: Final = "F003"
_DETAILS: Final = {
    "GET": {
        EXPIRED: (
            "GETREQUEST_MESSAGE_CONTENT_EXPIRED",
            "Het bericht is niet langer beschikbaar omdat de retentietijd verstreken is.",
        ),
        DELETED: (
            "GETREQUEST_MESSAGE_CONTENT_DELETED",
            "Het bericht is niet langer beschikbaar omdat het verwijderd is.",
        ),
        NOT_FOUND: ("GETREQUEST_MESSAGE_NOT_FOUND", "Onbekend berichtTransportId"),
    },
    "DELETE": {
        EXPIRED: (
            "DELETEREQUEST_MESSAGE_EXPIRED",
            "Het bericht is niet langer beschikbaar omdat de retentietijd verstreken is.",
        ),
        DELETED: (
            "DELETEREQUEST_MESSAGE_DELETED",
            "Het bericht is niet langer beschikbaar omdat het reeds verwijderd is.",
        ),
        NOT_FOUND: ("DELETEREQUEST_MESSAGE_NOT_FOUND", "Onbekend berichtTransportId"),
    },
}


def fault_of_message(method: str, which: str, status: int) -> ProblemShape:
    """Why one message was not fetched (`GET`) or deleted (`DELETE`), as it stands inside an answer that is 200."""
    title, detail = _DETAILS[method][which]
    return problem(f"BBA-{method}-{which}", status, title, detail)


def read_route(method: str, subpath: str) -> Route | ProblemShape:
    """The operation that a method and the path below the base path ask for, or 404, 405 or RvIG's 400 for too many.

    `subpath` is decoded, for instance `/berichten/ping`; the ids of fetch and delete stand in it, comma-separated.
    """
    fixed = _FIXED.get(subpath)
    if fixed is not None:
        operation = fixed.get(method)
        return problems.METHOD_NOT_ALLOWED if operation is None else Route(operation)
    if not subpath.startswith("/berichten/") or len(subpath) > _LONGEST_IDS:
        return problems.NOT_FOUND
    ids = subpath[len("/berichten/") :].split(",")
    if not all(_UUID.fullmatch(one) for one in ids):
        return problems.NOT_FOUND
    by_ids = _BY_IDS.get(method)
    if by_ids is None:
        return problems.METHOD_NOT_ALLOWED
    if len(ids) > _MOST_IDS[by_ids]:
        return _TOO_MANY_IDS[by_ids]
    return Route(by_ids, tuple(dict.fromkeys(one.lower() for one in ids)))


def check_send(body: object) -> ProblemShape | None:
    """Refuses a body that is no list of messages, or one of more than `MOST_SENT`."""
    berichten = body.get("berichten") if isinstance(body, dict) else None
    if not isinstance(berichten, list) or not all(isinstance(one, dict) for one in berichten):
        return problem("BBA-F999", 400, "Onbekende (/technische) fout.", "Het verzoek bevat geen lijst van berichten.")
    return TOO_MANY_SENT if len(berichten) > MOST_SENT else None


def oversized(content: object) -> bool:
    """Whether the content of one message (`berichtInhoud`) is larger than 64 kB as JSON. What is no JSON has no size."""
    try:
        return len(orjson.dumps(content)) > MOST_BYTES_OF_A_MESSAGE
    except TypeError:
        return False


def check_telling(soort: str | None) -> ProblemShape | None:
    """Refuses a count that does not exist or is not named."""
    return None if soort in TELLINGEN else INVALID_TELLING


def check_list(states: str | None, pagina: str | None, per_pagina: str | None) -> ProblemShape | None:
    """Refuses filters of a list that RvIG does not know: states, or a page or page size that is no count from 1."""
    if states and not LIST_STATES.issuperset(states.split(",")):
        return INVALID_LIST
    counts = (value for value in (pagina, per_pagina) if value is not None)
    return None if all(_is_count(value) for value in counts) else INVALID_LIST


def _is_count(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 9 and int(value) >= 1
