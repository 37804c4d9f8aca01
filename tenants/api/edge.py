"""The outside of the admin API: what every answer has, and what becomes of everything that goes wrong.

Every answer, refusals of unknown paths and methods included, has the version, the security headers and a number that
the log line has too. Every refusal is a problem document. What nobody foresaw is a bare 500 with that number.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from uuid import uuid4

import asyncpg
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from tenants.api.answering import answer
from tenants.api.openapi import VERSION
from tenants.api.problems import Refused, problem_of
from tenants.api.routing import ACTOR, Rooms, Route
from tenants.metrics import Note
from tenants.origin import UNKNOWN, origin_of
from tenants.pools import WrongRole
from tenants.serve import Application

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SECONDS: Final = 60.0
_TRANSACTION: Final = "koppelpunt.transactie"
_ONCE: Final = frozenset(
    {
        b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"if-match",
        b"idempotency-key", b"koppelpunt-tenant",
    }
)  # fmt: skip
MOST_HEADERS: Final = 64
"""As the gateway: what no decent client sends costs no more than its reading."""
# SQLSTATE classes that say that the server cannot now: connection, transaction, authorisation of the connection, no such
# database, rollback, resources, object in use, operator, system.
_OUTAGES: Final = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"api-version", VERSION.encode()),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
log = structlog.get_logger("koppelpunt.admin")


def make_api(routes: Iterable[Route], rooms: Rooms, note: Note = lambda *_: None) -> Application:
    """Make the application of a table of routes; what is not in the table is 404 or 405. `note` hears of each request."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    inner = Starlette(
        routes=[
            StarletteRoute(path, _endpoint(methods, rooms, note), methods=list(methods))
            for path, methods in by_path.items()
        ],
        exception_handlers={HTTPException: _unknown},
    )
    # A trailing slash is another path, and there is none (NL API Design Rules: no trailing slash).
    inner.router.redirect_slashes = False
    return _outside(inner)


def problem_of_unreadable(status: int) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of the answer to what was no HTTP at all: for the server, which finds that before any route."""
    transaction = str(uuid4())
    made = _problem(Refused(status, "geenHttp", "Het verzoek is geen geldige HTTP/1.1."), transaction)
    content_type = made.headers["content-type"].encode()
    headers = [(b"content-type", content_type), *_HEADERS, (b"x-transactie-id", transaction.encode())]
    return status, headers, bytes(made.body)


def _outside(inner: Starlette) -> Application:
    async def outside(scope: Message, receive: Receive, send: Send, /) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        transaction = str(uuid4())
        headers = [*_HEADERS, (b"x-transactie-id", transaction.encode())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        scope = {**scope, _TRANSACTION: transaction}
        refusal = _fault_of_form(scope)
        if refusal is None:
            await inner(scope, receive, send_with_headers)
        else:
            await _problem(refusal, transaction)(scope, receive, send_with_headers)

    return outside


def _fault_of_form(scope: Message) -> Refused | None:
    """What two servers on the way could read differently is refused, and the connection closed."""
    names = [name for name, _ in scope["headers"]]
    if len(names) > MOST_HEADERS:
        return Refused(
            431, "teVeelKopregels", f"Het verzoek mag hoogstens {MOST_HEADERS} kopregels hebben.",
            headers={"Connection": "close"},
        )  # fmt: skip
    twice = sorted(name.decode() for name in _ONCE if names.count(name) > 1)
    if twice or names.count(b"host") != 1 or {b"content-length", b"transfer-encoding"} <= set(names):
        return Refused(
            400, "dubbelzinnig", "Het verzoek heeft dubbele of strijdige kopregels.", headers={"Connection": "close"}
        )
    if b"%" in scope["raw_path"]:
        return Refused(404, "onbekendAdres", "Dit adres bestaat niet; adressen hebben geen %-codes.")
    return None


def _endpoint(methods: dict[str, Route], rooms: Rooms, note: Note) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        transaction = request.scope[_TRANSACTION]
        code, begun = "", time.monotonic()
        try:
            async with asyncio.timeout(_SECONDS):
                made = await answer(route, request, rooms)
        except Refused as refusal:
            made, code = _problem(refusal, transaction), refusal.code
        except Exception as error:  # noqa: BLE001 - the boundary: nothing passes it but a problem document
            trouble = _of_trouble(error, reads=route.method == "GET")
            made, code = _problem(trouble, transaction), trouble.code
            # The class alone: a text or a traceback may hold what was given.
            log.error("beheer_fout", transactie=transaction, fout=type(error).__name__)  # noqa: TRY400
        log.info(
            "beheer",
            transactie=transaction,
            actie=route.name,
            object=route.path,
            resultaat=made.status_code,
            code=code,
            oorsprong=origin_of(None if request.client is None else request.client.host),
            onderdeel="tenants",
            actor=request.scope.get(ACTOR, UNKNOWN),
        )
        note(route.name, made.status_code, code, time.monotonic() - begun)
        return made

    return endpoint


def _of_trouble(error: Exception, *, reads: bool) -> Refused:
    outage = isinstance(error, (OSError, TimeoutError, WrongRole, asyncpg.InterfaceError, asyncpg.InternalClientError))
    if isinstance(error, asyncpg.PostgresError):
        outage = (error.sqlstate or "")[:2] in _OUTAGES
    if outage and not isinstance(error, asyncpg.DataError):
        return Refused(
            503,
            "databankNietBereikbaar",
            "De databank antwoordt niet. Herhaal het verzoek."
            if reads
            else "De databank antwoordt niet. Of een wijziging is gelukt, is niet bekend: vraag het na, of herhaal het verzoek.",
            headers={"Retry-After": "5"},
        )
    return Refused(
        500, "onverwacht", "Er ging iets mis dat niemand voorzag. Geef de operator het nummer in 'instance'."
    )


async def _unknown(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = error.headers if isinstance(error, HTTPException) else None
    refusal = (
        Refused(405, "onbekendeMethode", "Deze methode kan hier niet.", headers=headers)
        if status == 405
        else Refused(404, "onbekendAdres", "Dit adres bestaat niet.")
    )
    return _problem(refusal, request.scope[_TRANSACTION])


def _problem(refusal: Refused, transaction: str) -> Response:
    return Response(
        content=problem_of(refusal, transaction).model_dump_json(by_alias=True, exclude_none=True),
        status_code=refusal.status,
        headers=refusal.headers,
        media_type="application/problem+json",
    )
