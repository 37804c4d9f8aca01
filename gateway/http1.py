"""HTTP/1.1 as hypercorn speaks it, with closed what hypercorn and h11 leave open. Bytes in, bytes out: no sockets.

Hypercorn (0.18.0, pinned; the classes below extend its private ones, and tests hold them) leaves much to whoever runs
it. What is different here, and why:

- the head of a request is read by its letter: no bare LF, no folded lines, no control characters, one framing header,
  and a limit on its size also when it arrives in one read. h11 forgives all of these, and the next reader may not;
- HTTP/1.1 only: no h2c by upgrade or prior knowledge, no WebSocket;
- refusing a body that is still coming does not hang: what the application no longer reads is dropped;
- a caller that hangs up, or an error in its connection, never cancels the application;
- head and body of an answer leave in one write.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import h11
import structlog
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import Body, EndBody, Request, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from gateway.call import Outgoing

Message = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_UNFIT: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FRAMING: Final = re.compile(rb"\n(?:content-length|transfer-encoding)[ \t]*:([^\r]*)", re.IGNORECASE)
_MOST_WAITING: Final = 8

_log = structlog.get_logger("koppelpunt.http")


class StrictConnection(h11.Connection):
    """h11's reading of a connection, after a look of our own at each head. `ended` lets nothing more be read."""

    def __init__(self, most_head: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=most_head)
        self.most_head = most_head
        self.ended = False

    def next_event(self) -> Any:
        """As h11's. Raises RemoteProtocolError with the status that fits."""
        if self.ended:
            raise h11.RemoteProtocolError("the connection has ended")
        if self.their_state is h11.IDLE:
            self._check_head(self.trailing_data[0])
        return super().next_event()

    def _check_head(self, waiting: bytes) -> None:
        end = _HEAD_END.search(waiting)
        if (len(waiting) if end is None else end.end()) > self.most_head:
            raise h11.RemoteProtocolError("head too large", error_status_hint=431)
        if end is None:
            return
        head = waiting[: end.end()]
        framing = _FRAMING.findall(head)
        if _UNFIT.search(head) or len(framing) > 1 or (framing and b"," in framing[0]):
            raise h11.RemoteProtocolError("head not to be trusted", error_status_hint=400)


class Inbox:
    """What a request still has to say to the application: bounded, and never in the way of its end."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._gone = False

    async def put(self, message: Message) -> None:
        """Add a message, waiting for room; after the end nothing is added and nobody waits."""
        if message["type"] == "http.disconnect":
            self._gone = True
            self._changed.set()
            self._room.set()
            return
        while len(self._messages) >= _MOST_WAITING and not self._gone:
            self._room.clear()
            await self._room.wait()
        if not self._gone:
            self._messages.append(message)
            self._changed.set()

    async def get(self) -> Message:
        """Return the next message; after the last one, `http.disconnect` whenever the connection has gone."""
        while not self._messages:
            if self._gone:
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()
        message = self._messages.popleft()
        self._room.set()
        return message


class ApplicationTasks:
    """The application's runs for one connection. They end by themselves; nothing of the connection cancels them."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._running: set[asyncio.Task[None]] = set()

    async def spawn_app(
        self, _app: object, _config: Config, scope: Any, send: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Start the application on one request and return where its body goes. The signature is hypercorn's."""
        inbox = Inbox()
        task = asyncio.get_running_loop().create_task(self._run(scope, inbox, send))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return inbox.put

    async def _run(self, scope: Any, inbox: Inbox, send: Callable[[Any], Awaitable[None]]) -> None:
        try:
            await self._application(scope, inbox.get, send)
        except Exception as error:  # noqa: BLE001 - its text may hold personal data: only its type is told
            _log.error("toepassing mislukt", soort=type(error).__name__)
        finally:
            try:
                await send(None)
            except Exception as error:  # noqa: BLE001 - as above
                _log.error("antwoord mislukt", soort=type(error).__name__)

    async def ended(self) -> None:
        """Wait until every run has ended."""
        while self._running:
            await asyncio.wait(self._running)

    def cancel(self) -> None:
        """Give up on the runs: only when the process may not wait any longer."""
        for task in self._running:
            task.cancel()


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1, on a StrictConnection, with one write per answer and a document in every refusal."""

    unreadable: Callable[[int], Outgoing]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connection: StrictConnection = StrictConnection(self.config.h11_max_incomplete_size)
        self._head = b""

    @property
    def is_between_requests(self) -> bool:
        """Whether nothing of a request is being read or answered here."""
        connection = self.connection
        return (
            self.stream is None
            and connection.their_state is h11.IDLE
            and connection.our_state is h11.IDLE
            and connection.trailing_data == (b"", False)
        )

    def is_last(self) -> bool:
        """Whether the server wants no further request on this connection."""
        return self.keep_alive_requests >= self.config.keep_alive_max_requests or self.context.terminated.is_set()

    async def _check_protocol(self, event: h11.Request) -> None:
        """No upgrade is ever made; the application sees the header and may refuse it."""

    async def _create_stream(self, request: h11.Request) -> None:
        if request.http_version not in {b"1.1", b"1.0"}:
            await self._send_error_response(505)
            await self.send(Closed())
            return
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    async def stream_send(self, event: StreamEvent) -> None:
        """Hold the head back until the first of the body, so that both leave in one write."""
        if isinstance(event, Response) and event.status_code >= 200:
            headers = [*event.headers, *self.config.response_headers("h11")]
            if self.is_last() and (b"connection", b"close") not in headers:
                headers.append((b"connection", b"close"))
            self._head = self._bytes_of(h11.Response(headers=headers, status_code=event.status_code))
        elif isinstance(event, Body):
            await self._write(self._bytes_of(h11.Data(data=event.data)))
        elif isinstance(event, EndBody):
            await self._write(self._bytes_of(h11.EndOfMessage()))
        else:
            await super().stream_send(event)

    def _bytes_of(self, event: Any) -> bytes:
        try:
            return self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is h11.ERROR:
                return b""
            raise

    async def _write(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if data:
            await self.send(RawData(data=data))

    async def _send_error_response(self, status_code: int) -> None:
        outgoing = type(self).unreadable(status_code)
        headers = [h for h in outgoing.headers if h[0] != b"connection"]
        headers += [(b"content-length", b"%d" % len(outgoing.body)), (b"connection", b"close")]
        headers += self.config.response_headers("h11")
        self._head = self._bytes_of(h11.Response(headers=headers, status_code=outgoing.status))
        await self._write(self._bytes_of(h11.Data(data=outgoing.body)) + self._bytes_of(h11.EndOfMessage()))
