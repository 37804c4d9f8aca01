"""Sends what is due, for as long as the process runs. At least once: whoever took a destination and dies has not done it.

Each destination is one task with a thread of its own, so that a collector that hangs keeps no other waiting; which of the
replicas does it PostgreSQL says, a minute at a time. Reading is for two at once, so that the searches of the same process have
connections. The cursor moves when the collector took everything, and not before.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import asyncpg
import structlog

from tenants.fetch import FetchRules
from tenants.keyring import Keyring
from tenants.logboek.metrics import LogboekMetrics
from tenants.logboek.rows import Batch, Due, end, list_lags, read_batch, take_due
from tenants.logboek.sending import Collector, NotTaken, send
from tenants.logboek.spans import resource_of, spans_of
from tenants.pools import WrongRole
from tenants.sealing import SealingError, open_sealed

AT_ONCE: Final = 16
"""Destinations at the same time. Who fails waits ever longer, so dead ones do not hold these."""
_READING: Final = 2
_TROUBLE = (
    OSError,
    TimeoutError,
    WrongRole,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
log = structlog.get_logger("koppelpunt.logboek")


@dataclass(frozen=True, slots=True)
class Export:
    """What the export works with. `open_after`: when a call without closing is told as uitkomst onbekend."""

    pool: asyncpg.Pool
    register: Keyring
    rules: FetchRules
    metrics: LogboekMetrics
    open_after: timedelta
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="logboek"), repr=False
    )
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READING), repr=False)


async def keep_exporting(export: Export, shutdown: asyncio.Event, *, every: float) -> None:
    """Export until `shutdown`; look every so many seconds, and at once again where something was sent."""
    tasks: set[asyncio.Task[bool]] = set()
    shown = float("-inf")
    try:
        while not shutdown.is_set():
            try:
                if time.monotonic() - shown >= every:
                    await _show(export)
                    shown = time.monotonic()
                taken = await _take(export, AT_ONCE - len(tasks))
            except _TROUBLE as error:
                export.metrics.failures.inc()
                log.warning("logboek_session_lost", error=type(error).__name__)
                taken = []
            tasks |= {asyncio.create_task(export_one(export, due)) for due in taken}
            tasks = await _wait(tasks, shutdown, every)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What is on its way goes on in its thread for as long as one request may take; nobody waits for it.
        export.threads.shutdown(wait=False, cancel_futures=True)


async def export_one(export: Export, due: Due) -> bool:
    """Send the next of one destination, and say how it went; True when it was taken."""
    batch: Batch | None = None
    try:
        async with export.reading, export.pool.acquire() as connection:
            batch = await read_batch(connection, due, export.open_after)
        spans = 0
        error = None
        try:
            spans = await _send(export, due, batch)
        except NotTaken as refused:
            error = str(refused)
        except SealingError:
            error = "sleutel"
        async with export.reading, export.pool.acquire() as connection:
            moved = await end(connection, due, batch if error is None else None, spans=spans, error=error)
    except _TROUBLE as trouble:
        export.metrics.failures.inc()
        log.warning("logboek_session_lost", tenant=due.tenant_id, error=type(trouble).__name__)
        return False
    _tell(export, due, batch, spans, error, moved=moved)
    return error is None and moved


async def export_due(export: Export, most: int = AT_ONCE) -> int:
    """One round: send to whoever has something that is due, once each; return to how many."""
    taken = await _take(export, most)
    done = await asyncio.gather(*(export_one(export, due) for due in taken))
    return sum(done)


async def _take(export: Export, most: int) -> list[Due]:
    if most <= 0:
        return []
    async with export.reading, export.pool.acquire() as connection:
        return await take_due(connection, most, export.open_after)


async def _show(export: Export) -> None:
    async with export.reading, export.pool.acquire() as connection:
        export.metrics.show(await list_lags(connection))


async def _send(export: Export, due: Due, batch: Batch) -> int:
    """Send a batch; nothing is sent when nothing is in it. Raises NotTaken, SealingError."""
    if not batch.calls:
        return 0
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(export.threads, partial(_encode_and_send, export, due, batch))


def _encode_and_send(export: Export, due: Due, batch: Batch) -> int:
    context = str(due.tenant_id)
    key = open_sealed(export.register, due.key_sealed, purpose="logboek-key", context=context)
    secret = None
    if due.secret_sealed is not None:
        secret = open_sealed(export.register, due.secret_sealed, purpose="logboek-secret", context=context).decode()
    spans = spans_of(batch.calls, key, resource_of(due.oin, due.name))
    send(export.rules, Collector(due.url, due.header, secret), spans)
    return len(spans)


def _tell(export: Export, due: Due, batch: Batch, spans: int, error: str | None, *, moved: bool) -> None:
    tenant = str(due.tenant_id)
    export.metrics.requests.labels(tenant, error or "gedaan").inc()
    if error is not None:
        log.warning("logboek_not_taken", tenant=due.tenant_id, destination=due.destination_id, code=error)
        return
    export.metrics.spans.labels(tenant).inc(spans)
    if batch.gone and moved:
        export.metrics.gone.labels(tenant).inc(batch.gone)


async def _wait(tasks: set[asyncio.Task[bool]], shutdown: asyncio.Event, every: float) -> set[asyncio.Task[bool]]:
    """Wait until one was taken by its collector, or it is time to look; return the tasks that go on."""
    if not tasks:
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await shutdown.wait()
        return tasks
    stopping = asyncio.create_task(shutdown.wait())
    done, _ = await asyncio.wait({*tasks, stopping}, timeout=every, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    finished = {task for task in tasks if task in done}
    return tasks - finished
