"""The sealer process: one leader, one session, one round of chores at a time.

Who holds the advisory lock works; the others stand by and take over when its session ends. The work is done in the very
session that holds the lock, so that a leader that lost it cannot go on. A chore that fails is counted and logged, and
keeps no other one from being done.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from tenants.config import SealerConfig
from tenants.delivery.rounds import keep_delivering
from tenants.durable import DURABLE
from tenants.notices.metrics import make_notice_metrics
from tenants.notices.raising import Raiser
from tenants.notices.rounds import keep_notifying
from tenants.observing import make_observed
from tenants.pools import must_have_role
from tenants.retention.metrics import make_retention_metrics
from tenants.retention.rounds import keep_destroying
from tenants.revocation.metrics import make_revocation_metrics
from tenants.sealer.chores import (
    Orphan,
    ensure_partitions,
    forget_fetched_messages,
    forget_used_assertions,
    lead,
    list_expiries,
    list_orphans,
    list_secret_ends,
)
from tenants.sealer.metrics import SealerMetrics, make_sealer_metrics
from tenants.sealer.parts import notice_ways_of, signer_of, ways_of
from tenants.sealer.patrol_loop import keep_patrolling, make_patrol_metrics
from tenants.sealer.revoking import keep_revoking, places_of
from tenants.sealer.stamping import authority_of, keep_stamping, make_stamp_metrics
from tenants.sealer.tree_metrics import LATE_SECONDS, make_tree_metrics
from tenants.sealer.trees_loop import keep_sealing
from tenants.serve import run_together, serve

AHEAD = timedelta(days=92)
"""How far ahead there are partitions: a sealer may be away for three months before an opening finds no place."""

_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
_STATEMENT_SECONDS = 60.0
_MOST_LOGGED = 1_000
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(slots=True)
class _Standing:
    """What the sealer knows of itself between rounds."""

    raiser: Raiser
    connected: bool = False
    leading: bool = False
    whole: bool = True
    told: set[UUID] = field(default_factory=set)


async def run_sealer(
    config: SealerConfig, shutdown: asyncio.Event, *, ready: Callable[[int], None] | None = None
) -> None:
    """Work, or stand by, until `shutdown`. `ready` is told the port of the metrics.

    Raises OSError for that port or the checkpoint key, ValueError for a key or a network that cannot be read.
    """
    metrics = make_sealer_metrics()
    trees, signer = make_tree_metrics(metrics.registry), signer_of(config)
    ways = ways_of(config, signer)
    how, notices = notice_ways_of(config, ways), make_notice_metrics(metrics.registry)
    orphan_after, late_after = timedelta(seconds=config.orphan_after), timedelta(seconds=LATE_SECONDS)
    standing = _Standing(Raiser(notices, bool(how.operator), orphan_after, late_after))
    places, revocation = places_of(config), make_revocation_metrics(metrics.registry)

    authority, stamps = authority_of(config), make_stamp_metrics(metrics.registry)

    async def is_ready() -> dict[str, bool]:
        return {"database": standing.connected, "ronde": standing.whole}

    observed = make_observed(metrics.registry, is_ready)
    await run_together(
        serve(observed, bind=config.metrics_bind, shutdown=shutdown, ready=ready),
        _keep_working(config, shutdown, metrics, standing),
        keep_sealing(config, signer, shutdown, trees),
        keep_patrolling(config, signer, shutdown, make_patrol_metrics(metrics.registry)),
        keep_destroying(config, shutdown, make_retention_metrics(metrics.registry)),
        keep_revoking(config, places, shutdown, revocation),
        keep_stamping(config.database_url, authority, shutdown, stamps, every=config.seal_every),
        keep_delivering(config.database_url, ways, shutdown, trees, every=min(config.seal_every, 5.0)),
        keep_notifying(config.database_url, how, shutdown, notices, every=min(config.every, 5.0)),
    )


async def _keep_working(
    config: SealerConfig, shutdown: asyncio.Event, metrics: SealerMetrics, standing: _Standing
) -> None:
    while not shutdown.is_set():
        try:
            await _work_one_session(config, shutdown, metrics, standing)
        except _TROUBLE as error:
            log.warning("sealer_session_lost", error=type(error).__name__)
        finally:
            # What went wrong is for whoever leads from now on: one that stands by lacks nothing.
            standing.connected, standing.leading, standing.whole = False, False, True
            metrics.leader.set(0)
        await _pause(shutdown, min(config.every, 5.0))


async def _work_one_session(
    config: SealerConfig, shutdown: asyncio.Event, metrics: SealerMetrics, standing: _Standing
) -> None:
    """Work until the session is lost (raises what it was lost with) or `shutdown`."""
    connection = await asyncpg.connect(
        config.database_url,
        timeout=10,
        command_timeout=_STATEMENT_SECONDS,
        # Making a partition waits briefly for its lock, rather than letting an opening wait behind it.
        server_settings={**DURABLE, "application_name": "koppelpunt-sealer", "lock_timeout": "2s"},
    )
    try:
        await must_have_role(connection, role="koppelpunt_sealer")
        standing.connected = True
        while not shutdown.is_set():
            if not standing.leading:
                standing.leading = await lead(connection)
                metrics.leader.set(int(standing.leading))
                if standing.leading:
                    log.info("sealer_leads")
            if standing.leading:
                standing.whole = await _do_chores(connection, config, metrics, standing)
                if standing.whole:
                    metrics.last_round.set(time.time())
            await _pause(shutdown, config.every)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def _do_chores(
    connection: asyncpg.Connection, config: SealerConfig, metrics: SealerMetrics, standing: _Standing
) -> bool:
    """Do every chore once; tell whether all went well. Raises when the session itself is gone."""

    async def make_partitions() -> None:
        metrics.partitions.inc(await ensure_partitions(connection, AHEAD))

    async def forget() -> None:
        metrics.forgotten.inc(await forget_fetched_messages(connection))
        await forget_used_assertions(connection)

    async def report_orphans() -> None:
        orphans = await list_orphans(connection, timedelta(seconds=config.orphan_after))
        metrics.show_orphans(orphans)
        _tell(orphans, standing)

    async def report_expiries() -> None:
        metrics.show_expiries(await list_expiries(connection), datetime.now(UTC))
        metrics.show_secrets(await list_secret_ends(connection), datetime.now(UTC))

    async def raise_notices() -> None:
        await standing.raiser.raise_notices(connection, datetime.now(UTC))

    chores: tuple[Callable[[], Awaitable[None]], ...] = (
        make_partitions, forget, report_orphans, report_expiries, raise_notices,
    )  # fmt: skip
    whole = True
    for chore in chores:
        try:
            await chore()
        except _TROUBLE as error:
            whole = standing.whole = False
            metrics.failures.labels(chore.__name__).inc()
            log.warning("chore_failed", chore=chore.__name__, error=type(error).__name__)
            # A driver that lost count of a session that was ended under it says so in its own way.
            if connection.is_closed() or isinstance(error, asyncpg.InternalClientError):
                raise
    return whole


def _tell(orphans: list[Orphan], standing: _Standing) -> None:
    """Log each call without closing once, with numbers only: what it was about is sealed."""
    new = [one for one in orphans if one.id not in standing.told]
    for one in new[:_MOST_LOGGED]:
        log.warning(
            "call_without_closing",
            register=one.kind,
            tenant=one.tenant_id,
            transactie=str(one.id),
            writer=one.writer_id,
            aansluiting=one.aansluiting_id,
            opened_at=one.opened_at.isoformat(),
            gateway=one.instance,
            cause=one.cause,
        )
    # What is closed after all leaves the memory; what was too much for one round is told in the next.
    standing.told = {one.id for one in orphans} - {one.id for one in new[_MOST_LOGGED:]}


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
