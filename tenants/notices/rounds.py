"""Delivers notices for as long as the process runs: mail and webhooks each in a session and a loop of their own.

Any sealer does this, leader or not: PostgreSQL hands each delivery to one of them for two minutes. A mail server that is
dead delays no webhook, no other chore and no call; it rings. What is not taken is tried again, later each time, up to an
hour, for a week.
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from tenants.delivery.sending import Undelivered
from tenants.durable import DURABLE
from tenants.notices.metrics import NoticeMetrics
from tenants.notices.rows import Delivery, end_delivery, read_waiting, take_deliveries
from tenants.notices.sending import NoticeWays, send_notice

WAYS: Final = ("mail", "webhook")
_AT_ONCE: Final = 8
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.notices")


async def keep_notifying(
    database_url: str, how: NoticeWays, shutdown: asyncio.Event, metrics: NoticeMetrics, *, every: float
) -> None:
    """Deliver by both ways until `shutdown`."""
    async with asyncio.TaskGroup() as group:
        for way in WAYS:
            group.create_task(_keep_delivering(database_url, way, how, shutdown, metrics, every))


async def _keep_delivering(
    database_url: str, way: str, how: NoticeWays, shutdown: asyncio.Event, metrics: NoticeMetrics, every: float
) -> None:
    while not shutdown.is_set():
        try:
            connection = await asyncpg.connect(
                database_url,
                timeout=10,
                command_timeout=30.0,
                server_settings={**DURABLE, "application_name": f"koppelpunt-{way}"},
            )
            try:
                while not shutdown.is_set():
                    if not await deliver_due(connection, way, how, metrics):
                        await _pause(shutdown, every)
            finally:
                with suppress(*_TROUBLE):
                    await connection.close(timeout=2)
        except _TROUBLE as error:
            log.warning("notice_session_lost", way=way, error=type(error).__name__)
            await _pause(shutdown, min(every, 5.0))


async def deliver_due(connection: asyncpg.Connection, way: str, how: NoticeWays, metrics: NoticeMetrics) -> bool:
    """Deliver what is due by one way, a few at once; tell whether anything was."""
    taken = await take_deliveries(connection, way, _AT_ONCE)
    errors = await asyncio.gather(*(_deliver(how, one) for one in taken))
    for one, error in zip(taken, errors, strict=True):
        await end_delivery(connection, one, error)
        metrics.deliveries.labels(way, "delivered" if error is None else "failed").inc()
        if error is not None:
            log.warning("notice_not_delivered", tenant=one.tenant_id, melding=one.melding_id, way=way, error=error)
    metrics.waiting.labels(way).set((await read_waiting(connection)).get(way, 0.0))
    return bool(taken)


async def _deliver(how: NoticeWays, delivery: Delivery) -> str | None:
    try:
        await asyncio.to_thread(send_notice, how, delivery)
    except Undelivered as error:
        return str(error)
    return None


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
