"""A request that carries its permission, and knows whether its first byte has left.

Owns the last look before that byte, and the word for what went wrong. Refuses to send after the deadline, on a
connection that closed meanwhile, and without a permission at all. Of aiohttp it uses connector, connection, request and
response, but not `ClientSession.request`: that repeats GET and DELETE by itself, follows redirects and keeps cookies,
and costs a fifth of a call. What stands here in its place sends once.
"""

import time

import aiohttp
import aiohttp.http_parser
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http import StreamWriter

from gateway.wire.answer import AnswerUnreadable

IN_ONE_WRITE = 32 * 1024
"""Bytes of a body that surely fit behind the head in a connection's buffer, so that no task is needed to write them."""

_READ_AHEAD = 64 * 1024


class PermissionExpired(Exception):
    """The deadline had passed when the first byte was about to leave."""


class Passage:
    """The permission of one request, and whether it was used: whether the first byte has left."""

    __slots__ = ("_deadline", "sent")

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self.sent = False

    def check(self) -> None:
        # Not the loop's clock: under uvloop that one stands still while a handshake or a call computes.
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise PermissionExpired


class PermittedRequest(aiohttp.ClientRequest):
    """A request that looks at its permission before the first byte, and notes that the byte has left.

    aiohttp writes a request without a body in `send`, and one with a large body in `write_bytes`, in a task of its own.
    A `small` body leaves here, with its head, in one write; aiohttp does not know of it.
    """

    passage: Passage
    small: bytes | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if self.small is not None:
            return await self._send_whole(conn, self.small)
        self.passage.check()
        if self._body is None:
            self.passage.sent = True
        return await super().send(conn)

    async def _send_whole(self, conn: Connection, body: bytes) -> aiohttp.ClientResponse:
        protocol = conn.protocol
        if protocol is None:
            raise aiohttp.ClientConnectionResetError("the kept connection was closed")
        writer = StreamWriter(protocol, self.loop)
        await writer.write_headers(f"{self.method} {self.url.raw_path_qs} HTTP/1.1", self.headers)
        trouble = self._look(conn)
        if trouble is not None:
            raise trouble
        self.passage.sent = True
        await writer.write_eof(body)
        return self.response_class(
            self.method, self.url, writer=None, continue100=None, timer=self._timer, request_info=self.request_info,
            traces=[], loop=self.loop, session=self.session, stream_writer=writer,
        )  # fmt: skip

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
        """Look a last time, in the same step as the first byte: nothing is awaited between the two."""
        try:
            self.passage.check()
        except PermissionExpired as expired:
            return expired
        if conn.protocol is None or not conn.protocol.is_connected():
            return aiohttp.ClientConnectionResetError("the kept connection was closed")
        return None


async def ask_once(
    session: aiohttp.ClientSession, request: PermittedRequest, passage: Passage, patience: float
) -> aiohttp.ClientResponse:
    """Send a request over a connection of this session's connector, once, and read the head of its answer.

    `patience` is how long getting a connection may take, in seconds. Raises as `ClientSession.request` does.
    """
    connector = session.connector
    if connector is None:
        raise aiohttp.ClientConnectionError("the pool is closed")
    request.passage = passage
    try:
        conn = await connector.connect(request, [], aiohttp.ClientTimeout(connect=patience, ceil_threshold=3600))
        try:
            return await _answered(conn, request)
        except BaseException:
            conn.close()
            raise
    except aiohttp.ClientError:
        raise
    except OSError as error:
        if error.errno is None and isinstance(error, TimeoutError):
            raise
        raise aiohttp.ClientOSError(*error.args) from error


async def _answered(conn: Connection, request: PermittedRequest) -> aiohttp.ClientResponse:
    if conn.protocol is None:
        raise aiohttp.ClientConnectionResetError("the kept connection was closed")
    conn.protocol.set_response_params(
        skip_payload=request.method == "HEAD", read_until_eof=True, auto_decompress=False, read_bufsize=_READ_AHEAD
    )
    response = await request.send(conn)
    try:
        return await response.start(conn)
    except BaseException:
        response.close()
        raise


def check_aiohttp() -> None:
    """Raise RuntimeError unless aiohttp is as this module needs it: with the parser in C."""
    if aiohttp.http_parser.HttpResponseParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp runs without its parser in C")


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
