"""Finds out what became of statements whose outcome is unknown, and sets it right.

A connection that was lost during a commit does not mean *not written*; and asking at once gives an answer that changes,
because the old session may still be at work. So: wait until PostgreSQL says that the old session is over (its advisory
lock is free), and only then ask which of its calls are open. Then

- a closing is written again: if it had been written, PostgreSQL finds no open call for it and writes nothing;
- an opening that had been let through is closed as *niet verzonden*: its caller has been refused long ago.

No right over other sessions is needed, and the next session does not wait for this.
"""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID

import structlog

from gateway.errors import RegisterUnavailable
from gateway.register.rows import Opening
from gateway.register.session import Server, ServerUnreachable, running_of
from gateway.register.slot import Lost
from gateway.register.waiting import Row

_SHORTEST_DELAY, _LONGEST_DELAY = 0.02, 2.0
_log = structlog.get_logger()


class Recovery:
    """The statements of lost sessions, until each is set right. One task; a session that lives on holds up no other."""

    def __init__(self, server: Server, rewrite: Callable[[Row], None], unsent: Callable[[Opening], None]) -> None:
        self._server = server
        self._rewrite = rewrite
        self._unsent = unsent
        self._lost: list[Lost] = []
        self._arrived = asyncio.Event()

    @property
    def pending(self) -> int:
        """Rows whose fate is unknown."""
        return sum(len(lost.rows) for lost in self._lost)

    @property
    def sessions(self) -> int:
        """Lost sessions that may live on in PostgreSQL."""
        return len(self._lost)

    def take(self, lost: Lost) -> None:
        """Take over the rows of a lost statement."""
        self._lost.append(lost)
        self._arrived.set()

    async def run(self) -> None:
        """Set right what is lost, for ever. Cancel it when nothing is pending any more, or at the end."""
        delay = _SHORTEST_DELAY
        while True:
            await self._arrived.wait()
            try:
                found = await running_of(self._server, [lost.writer_id for lost in self._lost])
            except (ServerUnreachable, RegisterUnavailable) as error:
                _log.info("register_recovery_waits", schema=self._server.schema, reason=str(error))
                found = {}
            over = [lost for lost in self._lost if lost.writer_id in found]
            self._lost = [lost for lost in self._lost if lost.writer_id not in found]
            for lost in over:
                self._set_right(lost, found[lost.writer_id])
            delay = _SHORTEST_DELAY if over else min(delay * 2, _LONGEST_DELAY)
            if self._lost:
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            else:
                self._arrived.clear()

    def _set_right(self, lost: Lost, running: set[tuple[int, UUID]]) -> None:
        _log.info("register_writer_over", schema=self._server.schema, writer=lost.writer_id, rows=len(lost.rows))
        # put back from the end, so that the rows of a tenant keep their order
        for row in reversed(lost.rows):
            value = row.value
            if not isinstance(value, Opening):
                row.rewritten = True
                self._rewrite(row)
            elif (value.tenant_id, value.id) in running:
                self._unsent(value)
