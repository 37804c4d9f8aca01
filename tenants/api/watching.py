"""Looks at what is under way once for all who follow it, and lets no tenant take all connections by following.

However many follow one thing, the database is asked once in `every` seconds. A tenant has so many followers at once; who comes
after them reads later how it ended.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tenants.api.following import Pace, Seen, as_line, follow

MOST_FOLLOWERS: Final = 10
_GIVE_UP_EVERY: Final = 5.0
TOO_MANY: Final = {
    "code": "teVeelVolgers",
    "detail": f"Er volgen al {MOST_FOLLOWERS} mensen van deze tenant een test. Lees later hoe het afliep.",
}


@dataclass(slots=True)
class Known:
    """What was seen so far of one thing: how it stands, every line in order, and whether more can come."""

    standing: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _looked_at: float = -math.inf
    _gave_up_at: float = -math.inf

    async def refresh(self, look: "Look", every: float) -> None:
        """Look again, unless somebody just did. Raises what the look raises."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self.ended or clock() - self._looked_at < every:
                return
            gives_up = clock() - self._gave_up_at >= _GIVE_UP_EVERY
            seen = await look(len(self.lines), gives_up)
            self.standing, self.ended = seen.standing, seen.ended
            self.lines += seen.new
            self._looked_at = clock()
            if gives_up:
                self._gave_up_at = self._looked_at


Look = Callable[[int, bool], Awaitable[Seen]]
"""Given how many lines are known, and whether to give up first what nobody does any more: what is new."""


@dataclass(slots=True)
class Watching:
    """Who follows what, in this process."""

    most: int = MOST_FOLLOWERS
    _known: dict[tuple[int, int], tuple[Known, int]] = field(default_factory=dict)
    _followers: Counter[int] = field(default_factory=Counter)

    def is_full(self, tenant_id: int) -> bool:
        """Whether the tenant has as many followers as it may."""
        return self._followers[tenant_id] >= self.most

    async def follow(self, key: tuple[int, int], look: Look, pace: Pace) -> AsyncGenerator[bytes]:
        """Follow one thing of a tenant (its number, the thing's) to its end."""
        if self.is_full(key[0]):
            yield as_line({"probleem": TOO_MANY})
            return
        with self._place(key) as known:
            shown = 0

            async def mine() -> Seen:
                nonlocal shown
                await known.refresh(look, pace.every)
                new, shown = known.lines[shown:], len(known.lines)
                return Seen(known.standing, new, known.ended)

            async for line in follow(mine, pace):
                yield line

    @contextmanager
    def _place(self, key: tuple[int, int]) -> Iterator[Known]:
        known, count = self._known.get(key, (Known(), 0))
        self._known[key] = known, count + 1
        self._followers[key[0]] += 1
        try:
            yield known
        finally:
            known, count = self._known[key]
            if count == 1:
                del self._known[key]
            else:
                self._known[key] = known, count - 1
            self._followers[key[0]] -= 1
            if not self._followers[key[0]]:
                del self._followers[key[0]]
