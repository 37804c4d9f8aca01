"""One caller's connection: its socket, its clocks and its end. What is said over it belongs to `gateway.plain`, or to
`gateway.http1` where it is not plain.

There is a deadline on the head of a request, on an idle connection and on writing to a caller that does not read.
Refusing a request that is still coming lingers shortly, because the kernel resets a connection that is closed with
bytes unread, and the answer with it. Hypercorn's own TCPServer has none of these, and starts a task per idle period.
"""

import asyncio
import select
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import h11
import structlog
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from gateway.deadline import Deadline
from gateway.http1 import Application, ApplicationTasks, Http1
from gateway.listening import Incoming
from gateway.plain import PlainExchange, PlainRequest, read_plain, scope_of

_READ_AT_ONCE: Final = 64 * 1024
_WRITE_BEHIND: Final = 64 * 1024

_log = structlog.get_logger("koppelpunt.http")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: for a whole head, between two requests, for writing, and for what still comes after a refusal."""

    head: float = 10.0
    idle: float = 75.0
    write: float = 30.0
    linger: float = 1.0


class Connection:
    """One caller's connection, from accept to close. `http` and `times` are those of the server it belongs to."""

    def __init__(
        self,
        application: Application,
        http: type[Http1],
        times: Times,
        config: Config,
        context: WorkerContext,
        state: Any,
        reader: Incoming,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.times = times
        self.application = application
        self.config = config
        self.context = context
        self.state = state
        self.tasks = ApplicationTasks(application)
        self._make_http = partial(http, application, config, context, self.tasks, ConnectionState(state))
        self._http: Http1 | None = None
        self._fixed: MutableMapping[str, Any] = {}
        self._answering: asyncio.Task[Any] | None = None
        self._deadline = Deadline(self._give_up)
        self._cut: asyncio.TimerHandle | None = None
        self._reading_head = False
        self._waiting = False
        self._leaving = False
        self._finishing = False

    async def run(self) -> None:
        """Serve until either side ends. Returns when the application's last run has ended too."""
        try:
            socket = self.writer.get_extra_info("socket")
            is_tls = self.writer.get_extra_info("ssl_object") is not None
            peer = parse_socket_addr(socket.family, socket.getpeername())
            own = parse_socket_addr(socket.family, socket.getsockname())
            http = self._http = self._make_http(is_tls, peer, own, self._send)
            self._fixed = {
                "type": "http",
                "asgi": {"spec_version": "2.1", "version": "3.0"},
                "http_version": "1.1",
                "scheme": "https" if is_tls else "http",
                "root_path": self.config.root_path,
                "client": peer,
                "server": own,
            }
            self._expect_head()
            if self._leaving:
                self._deadline.begin(self.times.linger)
            await self._read(http)
        except OSError:
            pass
        finally:
            await self.tasks.ended()
            await self._close()
            # Nothing may point in a ring here: a connection over TLS holds a tenth of a MiB that Python's collector does
            # not see, and so would come for much too late.
            self._http = None

    async def _send(self, event: Event) -> None:
        """Write, end, or start and stop the clock of an idle connection."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            await self._finish()
        elif isinstance(event, Updated):
            self._stop_clock()
            if event.idle:
                self._rest()

    def leave(self) -> bool:
        """End as soon as nothing is asked here; True when that is now.

        Over a connection that has not brought a request yet one may come within `linger`: it was made for that.
        """
        self._leaving = True
        if not self._is_between_requests:
            return False
        if self._reading_head or self._has_untaken:
            self._deadline.begin(min(self.times.linger, self._deadline.left))
            return False
        self.writer.close()
        return True

    @property
    def _is_between_requests(self) -> bool:
        """Whether a next request is waited for, and nothing of it is read."""
        return self._waiting and self._http is not None and self._http.is_between_requests

    @property
    def _has_untaken(self) -> bool:
        """Whether something has come that nobody has taken yet: here, or in the kernel."""
        if self.reader.has_untaken:
            return True
        socket = self.writer.get_extra_info("socket")
        if self.writer.transport.is_closing() or socket is None:
            return False
        waiting = select.poll()
        waiting.register(socket.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def abort(self) -> None:
        """End at once, whatever is going on."""
        self.tasks.cancel()
        if self._answering is not None:
            self._answering.cancel()
        self.writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        transport = self.writer.transport
        if transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() < _WRITE_BEHIND:
            return
        try:
            async with asyncio.timeout(self.times.write):
                await self.writer.drain()
        except TimeoutError:
            transport.abort()
        except (OSError, RuntimeError):
            await self._tell_closed()

    async def _read(self, http: Http1) -> None:
        data, ended = b"", False
        while not ended:
            if not data:
                self._waiting = True
                data = await self._more(_READ_AT_ONCE)
                self._waiting = False
            ended = not data
            if self._finishing:
                data = b""
                continue
            plain = read_plain(data, http.connection.most_head) if http.is_between_requests else None
            try:
                if plain is not None:
                    data = await self._unless_gone(await self._answer(plain, http))
                    continue
                if http.stream is None and not self._reading_head:
                    self._expect_head()
                await http.handle(RawData(data))
            except Exception as error:  # noqa: BLE001 - the application must not suffer from its caller's connection
                _log.error("verbinding mislukt", soort=type(error).__name__)
                break
            data = b""
        await http.handle(Closed())

    async def _unless_gone(self, ahead: bytes) -> bytes:
        """What a caller asked ahead: after the others have had their turn, and only while somebody is there to hear it."""
        if ahead:
            await asyncio.sleep(0)
        return b"" if self.writer.transport.is_closing() else ahead

    async def _more(self, size: int) -> bytes:
        """Read what there is, `size` bytes at most; nothing at the end of the connection, however it came."""
        try:
            return await self.reader.take(size)
        except OSError:
            return b""

    async def _answer(self, request: PlainRequest, http: Http1) -> bytes:
        """Run the application on a plain request, here: nothing else is read meanwhile. Returns what came ahead."""
        self._stop_clock()
        http.keep_alive_requests += 1
        exchange = PlainExchange(request, self._more, self._write, self.config.response_headers("h11"), http.is_last)
        self._answering = asyncio.current_task()
        try:
            await self.application(scope_of(request, self._fixed, self.state), exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - its text may hold personal data: only its type is told
            _log.error("toepassing mislukt", soort=type(error).__name__)
        finally:
            self._answering = None
        if not exchange.ended:
            await exchange.fail()
        if exchange.last or exchange.left:
            await self._finish(is_whole=not exchange.left)
        else:
            self._rest()
        return exchange.ahead

    async def _finish(self, *, is_whole: bool = False) -> None:
        """End from our side. The order matters: nothing more is read as a request, then the answer's last byte goes.

        `is_whole` says that the request has come in to its end; otherwise h11 knows.
        """
        if self._finishing or self._http is None:
            return
        self._finishing = True
        connection = self._http.connection
        connection.ended = True
        self._stop_clock()
        await self._tell_closed()
        if is_whole or self.reader.at_eof() or connection.their_state in {h11.DONE, h11.MUST_CLOSE, h11.CLOSED}:
            self.writer.close()
            return
        # The request is not whole. What still comes is read and dropped, until the caller has had the time to read us.
        transport = self.writer.transport
        if transport.can_write_eof():
            transport.write_eof()
        self._cut = asyncio.get_running_loop().call_later(self.times.linger, transport.abort)

    async def _tell_closed(self) -> None:
        if self._http is not None:
            await self._http.handle(Closed())

    async def _close(self) -> None:
        self._deadline.end()
        if self._cut is not None:
            self._cut.cancel()
        transport = self.writer.transport
        transport.close()
        try:
            async with asyncio.timeout(self.times.write):
                await self.writer.wait_closed()
        except TimeoutError:
            transport.abort()
        except (OSError, RuntimeError):
            pass

    def _expect_head(self) -> None:
        self._stop_clock()
        self._reading_head = True
        self._deadline.begin(self.times.head)

    def _rest(self) -> None:
        # The head of an answer may have left before the server was told to end.
        self._deadline.begin(self.times.linger if self._leaving else self.times.idle)

    def _give_up(self) -> None:
        if self._is_between_requests and self._has_untaken:
            # It came in time, and is read as soon as this connection has its turn.
            self._deadline.begin(self.times.linger)
            return
        transport = self.writer.transport
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def _stop_clock(self) -> None:
        self._reading_head = False
        self._deadline.stop()
