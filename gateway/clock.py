"""Whether this process's clock is right, by that of the database: at the start and twice a minute.

The time of a call stands in its id, and certificates, machtigingen and tokens begin and end by the clock. PostgreSQL refuses
openings that are a minute away (`klok`); this notices it long before, and takes the process out of service. Of what is
measured the half of the time that the question took is doubt, and counts in favour of the clock. A clock that was never
compared is not trusted; when PostgreSQL is away, what was seen last stands.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

log = structlog.get_logger("koppelpunt.clock")


class ClockWatch:
    """Belongs to one event loop. `read` asks the database for its time; `bound` and `every` are seconds.

    `offset` is how far the database's clock is ahead of ours, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[datetime]],
        *,
        bound: float,
        every: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        trouble: tuple[type[Exception], ...] = (OSError, TimeoutError),
    ) -> None:
        self._read = read
        self._bound = bound
        self._every = every
        self._now = now
        self._clock = clock
        self._trouble = trouble
        self._task: asyncio.Task[None] | None = None
        self.offset = 0.0
        self.is_right = False

    async def start(self) -> None:
        """Compare once, then go on in the background."""
        await self.compare()
        self._task = asyncio.create_task(self._keep_comparing(), name="clock-watch")

    async def compare(self) -> None:
        """Compare now; nothing changes when PostgreSQL does not answer."""
        began, mine = self._clock(), self._now()
        try:
            theirs = await self._read()
        except self._trouble:
            return
        doubt = (self._clock() - began) / 2
        self.offset = (theirs - mine).total_seconds() - doubt
        is_right = abs(self.offset) - doubt <= self._bound
        if is_right != self.is_right:
            tell = log.info if is_right else log.error
            tell("clock_right" if is_right else "clock_wrong", offset=round(self.offset, 3), bound=self._bound)
        elif not is_right:
            log.error("clock_wrong", offset=round(self.offset, 3), bound=self._bound)
        self.is_right = is_right

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_comparing(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.compare()
