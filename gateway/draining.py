"""The connections of one server, and how it parts from them at the end without losing a request (RFC 9112 §9.6).

    no more are taken in → what asks is answered with `Connection: close` → idle ones are closed → the rest is given up

What was on its way in when the server was told to end still comes in, and may ask once. An idle connection is closed only
when nothing has come over it that is still to be read. What cannot be mended from this side: a request that is still on the
wire when its connection is closed after `idle_seconds` without one. HTTP/1.1 has no word for *I am about to close* but
that in an answer; so where a caller closes its own idle connections sooner than that, no request is ever lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from gateway.connection import Connection
from gateway.fairness import OF_CONNECTIONS, has_room

_log = structlog.get_logger("koppelpunt.http")


@dataclass(slots=True)
class Connections:
    """Those that are past their handshake; `most` at once, and of one source a share. Belongs to one event loop."""

    most: int
    _running: dict[Connection, asyncio.Task[None]] = field(default_factory=dict)
    _of_source: Counter[str] = field(default_factory=Counter)
    _are_leaving: bool = False

    @property
    def are_full(self) -> bool:
        """Whether there is no place for another."""
        return len(self._running) >= self.most

    def have_room(self, source: str) -> bool:
        """Whether there is a place for this source: who holds nearly all of them must leave some for another."""
        return has_room(self._of_source[source], self.most - len(self._running), OF_CONNECTIONS)

    async def run(self, connection: Connection, source: str) -> None:
        """Serve a connection to its end, in the task that calls this."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._running[connection] = task
        self._of_source[source] += 1
        if self._are_leaving:
            connection.leave()
        try:
            await connection.run()
        finally:
            del self._running[connection]
            self._of_source[source] -= 1
            if not self._of_source[source]:
                del self._of_source[source]

    async def drain(
        self, entering: Callable[[], Collection[asyncio.Task[None]]], idle_seconds: float, seconds: float
    ) -> None:
        """Let idle ones ask once more for `idle_seconds`, close them, and give up on what is left after `seconds`.

        `entering` are the connections that are still in their handshake: they are waited for as well.
        """
        begun = len(self._running)
        await self._until_gone(entering, idle_seconds)
        self._are_leaving = True
        idle = sum([connection.leave() for connection in tuple(self._running)])
        await self._until_gone(entering, seconds)
        cut = tuple(self._running.items())
        for connection, _ in cut:
            connection.abort()
        await asyncio.gather(*(task for _, task in cut), return_exceptions=True)
        if begun or cut:
            _log.info("connections_drained", were=begun, idle=idle, cut=len(cut))

    async def _until_gone(self, entering: Callable[[], Collection[asyncio.Task[None]]], seconds: float) -> None:
        """Wait until there is no connection left, those on their way in included, or the time is over."""
        if seconds <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # One that has come in stands among the running before it is gone from the entering.
                while here := {*entering(), *self._running.values()}:
                    await asyncio.wait(here)
