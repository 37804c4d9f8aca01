"""Keeps one session writing: connects, takes batches, halves what PostgreSQL refuses, hands over what is lost.

A slot is a loop without end. Its task is never cancelled while a statement is under way (asyncpg would ask PostgreSQL
to cancel it); a statement that hangs ends because the writer's watch drops the connection under it.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from gateway.errors import RegisterUnavailable
from gateway.register.batch import Batch, make_batch
from gateway.register.session import Result, RowsRefused, Server, ServerUnreachable, Session, SessionLost, begin
from gateway.register.waiting import Row, Waiting

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
_CHECK_SECONDS = 1.0
"""How old the last sign of a session may be before it is asked again, idle or not."""
_SLOW_SECONDS = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How batches are formed: rows and octets at most, and how long to linger for a fuller one, in seconds.

    After a batch of `linger_from` rows there is load: the next one waits until `linger_until` rows are there, or
    `linger_seconds` are over. Below that nothing ever waits.
    """

    rows: int = 128
    octets: int = 4 << 20
    linger_seconds: float = 0.002
    linger_from: int = 3
    linger_until: int = 16


@dataclass(slots=True)
class Figures:
    """What the writer counts; whoever shows them reads them."""

    statements: int = 0
    rows: int = 0
    halvings: int = 0
    refused_rows: int = 0
    lost_sessions: int = 0
    rewritten: int = 0
    unsent: int = 0
    last_rows: int = 0
    last_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The rows of a statement whose outcome is unknown, and the writer whose statement it was."""

    writer_id: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a slot takes its results: one function per thing that can become of a row."""

    settle: Callable[[Row, str | None, int | None, bytes | None], None]
    refuse: Callable[[Row, str], None]
    lose: Callable[[Lost], None]
    unreachable: Callable[[], None]
    is_clogged: Callable[[], bool]


@dataclass(slots=True, eq=False)
class Slot:
    """One session after another, and whether there is one now. `keys` are the data keys that are surely durable."""

    server: Server
    pace: Pace
    waiting: Waiting
    keys: set[UUID]
    outcome: Outcome
    figures: Figures
    on_batch: Callable[[int, float], None]
    session: Session | None = None
    # True from the start and again when a session is lost, until an attempt to connect fails.
    is_hopeful: bool = True
    writing_since: float = 0.0
    # Why there is no session, as the last attempt to get one said it.
    trouble: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_reachable(self) -> bool:
        """Whether a row that comes now has a fair chance: a session, or a first attempt at the next one."""
        return self.session is not None or self.is_hopeful

    @property
    def is_prompt(self) -> bool:
        """Whether there is a session, and its server does not keep it waiting now."""
        waits = self.writing_since > 0.0 and time.monotonic() - self.writing_since > _SLOW_SECONDS
        return self.session is not None and not waits

    async def run(self) -> None:
        """Write until told to stop, from one session to the next; the first may be there already."""
        session = self.session or await self._connect()
        while session is not None:
            self.session, self.is_hopeful, self.trouble = session, False, ""
            # Keys are durable where they were written; after a fail-over that may have been elsewhere.
            self.keys.clear()
            _log.info("register_session_begun", schema=self.server.schema, writer=session.writer_id)
            try:
                await self._serve(session)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the writing either
                self.session, self.is_hopeful = None, True
                self.trouble = _reason(error)
                self.figures.lost_sessions += 1
                _log.warning(
                    "register_session_lost", schema=self.server.schema, writer=session.writer_id, reason=_reason(error)
                )
                session.terminate()
                session = await self._connect()
            else:
                self.session = None
                await session.close()
                return

    async def _connect(self) -> Session | None:
        delay = _FIRST_DELAY
        while not self.stopping.is_set():
            reason = "clogged"
            try:
                if not self.outcome.is_clogged():
                    return await begin(self.server)
            except (ServerUnreachable, RegisterUnavailable) as error:
                reason = str(error)
            self.is_hopeful, self.trouble = False, reason
            _log.warning("register_unreachable", schema=self.server.schema, reason=reason)
            self.outcome.unreachable()
            try:
                await asyncio.wait_for(self.stopping.wait(), delay * random.uniform(0.5, 1.0))
            except TimeoutError:
                delay = min(delay * 2, _LONGEST_DELAY)
        return None

    async def _serve(self, session: Session) -> None:
        waiting, pace, written, ended = self.waiting, self.pace, 0, 0.0
        checked = time.monotonic()
        while not self.stopping.is_set():
            await waiting.arrival(_CHECK_SECONDS)
            # An idle session that PostgreSQL has ended is found before a row is risked on it.
            if not session.is_open:
                raise SessionLost("closed")
            if time.monotonic() - checked > _CHECK_SECONDS:
                await self._check(session)
                checked = time.monotonic()
            if (
                written >= pace.linger_from
                and waiting.depth < pace.linger_until
                and time.monotonic() < ended + pace.linger_seconds
            ):
                await asyncio.sleep(pace.linger_seconds)
            if rows := waiting.take(pace.rows, pace.octets):
                await self._write(session, rows)
                written, ended = len(rows), time.monotonic()

    async def _check(self, session: Session) -> None:
        """Ask a sign of life, under the same watch as a statement. Raises SessionLost."""
        self.writing_since = time.monotonic()
        try:
            await session.check()
        finally:
            self.writing_since = 0.0

    async def _write(self, session: Session, rows: list[Row]) -> None:
        """Write a batch; halve what is refused until each bad row stands alone. Raises SessionLost."""
        parts = [rows]
        while parts:
            part = parts.pop()
            try:
                batch = _compose(part, self.keys, session)
                results = await self._measured(session, batch, len(part))
            except RowsRefused as error:
                if len(part) == 1:
                    self.outcome.refuse(part[0], str(error))
                    continue
                self.figures.halvings += 1
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            except SessionLost:
                # No statement has been sent for the other parts: they wait on, before those that came later.
                for row in reversed([row for rest in reversed(parts) for row in rest]):
                    self.waiting.put_back(row)
                self.outcome.lose(Lost(session.writer_id, tuple(part)))
                raise
            else:
                self.keys.update(batch.keys)
                self._settle(session, batch, results)

    async def _measured(self, session: Session, batch: Batch, rows: int) -> list[Result]:
        self.writing_since = began = time.monotonic()
        try:
            results = await session.write(batch.arguments, batch.spans)
        finally:
            self.writing_since = 0.0
        seconds = time.monotonic() - began
        figures = self.figures
        figures.statements += 1
        figures.rows += rows
        figures.last_rows, figures.last_seconds = rows, seconds
        self.on_batch(rows, seconds)
        return results

    def _settle(self, session: Session, batch: Batch, results: list[Result]) -> None:
        settle = self.outcome.settle
        for kind, id, verdict, number, digest in results:  # noqa: A001
            if kind == b"o":
                row, numbers = batch.openings[id], session.opened
            else:
                row, numbers = batch.closings[id], session.closed
            if number is not None and number > numbers.get(row.tenant_id, 0):
                numbers[row.tenant_id] = number
            settle(row, verdict, number, digest)


def _compose(rows: list[Row], keys: set[UUID], session: Session) -> Batch:
    """Compose the statement, or refuse the rows as PostgreSQL would."""
    try:
        batch = make_batch(rows, keys, session.opened, session.closed)
    except (TypeError, ValueError, AttributeError):
        raise RowsRefused("22000") from None
    if batch is None:
        raise RowsRefused("23505")
    return batch


def _reason(error: Exception) -> str:
    # The text of an error that is not ours may hold what a row holds.
    return str(error) if isinstance(error, SessionLost) else type(error).__name__
