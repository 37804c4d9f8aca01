"""Delivers what is due, for as long as the process runs. At least once: whoever takes a delivery and dies has not done it.

Any sealer does this, leader or not: PostgreSQL hands each delivery to one of them for a minute. Deliveries run side by
side in threads, so that a place that hangs keeps no other waiting. A place that does not take it is tried again, later
each time, up to an hour. A place that contradicts the register (it holds more, or something else, with our signature) is a fault of the tree.
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from tenants.delivery.sending import Contradicted, Undelivered, Ways, deliver
from tenants.delivery.stamps import deliver_stamps_due, with_published_keys
from tenants.durable import DURABLE
from tenants.sealer.tree_metrics import TreeMetrics
from tenants.sealer.trees import note_faults

_AT_ONCE: Final = 8
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.delivery")


async def keep_delivering(
    database_url: str, ways: Ways, shutdown: asyncio.Event, metrics: TreeMetrics, *, every: float
) -> None:
    """Deliver until `shutdown`."""
    while not shutdown.is_set():
        try:
            connection = await asyncpg.connect(
                database_url,
                timeout=10,
                command_timeout=30.0,
                server_settings={**DURABLE, "application_name": "koppelpunt-delivery"},
            )
            try:
                while not shutdown.is_set():
                    more = await deliver_due(connection, ways, metrics)
                    if not (await deliver_stamps_due(connection, ways, metrics) or more):
                        await _pause(shutdown, every)
            finally:
                with suppress(*_TROUBLE):
                    await connection.close(timeout=2)
        except _TROUBLE as error:
            log.warning("delivery_session_lost", error=type(error).__name__)
            await _pause(shutdown, min(every, 5.0))


async def deliver_due(connection: asyncpg.Connection, ways: Ways, metrics: TreeMetrics) -> bool:
    """Deliver what is due, a few at once; tell whether anything was."""
    taken = await connection.fetch("SELECT * FROM register.take_deliveries($1)", _AT_ONCE)
    known = await with_published_keys(connection, ways) if taken else ways
    errors = [
        await _unless_known(connection, row, error)
        for row, error in zip(taken, await asyncio.gather(*(_deliver(known, row) for row in taken)), strict=True)
    ]
    for row, error in zip(taken, errors, strict=True):
        await connection.execute(
            "SELECT register.end_delivery($1, $2, $3, $4)",
            row["tenant_id"], row["destination_id"], row["size"], None if error is None else str(error),
        )  # fmt: skip
        if isinstance(error, Contradicted):
            place = f"checkpoint destination {row['destination_id']} at size {row['size']}: {error}"
            await note_faults(connection, [(row["tenant_id"], "destination_contradicts", place)], halts=True)
        outcome = "delivered" if error is None else "failed"
        metrics.deliveries.labels(row["kind"], outcome).inc()
        if error is not None:
            log.warning(
                "checkpoint_not_delivered",
                tenant=row["tenant_id"],
                destination=row["destination_id"],
                kind=row["kind"],
                error=str(error),
            )
    return bool(taken)


async def _unless_known(
    connection: asyncpg.Connection, row: asyncpg.Record, error: Undelivered | None
) -> Undelivered | None:
    """A later checkpoint of our own contradicts nothing: another delivery was faster than this one."""
    if isinstance(error, Contradicted) and await connection.fetchval(
        "SELECT 1 FROM register.checkpoint WHERE tenant_id = $1 AND note = $2 AND size > $3",
        row["tenant_id"], error.note, row["size"],
    ):  # fmt: skip
        return Undelivered("ingehaald")
    return error


async def _deliver(ways: Ways, row: asyncpg.Record) -> Undelivered | None:
    try:
        await asyncio.to_thread(deliver, ways, row["kind"], row["target"], row["note"])
    except Undelivered as error:
        return error
    return None


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
