"""One timer for all that is timed of one connection: by when something must have come."""

import asyncio
import math
from collections.abc import Callable


def _nothing() -> None:
    pass


class Deadline:
    """Calls `reached` once its time has come, unless it was stopped or set again before. Belongs to one event loop.

    Setting and stopping cost next to nothing: the loop's timer is made anew only when it would ring too late, not at each
    request.
    """

    __slots__ = ("_reached", "_timer", "_until")

    def __init__(self, reached: Callable[[], None]) -> None:
        self._reached = reached
        self._timer: asyncio.TimerHandle | None = None
        self._until = math.inf

    @property
    def left(self) -> float:
        """Seconds until then; infinity when nothing is timed."""
        return self._until - asyncio.get_running_loop().time()

    def begin(self, seconds: float) -> None:
        """Let it be so many seconds from now, whatever it was before."""
        loop = asyncio.get_running_loop()
        self._until = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(self._until, self._ring)

    def stop(self) -> None:
        """Let nothing be timed, until it begins again."""
        self._until = math.inf

    def end(self) -> None:
        """Stop for good, and let go of the loop and of whoever waited."""
        self.stop()
        self._reached = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if loop.time() >= self._until:
            self._reached()
        elif self._until < math.inf:
            self._timer = loop.call_at(self._until, self._ring)
