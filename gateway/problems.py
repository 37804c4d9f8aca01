"""From error to problem document (RFC 9457): the one place where an error class meets HTTP.

A refusal of the gateway's own has, beside RFC 9457's members, `code`, the place on the path (`plaats`: gateway, token,
upstream or register) and the transaction id. Where RvIG would have refused the call too, the document is RvIG's, with
RvIG's members only; the transaction id then stands in the header alone. An error that is in no table is a bare 500.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from gateway import errors
from gateway.brp import berichten, problems
from gateway.brp.problems import ProblemShape, problem_document
from gateway.call import Outgoing
from gateway.catalogue import Api
from gateway.errors import AsRvig, KoppelpuntError, NotAuthenticated

CONTENT_TYPE: Final = b"application/problem+json"
NOT_FOUND: Final = "padOnbekend"
"""Code of a path that is no part of any environment; everything below an environment gets RvIG's 404."""

AUTHENTICATION: Final = "authentication"
"""The code of RvIG's own 401: a NotAuthenticated with it is answered in RvIG's words."""

_TYPE: Final = "urn:koppelpunt:probleem:"


@dataclass(frozen=True, slots=True)
class Entry:
    """How one class of errors looks from outside: status, Dutch title, and the last part of its type URI."""

    status: int
    title: str
    type: str


TABLE: Final[Mapping[type[KoppelpuntError], Entry]] = {
    errors.KoppelpuntError: Entry(500, "Er is een onverwachte fout opgetreden.", "onverwacht"),
    errors.CallerError: Entry(400, "De aanroep is niet goed.", "aanroep"),
    errors.Malformed: Entry(400, "De aanroep is niet leesbaar.", "onleesbaar"),
    errors.NotAuthenticated: Entry(401, "Niet correct geauthenticeerd.", "niet-geauthenticeerd"),
    errors.NotPermitted: Entry(403, "Deze aanroep is niet toegestaan.", "niet-toegestaan"),
    errors.AsRvig: Entry(400, "De aanroep is geweigerd zoals RvIG die zou weigeren.", "rvig"),
    errors.TooMany: Entry(429, "Er zijn te veel aanroepen.", "te-veel"),
    errors.TenantError: Entry(403, "De beheerder van de organisatie moet iets herstellen.", "beheerder"),
    errors.Blocked: Entry(403, "De aansluiting is geblokkeerd, ingetrokken of verlopen.", "geblokkeerd"),
    errors.PatternUnmet: Entry(403, "De aansluiting voldoet niet aan haar aansluitpatroon.", "aansluitpatroon"),
    errors.OperatorError: Entry(503, "De dienst is tijdelijk niet beschikbaar.", "dienst"),
    errors.IdentityUnavailable: Entry(503, "De identiteit van de aansluiting is niet bruikbaar.", "identiteit"),
    errors.IdpUnavailable: Entry(503, "De identiteitsvoorziening is niet bereikbaar.", "identiteitsvoorziening"),
    errors.RegisterUnavailable: Entry(503, "Het register kan niet worden geschreven.", "register"),
    errors.TokenError: Entry(502, "RvIG gaf geen token.", "token"),
    errors.TokenRefused: Entry(502, "RvIG weigerde het token.", "token-geweigerd"),
    errors.TokenUnavailable: Entry(503, "Er kon niet op tijd een token worden verkregen.", "token-niet-beschikbaar"),
    errors.UpstreamUnavailable: Entry(502, "RvIG gaf geen bruikbaar antwoord.", "bron"),
}
"""Every class in gateway.errors has its entry; a test walks them."""

STATUS_OF_CODE: Final[Mapping[str, int]] = {
    NOT_FOUND: 404,
    "bodyTeTraag": 408,
    "bodyTeGroot": 413,
    "doelTeLang": 414,
    "inhoudscodering": 415,
    "headersTeGroot": 431,
    "transferEncoding": 501,
    "httpVersie": 505,
    "teDruk": 503,
    "onderbroken": 503,
    "toestemmingVerlopen": 503,
    "verbindingTeLaat": 504,
    "antwoordTeLaat": 504,
}
"""Codes for which HTTP has a more exact status than that of their class."""

