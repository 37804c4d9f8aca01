"""The writer of one register: takes openings and closings, and answers when they are durable.

Group commit: everything that waits goes in one statement and one commit, and every waiter is released after it. What
the parts own: `waiting` the places, `slot` the session and its batches, `recovery` what was lost, `session` the SQL.

A write is never cancelled. A caller that goes away leaves its row, and an opening that is let through for nobody is
closed here as *niet verzonden*; so is one whose outcome was unknown. A closing whose caller has given up is still
written when PostgreSQL is back. A process that dies leaves its calls in `running`: *uitkomst onbekend*.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from gateway.errors import KoppelpuntError
from gateway.records import SealedRecord
from gateway.register.answers import Deadlines, fail, resolve, was_sent
from gateway.register.recovery import Recovery
from gateway.register.rows import Closing, Opening, Permission, Receipt, Stale
from gateway.register.session import Server, ServerUnreachable, begin
from gateway.register.slot import Figures, Lost, Outcome, Pace, Slot
from gateway.register.verdicts import NOT_RECORDED, error_of, is_full, is_unreachable, refuses_row
from gateway.register.waiting import Rations, Row, Waiting

_TICK_SECONDS = 0.05
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the writer waits, in seconds.

    For an opening and a closing: what their callers wait. `stall`: a statement that takes longer is given up with its
    session, which makes its outcome unknown. `hanging`: as many sessions that were given up may live on in PostgreSQL
    before no new one is begun.
    """

    opening: float = 2.0
    closing: float = 5.0
    stall: float = 3.0
    hanging: int = 4


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """One register (schema) and how it is written."""

    server: Server
    sessions: int = 1
    rations: Rations = field(default_factory=Rations)
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)


