"""Scopes of a transaction: for which tenant, and by whom. Row-level security and the history read them.

Set with set_config(…, true), so that a scope ends with its transaction, also on a connection of a pool. Without a
scope nothing of any tenant is visible.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def tenant_scope(connection: asyncpg.Connection, tenant_id: int, *, actor: str) -> AsyncIterator[None]:
    """Open a transaction in the scope of one tenant; `actor` is who the history says did it.

    Inside another scope it is a savepoint, after which the outer scope stands again.
    """
    async with _scope(connection, str(tenant_id), actor):
        yield


@asynccontextmanager
async def operator_scope(connection: asyncpg.Connection, *, actor: str) -> AsyncIterator[None]:
    """Open a transaction for what belongs to no tenant (making one, a blokkade). No tenant's rows are visible."""
    async with _scope(connection, "", actor):
        yield


@asynccontextmanager
async def _scope(connection: asyncpg.Connection, tenant: str, actor: str) -> AsyncIterator[None]:
    if not actor:
        raise ValueError("A change needs an actor.")
    nested = connection.is_in_transaction()
    async with connection.transaction():
        before = await _current(connection) if nested else None
        await _set(connection, tenant, actor)
        yield
        # A savepoint that is released keeps its settings; one that is rolled back gives the old ones by itself.
        if before is not None:
            await _set(connection, *before)


async def _current(connection: asyncpg.Connection) -> tuple[str, str]:
    row = await connection.fetchrow(
        "SELECT COALESCE(current_setting('koppelpunt.tenant_id', true), '') AS tenant_id, "
        "COALESCE(current_setting('koppelpunt.actor', true), '') AS actor"
    )
    return row["tenant_id"], row["actor"]


async def _set(connection: asyncpg.Connection, tenant: str, actor: str) -> None:
    await connection.fetchrow(
        "SELECT set_config('koppelpunt.tenant_id', $1, true), set_config('koppelpunt.actor', $2, true)", tenant, actor
    )
