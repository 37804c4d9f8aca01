"""Who waits for which row, until when, and what they hear. No I/O."""

from collections import deque
from collections.abc import Iterator

from gateway.errors import KoppelpuntError
from gateway.register.rows import Closing, Permission, Receipt, Stale
from gateway.register.verdicts import is_unreachable
from gateway.register.waiting import Row


def resolve(row: Row, answer: Permission | Stale | Receipt) -> None:
    """Tell whoever waits for this row, if anybody still does."""
    if row.answer is not None and not row.answer.done():
        row.answer.set_result(answer)


def fail(row: Row, error: KoppelpuntError) -> None:
    """Tell whoever waits for this row, if anybody still does, what went wrong."""
    if row.answer is not None and not row.answer.done():
        row.answer.set_exception(error)


def was_sent(row: Row) -> bool:
    """Tell whether RvIG may have had the call of this row."""
    return isinstance(row.value, Closing) and row.value.outcome != "niet_verzonden"


class Deadlines:
    """The rows that somebody waits for. All openings wait equally long, and all closings: so each queue is in order."""

    def __init__(self) -> None:
        self._openings: deque[Row] = deque()
        self._closings: deque[Row] = deque()

    def add(self, row: Row) -> None:
        """Note that somebody waits for this row."""
        (self._closings if isinstance(row.value, Closing) else self._openings).append(row)

    def overdue(self, opened_before: float, closed_before: float) -> Iterator[Row]:
        """Give the rows that were asked for before these moments and are not answered; they are forgotten here."""
        for rows, before in ((self._openings, opened_before), (self._closings, closed_before)):
            while rows and (not rows[0].is_awaited or rows[0].asked_at < before):
                row = rows.popleft()
                if row.is_awaited:
                    yield row

    def fail_all(self) -> None:
        """Nobody will write any more: tell everyone."""
        for row in (*self._openings, *self._closings):
            fail(row, is_unreachable(sent=was_sent(row)))