_HEADERS_OF_CODE: Final[Mapping[str, tuple[bytes, bytes]]] = {"inhoudscodering": (b"accept-encoding", b"gzip")}
_TITLE_OF_CODE: Final[Mapping[str, str]] = {NOT_FOUND: "Deze resource bestaat niet."}


def status_of(error: KoppelpuntError) -> int:
    """The status that a refusal is answered with."""
    if isinstance(error, AsRvig):
        return error.shape.status
    return STATUS_OF_CODE.get(error.code, entry_of(type(error)).status)


def render(error: KoppelpuntError, *, instance: str, transaction_id: UUID, api: Api | None = None) -> Outgoing:
    """Return the answer for a refusal. `api` is the one that was called, where it was one."""
    if isinstance(error, AsRvig):
        return render_shape(error.shape, instance, api)
    if isinstance(error, NotAuthenticated):
        return _unauthenticated(error, instance, transaction_id, api)
    entry, status = entry_of(type(error)), status_of(error)
    headers = [(b"content-type", CONTENT_TYPE)]
    # What RvIG may have processed must not be sent again by a caller that obeys Retry-After.
    if error.retry_after is not None and not error.sent:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.code in _HEADERS_OF_CODE:
        headers.append(_HEADERS_OF_CODE[error.code])
    if isinstance(error, errors.Malformed) and error.code != NOT_FOUND:
        headers.append((b"connection", b"close"))
    return Outgoing(status, headers, _own_document(error, entry, status, instance, transaction_id))


def render_shape(shape: ProblemShape, instance: str, api: Api | None = None) -> Outgoing:
    """Return RvIG's own document, members and all."""
    headers = [(b"content-type", CONTENT_TYPE)]
    if shape.status == problems.METHOD_NOT_ALLOWED.status:
        methods = ("POST",) if api is None else api.methods
        headers.append((b"allow", ", ".join(methods).encode("ascii")))
    return Outgoing(shape.status, headers, orjson.dumps(problem_document(shape, instance)))


def render_unexpected(*, instance: str, transaction_id: UUID) -> Outgoing:
    """Return the answer for an error that nobody foresaw: a bare 500 with a reference, and nothing about why."""
    document = {
        "type": "about:blank",
        "title": "Er is een onverwachte fout opgetreden.",
        "status": 500,
        "instance": instance,
        "code": "onverwacht",
        "plaats": "gateway",
        "transactieId": str(transaction_id),
    }
    return Outgoing(500, [(b"content-type", CONTENT_TYPE)], orjson.dumps(document))


def entry_of(kind: type[KoppelpuntError]) -> Entry:
    """The entry of a class, or of the nearest one above it that has an entry."""
    return next(TABLE[one] for one in kind.__mro__ if one in TABLE)


def _unauthenticated(error: NotAuthenticated, instance: str, transaction_id: UUID, api: Api | None) -> Outgoing:
    if error.code != AUTHENTICATION:
        entry = entry_of(type(error))
        body = _own_document(error, entry, entry.status, instance, transaction_id)
        answer = Outgoing(entry.status, [(b"content-type", CONTENT_TYPE)], body)
    elif api is not None and api.kind == "berichten":
        answer = render_shape(berichten.NOT_AUTHENTICATED, instance)
    else:
        answer = render_shape(problems.NOT_AUTHENTICATED, instance)
    # RFC 9110, 11.6.1: a 401 names what would be accepted; RFC 6750, 3: without an error code when nothing was sent.
    answer.headers.append((b"www-authenticate", b'Bearer realm="koppelpunt"'))
    return answer


def _own_document(error: KoppelpuntError, entry: Entry, status: int, instance: str, transaction_id: UUID) -> bytes:
    document: dict[str, Any] = {
        "type": _TYPE + entry.type,
        "title": _TITLE_OF_CODE.get(error.code, entry.title),
        "status": status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "plaats": error.place,
        "transactieId": str(transaction_id),
    }
    return orjson.dumps(document)
