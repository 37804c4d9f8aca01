"""Token buckets by key, in bounded memory. Pure over the clock that is given; nothing here waits.

A bucket that has filled up again is forgotten. When no room is left, a new key is refused as if its bucket were empty:
who floods the table with keys gains no free attempts by it.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

_SWEEP_SECONDS = 1.0


@dataclass(slots=True)
class Rates:
    """For each key `burst` at once, and `per_second` after that. `most` keys at the same time."""

    burst: float
    per_second: float
    most: int
    _taken: dict[Hashable, tuple[float, float]] = field(default_factory=dict, repr=False)
    _swept: float = -math.inf

    def wait_of(self, key: Hashable, now: float) -> float:
        """Seconds until one may be taken of this key; 0.0 when one may be taken now. Takes nothing."""
        return self._wait(self._level(key, now))

    def take(self, key: Hashable, now: float) -> float:
        """Take one and return 0.0, or take nothing and return the seconds to wait. `now` is a monotonic time."""
        level = self._level(key, now)
        wait = self._wait(level)
        if wait > 0.0:
            return wait
        if key not in self._taken and len(self._taken) >= self.most:
            self._sweep(now)
            if len(self._taken) >= self.most:
                return 1.0 / self.per_second
        self._taken[key] = (level + 1.0, now)
        return 0.0

    def __len__(self) -> int:
        return len(self._taken)

    def _level(self, key: Hashable, now: float) -> float:
        taken, since = self._taken.get(key, (0.0, now))
        return max(0.0, taken - (now - since) * self.per_second)

    def _wait(self, level: float) -> float:
        over = level + 1.0 - self.burst
        return over / self.per_second if over > 0.0 else 0.0

    def _sweep(self, now: float) -> None:
        # At most once a second: under a flood, looking through everything for each attempt would be the damage itself.
        if now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        for key in [key for key in self._taken if self._level(key, now) == 0.0]:
            del self._taken[key]
