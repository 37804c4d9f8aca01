"""How often a machtiging may be used: calls a second, and calls a day. Asked for only where a machtiging says so.

*A second*: a bucket per machtiging in this process, so that several processes let through as many times the rate.

*A day* (in the Netherlands): exact over all processes, and it costs the way of a call nothing. PostgreSQL hands this
process a part of what is left (a fiftieth of it) in a statement of its own; calls are then counted in memory. So the sum
never passes the quota, not after a crash either; what a process had in hand and did not use is lost for that day. A
call counts from here on, whatever becomes of it: whoever is refused later has used one too. Without PostgreSQL nothing
is handed out.

Refuses with TooMany (teVeelPerSeconde, dagquotumBereikt) and RegisterUnavailable (quotumOnbekend). Memory is bounded by
the number of machtigingen with a limit; buckets that are full again and parts that are over are forgotten.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from gateway.errors import RegisterUnavailable, TooMany
from gateway.servers import Timelines, connect
from tenants.model import Machtiging

Key = tuple[int, int]
"""A machtiging: tenant_id, machtiging_id."""

_MOST_AT_HAND: Final = 10_000
_SECONDS: Final = 2.0
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    rate: float


@dataclass(slots=True)
class _Part:
    """What PostgreSQL handed out. `until` is monotonic; a part of another version of the machtiging is not used."""

    left: int = 0
    until: float = 0.0
    version: int = 0
    is_last: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_valid(self, version: int, now: float) -> bool:
        return self.version == version and now < self.until


class Quotas:
    """Belongs to one event loop. `url` is PostgreSQL's; a connection is made when the first quota is asked for."""

    def __init__(
        self, url: str, clock: Callable[[], float] = time.monotonic, timelines: Timelines | None = None
    ) -> None:
        self._url = url
        self._timelines = timelines or Timelines()
        self._clock = clock
        self._buckets: dict[Key, _Bucket] = {}
        self._parts: dict[Key, _Part] = {}
        self._pool: asyncpg.Pool | None = None
        self._making = asyncio.Lock()

    async def take(self, machtiging: Machtiging) -> None:
        """Take one call. Raises TooMany with the seconds to wait, RegisterUnavailable when nobody can say."""
        conditions = machtiging.conditions
        if conditions is None:
            return
        key = (machtiging.tenant_id, machtiging.machtiging_id)
        if conditions.rate is not None:
            self._take_rate(key, conditions.rate)
        if conditions.daily_quota is not None:
            await self._take_quota(key, machtiging.version)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    def __len__(self) -> int:
        return len(self._buckets) + len(self._parts)

    def _take_rate(self, key: Key, rate: float) -> None:
        now, burst = self._clock(), max(rate, 1.0)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MOST_AT_HAND:
                self._forget_full(now)
            bucket = self._buckets[key] = _Bucket(burst, now, rate)
        bucket.left = min(burst, bucket.left + (now - bucket.at) * rate)
        bucket.at, bucket.rate = now, rate
        if bucket.left < 1.0:
            wait = math.ceil((1.0 - bucket.left) / rate)
            raise TooMany("teVeelPerSeconde", "Er zijn te veel aanroepen met deze machtiging.", retry_after=wait)
        bucket.left -= 1.0

    async def _take_quota(self, key: Key, version: int) -> None:
        part = self._parts.get(key)
        if part is None:
            if len(self._parts) >= _MOST_AT_HAND:
                self._forget_over(self._clock())
            part = self._parts[key] = _Part()
        if self._takes(part, version):
            return
        # One asks, however many wait; whoever comes after it takes from what it got.
        async with part.lock:
            if self._takes(part, version):
                return
            # Twice, because what is handed out just before midnight may be over when it arrives.
            for _ in range(2):
                asked = self._clock()
                handed = await self._ask(key)
                if handed is None:
                    # No such quota any more: this snapshot is stale, and the opening statement will say so.
                    return
                granted, seconds = handed
                # Counted from before it was asked: a part ends with PostgreSQL's day or a moment earlier, never later.
                part.version, part.left, part.until, part.is_last = version, granted, asked + seconds, granted == 0
                if self._takes(part, version):
                    return
            raise _unknown()

    def _takes(self, part: _Part, version: int) -> bool:
        now = self._clock()
        if not part.is_valid(version, now):
            return False
        if part.is_last:
            wait = math.ceil(part.until - now)
            raise TooMany("dagquotumBereikt", "Het dagquotum van deze machtiging is bereikt.", retry_after=wait)
        if part.left == 0:
            return False
        part.left -= 1
        return True

    async def _ask(self, key: Key) -> tuple[int, float] | None:
        try:
            async with asyncio.timeout(_SECONDS):
                pool = await self._ready()
                async with pool.acquire() as connection:
                    return await take_quota(connection, *key)
        except _AWAY:
            raise _unknown() from None

    async def _ready(self) -> asyncpg.Pool:
        async with self._making:
            if self._pool is None:
                # A few, so that one machtiging whose row is held does not hold up the others.
                self._pool = await asyncpg.create_pool(
                    min_size=0, max_size=4, max_inactive_connection_lifetime=60, connect=self._reach
                )
        return self._pool

    async def _reach(self, *_dsn: Any, **_given: Any) -> asyncpg.Connection:
        # A pool hands over what it knows of loops and classes; where the database is, is known here.
        return await connect(self._url, self._timelines, seconds=_SECONDS)

    def _forget_full(self, now: float) -> None:
        for key, bucket in list(self._buckets.items()):
            if bucket.left + (now - bucket.at) * bucket.rate >= max(bucket.rate, 1.0):
                del self._buckets[key]

    def _forget_over(self, now: float) -> None:
        for key, part in list(self._parts.items()):
            if now >= part.until and not part.lock.locked():
                del self._parts[key]


def _unknown() -> RegisterUnavailable:
    return RegisterUnavailable(
        "quotumOnbekend", "Het dagquotum van deze machtiging kan nu niet worden bijgehouden.", retry_after=1
    )


async def take_quota(connection: asyncpg.Connection, tenant_id: int, machtiging_id: int) -> tuple[int, float] | None:
    """Take a part of today's quota: how many calls, and for how many seconds. None: there is no such quota."""
    row = await connection.fetchrow(
        "SELECT granted, seconds FROM registry.take_quota($1, $2)", tenant_id, machtiging_id
    )
    return None if row is None else (row["granted"], row["seconds"])
