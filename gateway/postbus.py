"""What a mailbox holds, as far as answers that pass by say so: so that a tenant is told of post that waits unread.

Nothing is asked for it. A list says which messages nobody fetched, and since when they lie there; a count says how many;
who fetches is at work. Of each only a number and a moment are kept, never what a message is about. It is written beside the
call, at most once a minute for each mailbox unless it changed; what cannot be written is left, the next answer says it again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

import orjson

from gateway.brp.berichten import Operation
from gateway.call import Answered, Bevraging, Result
from gateway.stands_store import TROUBLE
from tenants.model import Aansluiting

Key = tuple[int, int]
"""Tenant and number of an aansluiting."""
_AGAIN: Final = 60.0
_MOST_WRITING: Final = 100


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages nobody fetched, and when the oldest of them came, if that is known."""

    waiting: int
    oldest: datetime | None = None


def count_of(operation: str, query: str, answered: Answered) -> Count | None:
    """What an answer says of the whole mailbox; None when it says nothing that is sure."""
    if answered.status != 200 or operation not in {Operation.LIST, Operation.TELLING, Operation.FETCH}:
        return None
    try:
        document = orjson.loads(answered.body)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    named = parse_qs(query)
    if operation == Operation.LIST:
        return _listed(document, whole=not named.keys() - {"pagina", "berichtenPerPagina"})
    if operation == Operation.FETCH:
        # Whoever fetches is at work; the next list says whether anything was left.
        return Count(0) if document.get("opgehaaldeBerichten") else None
    return _counted(document.get("aantalBerichten")) if named.get("soort") == ["niet-opgehaald"] else None


def _counted(count: object) -> Count | None:
    return Count(count) if isinstance(count, int) and 0 <= count < 2**31 else None


def _listed(document: dict[str, object], *, whole: bool) -> Count | None:
    """A list without filters, on one page: then it is the mailbox."""
    pages, messages = document.get("paginering"), document.get("berichten")
    if not whole or not isinstance(pages, dict) or not isinstance(messages, list):
        return None
    if not (pages.get("eerstePagina") is True and pages.get("laatstePagina") is True):
        return None
    waiting = [one for one in messages if isinstance(one, dict) and one.get("opgehaald") is False]
    return Count(len(waiting), min((moment for one in waiting if (moment := _moment(one)) is not None), default=None))


def _moment(message: dict[str, object]) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(message.get("dtOntvangen")))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


class Postbus:
    """Belongs to one event loop. `write` keeps a count; what it raises of `TROUBLE` is left."""

    def __init__(
        self,
        write: Callable[[Key, int, datetime | None], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._clock = clock
        self._written: dict[Key, tuple[Count, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, aansluiting: Aansluiting, bevraging: Bevraging, result: Result) -> None:
        """Take from an answer what it says. Waits for nothing and raises nothing."""
        if bevraging.api.kind != "berichten" or not isinstance(result, Answered) or len(self._tasks) >= _MOST_WRITING:
            return
        key = (aansluiting.tenant_id, aansluiting.aansluiting_id)
        count = count_of(bevraging.operation, bevraging.query, result)
        now = self._clock()
        before, at = self._written.get(key, (None, 0.0))
        if count is None or (count == before and now - at < _AGAIN):
            return
        self._written[key] = (count, now)
        task = asyncio.create_task(self._keep(key, count))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let what is being written end."""
        await asyncio.gather(*self._tasks)

    async def _keep(self, key: Key, count: Count) -> None:
        try:
            await self._write(key, count.waiting, count.oldest)
        except TROUBLE:
            self._written.pop(key, None)
