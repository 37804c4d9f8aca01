"""Makes the keys of each tenant's years ahead of time: this year's and the next one's.

Without the key of a year nothing of that year can be recorded, so the gateway would not serve the tenant. Hence at the
start of the tenants process and every day after; what exists already is left alone.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import asyncpg
import structlog

from tenants.keyring import Keyring
from tenants.overviews import list_active_tenant_ids
from tenants.registry import ensure_tenant_years
from tenants.scope import tenant_scope

ACTOR = "tenants/jaarsleutels"
_DAY = 86_400.0
_AGAIN = 5.0
log = structlog.get_logger("koppelpunt.years")


async def make_years(connection: asyncpg.Connection, identity: Keyring, register: Keyring) -> int:
    """Make what is missing for every active tenant; return how many keys. The public halves are enough."""
    year = datetime.now(UTC).year
    made = 0
    for tenant_id in await list_active_tenant_ids(connection):
        async with tenant_scope(connection, tenant_id, actor=ACTOR):
            made += await ensure_tenant_years(connection, tenant_id, identity, register, (year, year + 1))
    return made


async def keep_years(
    pool: asyncpg.Pool, identity: Keyring, register: Keyring, shutdown: asyncio.Event, *, every: float = _DAY
) -> None:
    """Make the years now and each `every` seconds, until shutdown. A failure is logged and tried again soon."""
    while not shutdown.is_set():
        pause = every
        try:
            async with pool.acquire() as connection:
                made = await make_years(connection, identity, register)
            if made:
                log.info("tenant_years_made", count=made)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("tenant_years_not_made", error=type(error).__name__)
            pause = min(_AGAIN, every)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await shutdown.wait()
