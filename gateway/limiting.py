"""How many calls a taaksysteem and its tenant may make, over all workers and replicas together.

PostgreSQL holds the buckets and hands this process a part of what is in one (a fifth of a second's worth); calls are then counted in
memory. So the sum never passes what the limit says, whichever worker a caller's connections are at; a part that was not
used within a second is lost. Who is over a limit is refused in memory until PostgreSQL said there may be more. Callers without a limit
cost nothing. Without PostgreSQL nothing is handed out.

Tells how a limit stands in the fields of draft-ietf-httpapi-ratelimit-headers. Refuses with TooMany (limietBereikt) and
RegisterUnavailable (limietOnbekend).
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import KoppelpuntError, RegisterUnavailable, TooMany
from tenants.limits import RateLimit
from tenants.model import Taaksysteem

REACHED: Final = "limietBereikt"
Key = tuple[int, int]
"""A tenant, and its taaksysteem or 0."""
Field = tuple[bytes, bytes]

_PART_SECONDS: Final = 0.2
_KEPT_SECONDS: Final = 1.0
_LONGEST_PAUSE: Final = 1.0
_MOST: Final = 10_000
_NAMES: Final = ("taaksysteem", "tenant")


@dataclass(frozen=True, slots=True)
class Granted:
    """What PostgreSQL handed out of a bucket, what it left there, and the seconds until there is one more."""

    count: int
    level: float
    seconds: float


Take = Callable[[Key, RateLimit, int], Awaitable[Granted]]


@dataclass(slots=True)
class _Part:
    """What this process has of a bucket. Times are monotonic; `level` is what the bucket held at `at`."""

    limit: RateLimit
    left: int = 0
    until: float = 0.0
    empty_until: float = 0.0
    level: float = 0.0
    at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def remaining(self, now: float) -> float:
        """How many calls there are still, as far as is known here."""
        mine = self.left if now < self.until else 0
        return min(self.limit.burst, mine + self.level + (now - self.at) * self.limit.per_second)


class RateLimits:
    """Belongs to one event loop. `known` finds a limit of the registry; `default` is that of a taaksysteem without one."""

    def __init__(
        self,
        known: Callable[[Key], RateLimit | None],
        take: Take,
        *,
        default: tuple[float, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        trouble: tuple[type[Exception], ...] = (OSError, TimeoutError),
    ) -> None:
        self._known = known
        self._take = take
        self._default = default
        self._clock = clock
        self._trouble = trouble
        self._parts: dict[Key, _Part] = {}

    async def take(self, taaksysteem: Taaksysteem) -> list[Field]:
        """Take one call; the fields that the answer gets, none without a limit.

        Raises TooMany with these fields and the seconds to wait, RegisterUnavailable when nobody can say.
        """
        keys: tuple[Key, Key] = (
            (taaksysteem.tenant_id, taaksysteem.taaksysteem_id),
            (taaksysteem.tenant_id, 0),
        )
        held: list[tuple[str, _Part]] = []
        for name, key in zip(_NAMES, keys, strict=True):
            limit = self._limit_of(key)
            if limit is None:
                continue
            part = self._part(key, limit)
            held.append((name, part))
            wait = await self._take_one(key, part)
            if wait > 0.0:
                # What a limit before this one gave for the call is not used.
                for _, other in held[:-1]:
                    other.left += 1
                raise _reached(name, wait, self._fields(held))
        return self._fields(held)

    def __len__(self) -> int:
        return len(self._parts)

    def _limit_of(self, key: Key) -> RateLimit | None:
        found = self._known(key)
        if found is None and self._default is not None and key[1]:
            return RateLimit(*key, *self._default)
        return found

    def _part(self, key: Key, limit: RateLimit) -> _Part:
        part = self._parts.get(key)
        if part is None or part.limit != limit:
            if len(self._parts) >= _MOST:
                self._forget()
            part = self._parts[key] = _Part(limit)
        return part

    async def _take_one(self, key: Key, part: _Part) -> float:
        """0.0 when one was taken, else the seconds to wait."""
        wait = self._take_here(part)
        if wait is not None:
            return wait
        # One asks, however many wait; whoever comes after it takes from what it got.
        async with part.lock:
            wait = self._take_here(part)
            if wait is not None:
                return wait
            want = max(1, round(part.limit.per_second * _PART_SECONDS))
            try:
                granted = await self._take(key, part.limit, want)
            except self._trouble:
                raise _unknown() from None
            now = self._clock()
            part.level, part.at = granted.level, now
            if granted.count == 0:
                part.left, part.empty_until = 0, now + min(granted.seconds, _LONGEST_PAUSE)
                return granted.seconds or 1e-3
            part.left, part.until = granted.count - 1, now + _KEPT_SECONDS
            return 0.0

    def _take_here(self, part: _Part) -> float | None:
        """0.0: taken from what is at hand. More: the seconds to wait. None: nobody here knows."""
        now = self._clock()
        if part.left > 0 and now < part.until:
            part.left -= 1
            return 0.0
        if now < part.empty_until:
            return max(part.empty_until - now, (1.0 - part.remaining(now)) / part.limit.per_second)
        return None

    def _fields(self, held: list[tuple[str, _Part]]) -> list[Field]:
        if not held:
            return []
        now = self._clock()
        policies, standing = [], []
        for name, part in held:
            limit = part.limit
            remaining = part.remaining(now)
            policies.append(f'"{name}";q={limit.burst};w={max(1, math.ceil(limit.burst / limit.per_second))}')
            full = math.ceil((limit.burst - remaining) / limit.per_second)
            standing.append(f'"{name}";r={max(0, math.floor(remaining))};t={max(0, full)}')
        return [
            (b"ratelimit-policy", ", ".join(policies).encode("ascii")),
            (b"ratelimit", ", ".join(standing).encode("ascii")),
        ]

    def _forget(self) -> None:
        now = self._clock()
        for key, part in list(self._parts.items()):
            if now >= max(part.until, part.empty_until) and not part.lock.locked():
                del self._parts[key]


def is_reached(error: KoppelpuntError) -> bool:
    """Whether a call was refused because a limit of this module is used up."""
    return error.code == REACHED


def _reached(name: str, wait: float, fields: list[Field]) -> TooMany:
    whose = "dit taaksysteem" if name == "taaksysteem" else "deze organisatie"
    error = TooMany(REACHED, f"De snelheidslimiet van {whose} is bereikt.", retry_after=max(1, math.ceil(wait)))
    error.headers = fields
    return error


def _unknown() -> RegisterUnavailable:
    return RegisterUnavailable("limietOnbekend", "De snelheidslimiet kan nu niet worden bijgehouden.", retry_after=1)
