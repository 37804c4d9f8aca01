"""Remembers which client assertions were used, across replicas: one row in PostgreSQL, by a function that says who was first.

Owns one connection. Raises RegisterUnavailable when it cannot be known whether an assertion was used before: then nobody
is let in by it. Forgetting is the sealer's work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import asyncpg

from gateway.errors import RegisterUnavailable
from gateway.idp.assertions import Use

_SECONDS: Final = 2.0
# The last one is asyncpg's own when a session ends at the moment that it is asked something.
_TROUBLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class UsedAssertions:
    """Uses assertions, each once. `connect` gives a connection of the gateway's role."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def use(self, use: Use) -> bool:
        """Use an assertion; False when it was used before, wherever that was. Raises RegisterUnavailable."""
        try:
            async with asyncio.timeout(_SECONDS), self._lock:
                return await self._ask(use)
        except _TROUBLE:
            # Whether the row was written is not known. Fail closed: the caller makes a new assertion and asks again.
            raise RegisterUnavailable(
                "assertieNietVastgelegd", "Er kon niet worden vastgelegd dat deze assertie is gebruikt.", retry_after=1
            ) from None

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(*_TROUBLE):
                await self._connection.close(timeout=2)

    async def _ask(self, use: Use) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        try:
            return await use_jti(self._connection, use)
        except BaseException:
            # Also when the time is up: an answer that comes later must never be taken for that of the next question.
            self._connection.terminate()
            raise


async def use_jti(connection: asyncpg.Connection, use: Use) -> bool:
    """Remember a jti of a key until it ends; whether it was new. One statement of its own transaction."""
    is_new: bool = await connection.fetchval(
        "SELECT auth.use_jti($1, $2, $3, $4)",
        use.key.tenant_id, use.key.key_id, use.jti, datetime.fromtimestamp(use.expires, UTC),
    )  # fmt: skip
    return is_new
