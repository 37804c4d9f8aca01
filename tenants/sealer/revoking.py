"""The sealer's third session: revocation, and the keys of certificates that have ended. One leader, by a lock of its own.

Apart from the chores and from sealing: a place that hangs keeps neither waiting.
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from cryptography import x509

from tenants.config import SealerConfig
from tenants.durable import DURABLE
from tenants.fetch import read_rules
from tenants.revocation.metrics import RevocationMetrics
from tenants.revocation.rounds import Places, Rounds

_LEADER: Final = (19_269, 1)
_TROUBLE = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
    ValueError,
)
log = structlog.get_logger("koppelpunt.revocation")


def places_of(config: SealerConfig) -> Places:
    """Where lists come from, by the settings. Raises OSError, ValueError for a file or network that cannot be read."""
    rules = None
    if config.revocation_hosts:
        rules = read_rules(config.revocation_hosts, config.revocation_internal, None, plain=True)
    authorities: tuple[x509.Certificate, ...] = ()
    if config.revocation_ca_file is not None:
        authorities = tuple(x509.load_pem_x509_certificates(config.revocation_ca_file.read_bytes()))
    urls = tuple(one.strip() for one in config.revocation_urls.split(",") if one.strip())
    return Places(rules, authorities, urls, config.revocation_refresh)


async def keep_revoking(
    config: SealerConfig, places: Places, shutdown: asyncio.Event, metrics: RevocationMetrics
) -> None:
    """Work, or stand by, until `shutdown`. A session that is lost is replaced."""
    if places.rules is None:
        log.warning("revocation_hosts_missing")
    while not shutdown.is_set():
        try:
            await _work_one_session(config, Rounds(places, metrics), shutdown)
        except _TROUBLE as error:
            metrics.failures.inc()
            log.warning("revocation_session_lost", error=type(error).__name__)
        finally:
            metrics.leads.set(0)
        await _pause(shutdown, min(config.revocation_every, 5.0))


async def _work_one_session(config: SealerConfig, rounds: Rounds, shutdown: asyncio.Event) -> None:
    connection = await asyncpg.connect(
        config.database_url,
        timeout=10,
        command_timeout=60.0,
        server_settings={**DURABLE, "application_name": "koppelpunt-revocation"},
    )
    try:
        leading = False
        while not shutdown.is_set():
            if not leading:
                leading = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER))
                rounds.metrics.leads.set(int(leading))
            if leading:
                await rounds.work(connection)
            await _pause(shutdown, config.revocation_every)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
