"""The sealer's third session: destruction, apart from chores and sealing, so that none waits for another.

One leader at a time, by a lock of its own. A round looks at every tenant in turn and takes small steps: the proof first, the
rows when the proof is in a signed tree (so mostly in the next round), each step a transaction of its own, with a pause as
long as the step took: half of one connection at most. A round that is broken off anywhere is gone on with by the next.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import asyncpg
import structlog

from tenants.config import SealerConfig
from tenants.durable import DURABLE
from tenants.retention import steps
from tenants.retention.metrics import RetentionMetrics
from tenants.retention.steps import Due

_LEADER: Final = (19_271, 1)
_MOST_OF_A_PROOF: Final = 100_000
"""Leaves that one proof names at most; a larger month gets several."""
_LATE: Final = timedelta(days=7)
"""So long after its term a month that is not held should be gone."""
_SOON: Final = 60.0
"""A proof that was written is signed within a minute."""
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, and how long backups are kept."""

    backup_days: int
    step: int = 2_000
    of_a_proof: int = _MOST_OF_A_PROOF
    pause: float = 0.05


async def keep_destroying(config: SealerConfig, shutdown: asyncio.Event, metrics: RetentionMetrics) -> None:
    """Destroy what has had its term until `shutdown`. A session that is lost is replaced."""
    pace = Pace(config.backup_days, config.retention_step)
    while not shutdown.is_set():
        try:
            await _work_one_session(config, pace, shutdown, metrics)
        except _TROUBLE as error:
            metrics.failures.inc()
            log.warning("retention_session_lost", error=type(error).__name__)
        await _rest(shutdown, 5.0)


async def _work_one_session(
    config: SealerConfig, pace: Pace, shutdown: asyncio.Event, metrics: RetentionMetrics
) -> None:
    connection = await asyncpg.connect(
        config.database_url,
        timeout=10,
        command_timeout=600.0,
        server_settings={
            **DURABLE,
            "application_name": "koppelpunt-retention",
            "lock_timeout": "10s",
            "timezone": "UTC",
        },
    )
    try:
        leading = False
        while not shutdown.is_set():
            leading = leading or await lead(connection)
            waiting = await run_round(connection, pace, metrics, shutdown) if leading else False
            await _rest(shutdown, min(_SOON, config.retention_every) if waiting else config.retention_every)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def lead(connection: asyncpg.Connection) -> bool:
    """Become the one that destroys, if nobody is."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER))


async def run_round(
    connection: asyncpg.Connection, pace: Pace, metrics: RetentionMetrics, shutdown: asyncio.Event | None = None
) -> bool:
    """Once through every tenant; tell whether a proof waits to be signed. What fails of one tenant stops no other."""
    stop = shutdown or asyncio.Event()
    waiting, overdue = False, []
    for tenant_id in await steps.list_tenants(connection):
        if stop.is_set():
            return waiting
        try:
            waiting |= await destroy_what_is_due(connection, tenant_id, pace, stop)
            await _repeat(partial(steps.forget_proef, connection, tenant_id, pace.step), pace, stop)
            overdue += [(tenant_id, due) for due in await _overdue(connection, tenant_id)]
        except asyncpg.PostgresError as error:
            metrics.failures.inc()
            log.warning("retention_failed", tenant=tenant_id, error=type(error).__name__)
    await steps.confirm(connection)
    metrics.show(await steps.read_standing(connection), overdue)
    metrics.last_round.set(time.time())
    return waiting


async def destroy_what_is_due(connection: asyncpg.Connection, tenant_id: int, pace: Pace, stop: asyncio.Event) -> bool:
    """All that is due of one tenant; tell whether a proof waits to be signed."""
    waiting = False
    for due in await steps.list_due(connection, tenant_id):
        if stop.is_set():
            break
        if due.soort == "protocolregels":
            waiting |= await _destroy_month(connection, tenant_id, due, pace, stop)
        elif due.soort == "jaarsleutel":
            if await steps.destroy_year_key(connection, tenant_id, due.maand.year, pace.backup_days):
                log.info("year_key_destroyed", tenant=tenant_id, year=due.maand.year)
        else:
            step = partial(steps.destroy_records, connection, tenant_id, due, pace.backup_days, pace.step)
            await _repeat(step, pace, stop)
    return waiting


async def _destroy_month(
    connection: asyncpg.Connection, tenant_id: int, due: Due, pace: Pace, stop: asyncio.Event
) -> bool:
    while not stop.is_set():
        number = await steps.begin(connection, tenant_id, due.maand, pace.backup_days, pace.of_a_proof)
        if number is None:
            return False
        while True:
            began = time.monotonic()
            outcome = await steps.destroy_some(connection, tenant_id, number, pace.step)
            if outcome == "wacht":
                return True
            if outcome == "klaar":
                log.info("month_destroyed", tenant=tenant_id, month=due.maand.isoformat(), vernietiging=number)
                break
            if stop.is_set():
                return False
            await _rest(stop, max(pace.pause, time.monotonic() - began))
    return False


async def _repeat(step: Callable[[], Awaitable[int]], pace: Pace, stop: asyncio.Event) -> None:
    """Take small steps until one finds nothing."""
    while not stop.is_set():
        began = time.monotonic()
        if not await step():
            return
        await _rest(stop, max(pace.pause, time.monotonic() - began))


async def _overdue(connection: asyncpg.Connection, tenant_id: int) -> list[steps.Planned]:
    """What should have gone long ago and is not held: something keeps it (an unsealed row, a halted tree)."""
    late = datetime.now(UTC) - _LATE
    if not await steps.list_due(connection, tenant_id, late):
        return []
    return await steps.list_planned(connection, tenant_id, late)


async def _rest(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
