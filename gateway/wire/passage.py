"""A request that carries its permission, and knows whether its first byte has left.

Owns the last look before that byte, and the word for what went wrong. Refuses to send after the deadline, on a
connection that closed meanwhile, and without a permission at all. Built on two public hooks of aiohttp: the class of
requests and the middleware of a single request.
"""

import time

import aiohttp
import aiohttp.http_parser
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.connector import Connection

from gateway.wire.answer import AnswerUnreadable


class PermissionExpired(Exception):
    """The deadline had passed when the first byte was about to leave."""


class Passage:
    """The permission of one request. It is handed to the request as a middleware, the only public way in."""

    __slots__ = ("_deadline", "sent")

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self.sent = False

    async def __call__(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        if not isinstance(request, PermittedRequest):
            raise TypeError("The session does not make requests that carry their permission.")
        request.passage = self
        return await handler(request)

    def check(self) -> None:
        # Not the loop's clock: under uvloop that one stands still while a handshake or a call computes.
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise PermissionExpired


class PermittedRequest(aiohttp.ClientRequest):
    """A request that looks at its permission before the first byte, and notes that the byte has left.

    aiohttp writes a request without a body in `send`; one with a body in `write_bytes`, in a task of its own.
    """

    passage: Passage

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        self.passage.check()
        if self._body is None:
            self.passage.sent = True
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        trouble = self._look(conn)
        if trouble is None:
            self.passage.sent = True
            await super().write_bytes(writer, conn, content_length)
        elif conn.protocol is not None and conn.protocol.exception() is None:
            # Who waits for the answer gets the exception instead, and closes the unused connection.
            conn.protocol.set_exception(trouble)

    def _look(self, conn: Connection) -> Exception | None:
        """Look a last time, in the same step as the first byte: this task started after the request was handed over."""
        try:
            self.passage.check()
        except PermissionExpired as expired:
            return expired
        if conn.protocol is None or not conn.protocol.is_connected():
            return aiohttp.ClientConnectionResetError("the kept connection was closed")
        return None


def check_aiohttp() -> None:
    """Raise RuntimeError unless aiohttp is as this module needs it: the parser in C, and its repeating can be off."""
    if aiohttp.http_parser.HttpResponseParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp runs without its parser in C")
    if "_retry_connection" not in aiohttp.ClientSession.ATTRS:
        raise RuntimeError("this aiohttp gives no hold on its own repeating of requests")


def word_for(error: Exception, passage: Passage) -> str:
    """A stable word for what went wrong; it stands in the register and on the caller's problem document."""
    if isinstance(error, PermissionExpired):
        return "toestemmingVerlopen"
    if not passage.sent:
        return _reason_before(error)
    if isinstance(error, TimeoutError):
        return "antwoordTeLaat"
    if isinstance(error, aiohttp.ClientResponseError | AnswerUnreadable):
        return "antwoordOnleesbaar"
    return "verbindingVerbroken"


def _reason_before(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "naamOnbekend"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tlsMislukt"
    if isinstance(error, TimeoutError):
        return "verbindingTeLaat"
    if isinstance(error, aiohttp.ClientError | OSError):
        return "geenVerbinding"
    return "verzoekOnbruikbaar"
