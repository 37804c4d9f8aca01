"""Takes connections from listening sockets, each with a place of its own before its TLS handshake begins.

`asyncio.start_server` begins a handshake for whatever connects, and tells of a connection only when that is done: nothing
bounds what has not said anything yet. Here a connection without a place (`gateway.entrance`) is reset at once; what it
sent stays in the kernel. Works on asyncio's loop and on uvloop's alike, by what both document.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from gateway.entrance import Entrance, source_of

BACKLOG: Final = 1024
_AT_ONCE: Final = 64
_LIMIT: Final = 64 * 1024
_PAUSE: Final = 1.0
_RESET: Final = struct.pack("ii", 1, 0)
_SCARCE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_log = structlog.get_logger("koppelpunt.http")


class Incoming(asyncio.StreamReader):
    """What a caller sends, with the knowledge whether something of it came that nobody has taken yet."""

    def __init__(self) -> None:
        super().__init__(limit=_LIMIT)
        self._untaken = 0

    @property
    def has_untaken(self) -> bool:
        return self._untaken > 0

    def feed_data(self, data: Any) -> None:
        """Called by the transport."""
        self._untaken += len(data)
        super().feed_data(data)

    async def take(self, size: int) -> bytes:
        """What there is, `size` bytes at most; nothing at the end of the connection. Raises OSError when it broke."""
        data = await self.read(size)
        self._untaken -= len(data)
        return data


Accept = Callable[[Incoming, asyncio.StreamWriter], Awaitable[None]]


async def bind_to(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Listen on every address that a host name has. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
            one.setblocking(False)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


class Listener:
    """Belongs to one event loop. `accept` is run for each connection that has come in; `tls` is what its handshake needs.

    `is_full` says that no connection has a place any more, past its handshake or not.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        entrance: Entrance,
        accept: Accept,
        tls: dict[str, Any],
        is_full: Callable[[], bool],
    ) -> None:
        self._sockets = sockets
        self._entrance = entrance
        self._accept = accept
        self._tls = tls
        self._is_full = is_full
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._closed = False
        for one in sockets:
            self._loop.add_reader(one.fileno(), self._take, one)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return int(self._sockets[0].getsockname()[1])

    def entering(self) -> Collection[asyncio.Task[None]]:
        """The connections on their way in: accepted, and not past their handshake."""
        return self._entering

    def close(self) -> None:
        """Take no more connections. Those on their way in go on until `end`."""
        self._closed = True
        for one in self._sockets:
            self._loop.remove_reader(one.fileno())
            # Whoever waits in the kernel takes itself for connected, and may have asked already. Where the socket is also
            # another's (a parent's, for the next worker) they would be served there; where it is not, they would be reset.
            for _ in range(BACKLOG // _AT_ONCE + 1):
                if self._take(one):
                    break
            one.close()

    async def end(self) -> None:
        """End what is still on its way in."""
        for task in self._entering:
            task.cancel()
        await asyncio.gather(*self._entering, return_exceptions=True)

    def _take(self, listening: socket.socket) -> bool:
        """Take what waits; False if there may be more. A bounded number in one turn: a flood must not hold up the calls."""
        for _ in range(_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return True
            except OSError as error:
                if error.errno not in _SCARCE:
                    raise
                # Out of descriptors or memory: what comes waits in the kernel for a moment.
                _log.error("connections_not_accepted", error=errno.errorcode[error.errno or 0])
                self._loop.remove_reader(listening.fileno())
                self._loop.call_later(_PAUSE, self._resume, listening)
                return True
            source = source_of(address[0])
            if self._is_full() or not self._entrance.enter(source):
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.close()
                continue
            task = self._loop.create_task(self._enter(connection, source))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)
        return False

    def _resume(self, listening: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listening.fileno(), self._take, listening)

    async def _enter(self, connection: socket.socket, source: str) -> None:
        """Do the handshake, if there is one; `accept` runs as a task of its own from then on."""
        incoming = Incoming()
        protocol = asyncio.StreamReaderProtocol(incoming, lambda _, writer: self._accept(incoming, writer))
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: protocol, connection, **self._tls)
        except OSError:
            # A handshake that failed or took too long; ssl.SSLError and TimeoutError are OSErrors too.
            connection.close()
        finally:
            self._entrance.leave(source)
