"""The time before a gateway has its database: it is alive, says that it is not ready and why, and waits.

Owns only whether the main server of the database takes a connection. What an operator must mend (a password, a schema that
is not there) is not waited for: that is raised, and ends the process. A database that is away is no reason to end: who is
restarted again and again comes back later than who waits.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Gauge

from gateway.starting import hindrance_of
from gateway.watching import make_watching

_PASSING: Final = frozenset({"databaseUnreachable", "nameUnknown"})
_log = structlog.get_logger("koppelpunt.start")


class _Application(Protocol):
    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        /,
    ) -> None: ...


class _Connection(Protocol):
    async def close(self, *, timeout: float) -> None: ...


@dataclass(slots=True)
class Front:
    """An ASGI application that can be replaced by another while it is served."""

    application: _Application

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        /,
    ) -> None:
        await self.application(scope, receive, send)


def make_awaiting() -> Front:
    """What the watchers' port says until there is a database: alive, not ready, and that it is the database."""
    registry = CollectorRegistry()
    shown = Gauge("koppelpunt_ready", "Whether this part of the process is ready", ["check"], registry=registry)
    shown.labels("database").set(0)
    return Front(make_watching(registry, {"database": lambda: False}, {"database": lambda: "databaseUnreachable"}))


async def database_answers(
    connect: Callable[[], Awaitable[_Connection]],
    shutdown: asyncio.Event,
    watchers: "asyncio.Task[None]",
    pause: Callable[[], float] = lambda: random.uniform(0.5, 1.5),
) -> bool:
    """Wait until the database takes a connection; False when `shutdown` came first. One line of the log, however long.

    Raises what no waiting mends, and what the server of the watchers ended with.
    """
    trying, ending = asyncio.create_task(_connect_at_last(connect, pause)), asyncio.create_task(shutdown.wait())
    try:
        done, _ = await asyncio.wait({trying, ending, watchers}, return_when=asyncio.FIRST_COMPLETED)
        for one in done - {ending}:
            one.result()
        return trying in done
    finally:
        for one in (trying, ending):
            one.cancel()
        await asyncio.gather(trying, ending, return_exceptions=True)


async def _connect_at_last(connect: Callable[[], Awaitable[_Connection]], pause: Callable[[], float]) -> None:
    has_waited = False
    while True:
        try:
            connection = await connect()
        except Exception as error:
            found = hindrance_of(error)
            if found is None or found.code not in _PASSING:
                raise
            if not has_waited:
                has_waited = True
                _log.warning("database_awaited", reason=found.code, act=found.act, error=type(error).__name__)
            await asyncio.sleep(pause())
        else:
            await connection.close(timeout=2)
            if has_waited:
                _log.info("database_answers")
            return
