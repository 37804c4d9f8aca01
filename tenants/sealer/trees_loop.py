"""The sealer's second session: sealing and signing, apart from the chores, so that neither waits for the other.

One leader at a time, by a lock of its own; the work is done in the session that holds it. Seals until nothing is new,
then signs every tree that has grown, and rests. A tree that cannot be signed keeps no other from being signed.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from tenants.config import SealerConfig
from tenants.durable import DURABLE
from tenants.sealer.operator_signing import sign_operator
from tenants.sealer.remembering import EVERY_SECONDS, compare_memory
from tenants.sealer.sealing import CursorAhead, seal_slice
from tenants.sealer.signing import Signer, list_unsigned, publish_keys, sign_tree
from tenants.sealer.tree_metrics import TreeMetrics, read_standing

_LEADER: Final = (19_268, 1)
_TROUBLE = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
    ValueError,
    CursorAhead,
)
_MOST_SLICES: Final = 50
"""After so many slices trees are signed, also when more is new: a backlog must not keep checkpoints waiting."""
log = structlog.get_logger("koppelpunt.sealer")


async def keep_sealing(
    config: SealerConfig, signer: Signer | None, shutdown: asyncio.Event, metrics: TreeMetrics
) -> None:
    """Seal and sign until `shutdown`. A session that is lost is replaced."""
    if signer is None:
        log.warning("checkpoint_key_missing")
    while not shutdown.is_set():
        try:
            await _work_one_session(config, signer, shutdown, metrics)
        except _TROUBLE as error:
            metrics.failures.inc()
            log.warning("sealing_session_lost", error=type(error).__name__)
        finally:
            metrics.leads.set(0)
        await _pause(shutdown, min(config.seal_every, 5.0))


async def _work_one_session(
    config: SealerConfig, signer: Signer | None, shutdown: asyncio.Event, metrics: TreeMetrics
) -> None:
    connection = await asyncpg.connect(
        config.database_url,
        timeout=10,
        command_timeout=60.0,
        server_settings={**DURABLE, "application_name": "koppelpunt-sealing", "plan_cache_mode": "force_custom_plan"},
    )
    try:
        leading, compared = False, float("-inf")
        while not shutdown.is_set():
            if not leading:
                leading = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER))
                metrics.leads.set(int(leading))
                if leading and signer is not None:
                    await publish_keys(connection, signer)
            if leading and signer is not None and signer.directory and time.monotonic() - compared >= EVERY_SECONDS:
                metrics.contradicted.set(await compare_memory(connection, signer.directory))
                compared = time.monotonic()
            more = await seal_and_sign(connection, signer, metrics, batch=config.seal_batch) if leading else False
            if leading:
                metrics.show(await read_standing(connection))
                metrics.last_round.set(time.time())
            if not more:
                await _pause(shutdown, config.seal_every)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def seal_and_sign(
    connection: asyncpg.Connection, signer: Signer | None, metrics: TreeMetrics, *, batch: int
) -> bool:
    """One round: seal what is new, then sign what has grown. Tells whether more is new already."""
    more = False
    for _ in range(_MOST_SLICES):
        sealed = await seal_slice(connection, batch)
        metrics.leaves.inc(sealed.leaves)
        metrics.missing.inc(sealed.missing)
        more = sealed.leaves >= batch
        if not more:
            break
    if signer is not None:
        await _sign_operator(connection, signer, metrics)
        for unsigned in await list_unsigned(connection):
            try:
                signed = await sign_tree(connection, signer, unsigned)
            except asyncpg.SerializationError:
                # Another sealer signed it, or it was halted meanwhile: nothing is wrong with the others.
                signed = False
            (metrics.signed if signed else metrics.refused).inc()
    return more


async def _sign_operator(connection: asyncpg.Connection, signer: Signer, metrics: TreeMetrics) -> None:
    """The operator's own history, which is of no tenant and so keeps none from being signed."""
    try:
        signed = await sign_operator(connection, signer)
    except asyncpg.SerializationError:
        signed = False
    if signed is not None:
        (metrics.signed if signed else metrics.refused).inc()


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
