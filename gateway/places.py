"""Places in the concurrency limit of each aansluiting, and its circuit breaker. No I/O but waiting.

Owns who may go to RvIG now. Nobody waits for a neighbour: every aansluiting has its own places, its own bounded queue
and its own breaker. Refuses (UpstreamUnavailable, nothing sent) with `teDruk` when the queue is full or the wait too
long, and with `onderbroken` while RvIG does not react to this aansluiting. After a while one probe goes through; what
becomes of it decides for the rest.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway.errors import UpstreamUnavailable

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds. `failures` in a row open the breaker for `rest`, doubling with each failed probe."""

    queue: int = 96
    wait: float = 2.0
    failures: int = 5
    rest: float = 5.0
    longest_rest: float = 60.0


@dataclass(slots=True)
class _Lane:
    """One aansluiting: who runs, who waits, and the breaker. It is open while `until` is not zero."""

    running: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)
    failures: int = 0
    probes_failed: int = 0
    until: float = 0.0
    probing: bool = False


class Places:
    """Places of all aansluitingen. `clock` is monotonic, `jitter` gives a number from 0 up to 1."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._jitter = jitter
        self._lanes: dict[Key, _Lane] = {}

    def reserve(self, key: Key, limit: int) -> "Place":
        """A place for one call among `limit`, as an async context manager. Entering raises UpstreamUnavailable."""
        return Place(self, key, limit)

    def note(self, key: Key, *, reached: bool) -> None:
        """Tell the breaker what became of a call: whether RvIG reacted at all."""
        lane = self._lanes.get(key)
        if reached:
            if lane is not None and lane.failures:
                lane.failures = lane.probes_failed = 0
                lane.until, lane.probing = 0.0, False
            return
        lane = lane or self._lanes.setdefault(key, _Lane())
        lane.failures += 1
        if lane.until == 0.0 and lane.failures < self._limits.failures:
            return
        if lane.until == 0.0 or lane.probing:
            rest = min(self._limits.rest * 2**lane.probes_failed, self._limits.longest_rest)
            lane.until = self._clock() + rest * (0.75 + self._jitter() / 2)
            # Bounded, so that the power above stays a number of seconds.
            lane.probes_failed = min(lane.probes_failed + 1, 16)
            lane.probing = False

    def standing(self) -> dict[str, int]:
        """How many calls run and wait, and how many aansluitingen are interrupted, now."""
        lanes = self._lanes.values()
        return {
            "running": sum(lane.running for lane in lanes),
            "waiting": sum(len(lane.waiting) for lane in lanes),
            "interrupted": sum(lane.until != 0.0 for lane in lanes),
        }

    def _admit(self, lane: _Lane) -> bool:
        """Whether this call is the probe of an open breaker. Raises UpstreamUnavailable when it may not go."""
        if lane.until == 0.0:
            return False
        now = self._clock()
        if now < lane.until or lane.probing:
            detail = "RvIG reageerde herhaaldelijk niet op deze aansluiting; het verkeer is even onderbroken."
            raise UpstreamUnavailable("onderbroken", detail, retry_after=max(1, math.ceil(lane.until - now)))
        lane.probing = True
        return True

    async def _enter(self, key: Key, limit: int) -> bool:
        lane = self._lanes.setdefault(key, _Lane())
        probe = self._admit(lane)
        if lane.running < limit and not lane.waiting:
            lane.running += 1
            return probe
        try:
            await self._queue(key, lane)
        except BaseException:
            self._end_probe(lane, probe)
            raise
        try:
            # The breaker may have opened meanwhile.
            return probe or self._admit(lane)
        except UpstreamUnavailable:
            self._leave(key, probe)
            raise

    async def _queue(self, key: Key, lane: _Lane) -> None:
        """Wait until a place is handed over. Raises UpstreamUnavailable; a cancelled waiter hands its place on."""
        if len(lane.waiting) >= self._limits.queue:
            raise _too_busy()
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        lane.waiting.append(turn)
        # The future has one result only, so a place is never both handed over and given up.
        timer = loop.call_later(self._limits.wait, _give_up, turn)
        handed_over = False
        try:
            handed_over = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._hand_over(key, lane)
            raise
        finally:
            timer.cancel()
            if not handed_over and turn in lane.waiting:
                lane.waiting.remove(turn)
        if not handed_over:
            raise _too_busy()

    def _hand_over(self, key: Key, lane: _Lane) -> None:
        while lane.waiting:
            turn = lane.waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        lane.running -= 1
        if not (lane.running or lane.failures):
            del self._lanes[key]

    def _leave(self, key: Key, probe: bool) -> None:
        lane = self._lanes[key]
        self._end_probe(lane, probe)
        self._hand_over(key, lane)

    @staticmethod
    def _end_probe(lane: _Lane, probe: bool) -> None:
        """A probe that ended without a verdict (the opening was refused) lets the next call be the probe."""
        if probe:
            lane.probing = False


class Place:
    """One reserved place; entered once, left once."""

    __slots__ = ("_key", "_limit", "_places", "_probe")

    def __init__(self, places: Places, key: Key, limit: int) -> None:
        self._places = places
        self._key = key
        self._limit = limit
        self._probe = False

    async def __aenter__(self) -> Self:
        self._probe = await self._places._enter(self._key, self._limit)  # noqa: SLF001 - two halves of one thing
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places._leave(self._key, self._probe)  # noqa: SLF001 - see above


def _give_up(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)


def _too_busy() -> UpstreamUnavailable:
    detail = "Te veel gelijktijdige bevragingen over deze aansluiting."
    return UpstreamUnavailable("teDruk", detail, retry_after=1)