class RegisterWriter:
    """Belongs to one event loop. `seal_unsent` seals the empty closing of a call that never left."""

    def __init__(
        self,
        settings: WriterSettings,
        seal_unsent: Callable[[Opening], SealedRecord],
        *,
        on_batch: Callable[[int, float], None] = lambda _rows, _seconds: None,
    ) -> None:
        self._settings = settings
        self._seal_unsent = seal_unsent
        self.figures = Figures()
        self.waiting = Waiting(settings.rations)
        self._recovery = Recovery(settings.server, self._rewrite, self._close_unsent)
        outcome = Outcome(self._settle, self._refuse, self._lose, self._unreachable, self._is_clogged)
        keys: set[UUID] = set()
        self._slots = [
            Slot(settings.server, settings.pace, self.waiting, keys, outcome, self.figures, on_batch)
            for _ in range(settings.sessions)
        ]
        self._deadlines = Deadlines()
        self._tasks: list[asyncio.Task[None]] = []
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether there is a session to write with, whose server answers."""
        return any(slot.is_prompt for slot in self._slots)

    @property
    def trouble(self) -> str:
        """Why not, in a code of ours, an SQLSTATE or the name of an error; empty when nothing is known to be wrong."""
        if self.ready:
            return ""
        return next((slot.trouble for slot in self._slots if slot.trouble), "registerTraag")

    @property
    def unsettled(self) -> int:
        """Rows whose fate is not known yet: waiting, in flight or lost."""
        return self.waiting.held + self._recovery.pending

    async def start(self) -> None:
        """Begin. Raises RegisterUnavailable when server or user is not fit; a server that is away is awaited."""
        with suppress(ServerUnreachable):
            self._slots[0].session = await begin(self._settings.server)
        self._tasks = [asyncio.create_task(slot.run()) for slot in self._slots]
        self._tasks += [asyncio.create_task(self._recovery.run()), asyncio.create_task(self._watch())]
        for task in self._tasks:
            task.add_done_callback(_note_fault)

    async def open(self, opening: Opening) -> Permission | Stale:
        """Ask for the permission: record the opening, durably, if the registry lets it through.

        Raises Blocked, NotPermitted (the message was not fetched), IdentityUnavailable (the registry does not know this
        identity), RegisterUnavailable (no room, no answer in time, or the row itself is refused).
        """
        row = self._accept(opening)
        try:
            answer = await self._answer(row)
        except asyncio.CancelledError:
            # Let through in the very moment in which the caller went away: nobody will send it.
            if (done := row.answer) and done.done() and not done.cancelled() and not done.exception():
                self._close_unless_refused(row, done.result())
            raise
        if isinstance(answer, Receipt):
            raise TypeError("A refused attempt is recorded by refuse().")
        return answer

    async def refuse(self, opening: Opening) -> Receipt:
        """Record an attempt that the gateway itself refused (`opening.refusal`). Raises as `open`."""
        if opening.refusal is None or opening.refusal in NOT_RECORDED:
            raise ValueError("A refused attempt needs a reason, other than those under which nothing is recorded.")
        answer = await self._answer(self._accept(opening))
        if not isinstance(answer, Receipt):
            raise TypeError("A refused attempt cannot be let through.")
        return answer

    async def close(self, closing: Closing) -> Receipt:
        """Record how a call ended. After RegisterUnavailable the answer must be dropped; the row may still be written.

        Raises RegisterUnavailable; its `sent` says whether RvIG may have had the call.
        """
        answer = await self._answer(self._accept(closing))
        if not isinstance(answer, Receipt):
            raise TypeError("A closing gets a receipt.")
        return answer

    async def drain(self, seconds: float) -> int:
        """Refuse new openings, finish what waits, end the sessions. Returns the number of rows that stayed behind."""
        self._draining = True
        until = time.monotonic() + seconds
        while self.unsettled and time.monotonic() < until:  # noqa: ASYNC110 - at the end of a process, once
            await asyncio.sleep(0.01)
        left = self.unsettled
        for slot in self._slots:
            slot.stopping.set()
        self.waiting.wake_all()
        slots, others = self._tasks[: len(self._slots)], self._tasks[len(self._slots) :]
        if slots:
            _, hanging = await asyncio.wait(slots, timeout=max(0.1, until - time.monotonic()))
            if hanging:
                self._end_sessions(time.monotonic())
                await asyncio.wait(hanging, timeout=self._settings.server.connect_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*slots, *others, return_exceptions=True)
        self._deadlines.fail_all()
        self._tasks = []
        return left

    def _accept(self, value: Opening | Closing) -> Row:
        """Give a row its place, or refuse it at once."""
        row = Row(value, time.monotonic(), asyncio.get_running_loop().create_future())
        if isinstance(value, Opening) and (self._draining or not self._is_reachable()):
            raise is_unreachable()
        if not self.waiting.has_room(row):
            raise is_full(sent=was_sent(row))
        self.waiting.put(row)
        self._deadlines.add(row)
        return row

    def _is_reachable(self) -> bool:
        return any(slot.is_reachable for slot in self._slots)

    async def _answer(self, row: Row) -> Permission | Stale | Receipt:
        # The future is not the write: cancelling it cancels nothing but this wait.
        if row.answer is None:
            raise TypeError("Nobody waits for this row.")
        return await row.answer

    def _settle(self, row: Row, verdict: str | None, number: int | None, digest: bytes | None) -> None:
        """PostgreSQL has answered and committed."""
        if verdict in {"sleutel", "geen_opening"} and not row.key_sent:
            # Its data key was thought to be there. Send it along, once.
            for slot in self._slots:
                slot.keys.discard(row.value.record.data_key.data_key_id)
            self.waiting.put_back(row)
            return
        self.waiting.release(row)
        if isinstance(row.value, Closing):
            self._settle_closing(row, verdict, number, digest)
        elif verdict is None and number is not None and digest is not None:
            if row.is_awaited:
                resolve(row, Permission(number, digest, row.asked_at))
            else:
                self._close_unsent(row.value)
        elif row.value.refusal is not None and number is not None:
            resolve(row, Receipt(number, digest))
        elif verdict == "gewijzigd":
            resolve(row, Stale())
        else:
            fail(row, error_of(verdict or "onbekend"))

    def _settle_closing(self, row: Row, verdict: str | None, number: int | None, digest: bytes | None) -> None:
        if verdict is None:
            resolve(row, Receipt(number, digest))
        elif row.rewritten:
            # Its session is over and the call is no longer open, so the lost statement has written it.
            resolve(row, Receipt(None, None))
        else:
            _log.error("register_closing_without_opening", call=str(row.value.id))
            fail(row, refuses_row(sent=was_sent(row)))

    def _refuse(self, row: Row, sqlstate: str) -> None:
        """PostgreSQL refuses this row, alone as it is. Its text is not logged: it may hold what the row holds."""
        self.figures.refused_rows += 1
        _log.error("register_row_refused", call=str(row.value.id), sqlstate=sqlstate)
        self.waiting.release(row)
        fail(row, refuses_row(sent=was_sent(row)))

    def _lose(self, lost: Lost) -> None:
        """The outcome is unknown. Callers of openings hear at once that it failed; recovery makes that true."""
        for row in lost.rows:
            if isinstance(row.value, Opening):
                self.waiting.release(row)
                fail(row, is_unreachable())
        self._recovery.take(lost)

    def _unreachable(self) -> None:
        """No queueing behind a dead database: openings fail at once, closings wait."""
        if not self._is_reachable():
            for row in self.waiting.openings():
                self.waiting.withdraw(row)
                fail(row, is_unreachable())

    def _is_clogged(self) -> bool:
        """Too many lost sessions hang (a standby that is away does that): more of them would use PostgreSQL up."""
        return self._recovery.sessions >= self._settings.patience.hanging

    def _rewrite(self, row: Row) -> None:
        self.figures.rewritten += 1
        self.waiting.put_back(row)

    def _close_unless_refused(self, row: Row, answer: Permission | Stale | Receipt) -> None:
        if isinstance(answer, Permission) and isinstance(row.value, Opening):
            self._close_unsent(row.value)

    def _close_unsent(self, opening: Opening) -> None:
        """Close a call that was let through and that nobody will send."""
        self.figures.unsent += 1
        try:
            record = self._seal_unsent(opening)
        except KoppelpuntError as error:
            # It stays visible as uitkomst onbekend.
            _log.error("register_unsent_not_closed", call=str(opening.id), code=error.code)
            return
        closing = Closing(opening.id, opening.tenant_id, "niet_verzonden", record, code="registerOnbevestigd")
        # Beyond the rations: it stands for a row that had its place.
        self.waiting.put(Row(closing, time.monotonic(), None))

    async def _watch(self) -> None:
        """End waits that take too long, and sessions that hang. One timer for all: precise to a tick."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            patience = self._settings.patience
            for row in self._deadlines.overdue(now - patience.opening, now - patience.closing):
                if isinstance(row.value, Opening) and not row.taken:
                    self.waiting.withdraw(row)
                fail(row, is_unreachable(sent=was_sent(row)))
            self._end_sessions(now - patience.stall)

    def _end_sessions(self, writing_since: float) -> None:
        """Drop the connection under each statement that began before that moment."""
        for slot in self._slots:
            if slot.session is not None and 0.0 < slot.writing_since < writing_since:
                slot.session.terminate()


def _note_fault(task: asyncio.Task[None]) -> None:
    """A task of the writer ends by itself only through a fault of ours, which must not stay unseen."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("register_task_failed", fault=type(fault).__name__)
