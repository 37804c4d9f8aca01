"""Which of the servers of one database is asked: of those that the URL names, the first that is the main one.

    postgresql://user:password@first:5432,second:5432/koppelpunt

Owns the order of trying, and the memory of this process about fail-overs. A server that hangs costs a bounded time and
not the whole attempt (a driver's own list of hosts waits for the first one). Refuses to go back: when a standby was
promoted it began a new timeline, and the server that it left behind, though it may still take writes, is a fork of the
register. A process that has seen a later timeline never uses an earlier one again, and drops what it still holds there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import asyncpg

from tenants.durable import DURABLE

_HOST_SECONDS = 2.0
_MAIN = (
    "SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 0"
    " ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END"
)
T = TypeVar("T")


class NotTheMainServer(OSError):
    """A server that is a standby, takes no writes, or was left behind by a fail-over."""


def urls_of(url: str) -> list[str]:
    """Return one URL per host that a URL names, in its order."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=user + at + host)) for host in hosts.split(",")]


async def first_of(
    url: str, seconds: float, attempt: Callable[[str], Awaitable[T]], tells: Callable[[Exception], bool] = bool
) -> T:
    """Try each host in turn until one attempt succeeds. TimeoutError stands for a host that hangs.

    `seconds` are those of the only host; of several, each has at most two. Raises the first failure that `tells` more
    than that another host should be asked, or else the last.
    """
    urls = urls_of(url)
    share = seconds if len(urls) == 1 else min(seconds, _HOST_SECONDS)
    failures: list[Exception] = []
    for one in urls:
        try:
            async with asyncio.timeout(share):
                return await attempt(one)
        except Exception as failure:  # noqa: BLE001 - raised below
            failures.append(failure)
    raise next(filter(tells, failures), failures[-1])


@dataclass(slots=True)
class Timelines:
    """The latest timeline that this process has seen, and the connections of which it knows theirs."""

    latest: int = 0
    _held: WeakKeyDictionary[asyncpg.Connection, int] = field(default_factory=WeakKeyDictionary)

    def admit(self, timeline: int, connection: asyncpg.Connection) -> bool:
        """Tell whether a server of this timeline may be used. A later one ends every connection with an earlier."""
        if timeline < self.latest:
            return False
        self._held[connection] = timeline
        if timeline > self.latest:
            self.latest = timeline
            for older in [held for held, of in self._held.items() if of < timeline]:
                older.terminate()
        return True


async def timeline_of(connection: asyncpg.Connection) -> int:
    """Return the timeline of a main server; 0 of a server that takes no writes now."""
    return int(await connection.fetchval(_MAIN))


async def connect(url: str, timelines: Timelines, *, seconds: float = 5.0, **settings: Any) -> asyncpg.Connection:
    """Connect to the main server among those of the URL. Raises what asyncpg raises, or NotTheMainServer."""

    async def attempt(one: str) -> asyncpg.Connection:
        connection = await asyncpg.connect(one, timeout=seconds, server_settings=dict(DURABLE), **settings)
        try:
            admitted = timelines.admit(await timeline_of(connection) or -1, connection)
        except BaseException:
            connection.terminate()
            raise
        if not admitted:
            connection.terminate()
            raise NotTheMainServer("not the main server of the register")
        return connection

    return await first_of(url, seconds, attempt)
