"""The sealer's session for rounds over what was sealed long ago, apart from sealing, so that neither waits for the other.

One leader at a time, by a lock of its own. A step of each tenant's round in turn, and after each a pause of four times as long as it took: a fifth
of one connection at most. What fails of one tenant stops no other.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.config import SealerConfig
from tenants.durable import DURABLE
from tenants.sealer.patrol import list_rounds, read_age, take_step
from tenants.sealer.signing import Signer

_LEADER: Final = (19_273, 1)
_PAUSE_TIMES: Final = 4.0
_SHORTEST_PAUSE: Final = 1.0
_REST_SECONDS: Final = 60.0
_TROUBLE = (
    OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError, ValueError,
)  # fmt: skip
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class PatrolMetrics:
    age: Gauge
    term: Gauge
    rows: Counter
    faults: Counter
    failures: Counter


def make_patrol_metrics(registry: CollectorRegistry) -> PatrolMetrics:
    """Metrics in the sealer's registry."""
    return PatrolMetrics(
        age=Gauge(
            "koppelpunt_patrol_age_seconds", "Since the beginning of the oldest last whole round", registry=registry
        ),
        term=Gauge("koppelpunt_patrol_term_seconds", "Within which each row is hashed again", registry=registry),
        rows=Counter("koppelpunt_patrol_rows", "Rows that were looked at in rounds", registry=registry),
        faults=Counter("koppelpunt_patrol_faults", "Faults that rounds found", registry=registry),
        failures=Counter("koppelpunt_patrol_failures", "Steps and sessions that failed", registry=registry),
    )


async def keep_patrolling(
    config: SealerConfig, signer: Signer | None, shutdown: asyncio.Event, metrics: PatrolMetrics
) -> None:
    """Go round until `shutdown`. A session that is lost is replaced."""
    metrics.term.set(timedelta(days=config.patrol_days).total_seconds())
    while not shutdown.is_set():
        try:
            await _work_one_session(config, signer, shutdown, metrics)
        except _TROUBLE as error:
            metrics.failures.inc()
            log.warning("patrol_session_lost", error=type(error).__name__)
        finally:
            # Another may lead now, and shows it.
            metrics.age.set(0)
        await _rest(shutdown, 5.0)


async def _work_one_session(
    config: SealerConfig, signer: Signer | None, shutdown: asyncio.Event, metrics: PatrolMetrics
) -> None:
    connection = await asyncpg.connect(
        config.database_url,
        timeout=10,
        command_timeout=60.0,
        server_settings={**DURABLE, "application_name": "koppelpunt-patrol", "plan_cache_mode": "force_custom_plan"},
    )
    # Two rounds in the term: a row that was looked at early in one and late in the next is still looked at in time.
    every = timedelta(days=config.patrol_days) / 2
    try:
        leading = False
        while not shutdown.is_set():
            leading = leading or bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER))
            more = False
            if leading:
                if signer is not None:
                    more = await go_round(connection, signer, metrics, shutdown, every=every, most=config.patrol_step)
                metrics.age.set(await read_age(connection))
            if not more:
                await _rest(shutdown, _REST_SECONDS)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def go_round(
    connection: asyncpg.Connection,
    signer: Signer,
    metrics: PatrolMetrics,
    shutdown: asyncio.Event,
    *,
    every: timedelta,
    most: int,
    pause: float = _SHORTEST_PAUSE,
) -> bool:
    """One step of every tenant's round that is due; tell whether there was any, and all went well."""
    whole = True
    due = await list_rounds(connection, every)
    for one in due:
        if shutdown.is_set():
            return False
        began = time.monotonic()
        try:
            looked = await take_step(connection, signer, one, most)
            metrics.rows.inc(looked.rows)
            metrics.faults.inc(looked.faults)
        except (asyncpg.PostgresError, ValueError) as error:
            if connection.is_closed():
                raise
            whole = False
            metrics.failures.inc()
            log.warning("patrol_failed", tenant=one.tenant_id, error=type(error).__name__)
        await _rest(shutdown, max(pause, _PAUSE_TIMES * (time.monotonic() - began)))
    return bool(due) and whole


async def _rest(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
