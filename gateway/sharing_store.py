"""Turns and tokens that all replicas share, in PostgreSQL: a few connections, made when they are needed."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.limiting import Granted, Key
from gateway.sharing import Verdict, Wanted
from tenants.limits import RateLimit

TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_SECONDS: Final = 5.0
_CONNECTIONS: Final = 4


class SharingStore:
    """Belongs to one event loop. No statement here waits for another process longer than its row is being written."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._pool: asyncpg.Pool | None = None
        self._making = asyncio.Lock()

    async def take(self, tenant_id: int, key: bytes, wanted: Wanted, turn: UUID, seconds: float) -> Verdict:
        """See `registry.take_token`."""
        row = await self._row(
            "SELECT * FROM registry.take_token($1, $2, $3, $4, $5, $6, $7)",
            tenant_id, key, wanted.after, wanted.refused, wanted.pardoned, turn, seconds,
        )  # fmt: skip
        return Verdict(
            row["verdict"],
            row["generation"],
            row["sealed"] or b"",
            row["age"] or 0.0,
            row["seconds_left"] or 0.0,
            row["kind"] or "",
            row["code"] or "",
            row["detail"] or "",
            row["failures"],
        )

    async def put(
        self, tenant_id: int, key: bytes, turn: UUID, sealed: bytes, *, age: float, seconds: float
    ) -> int | None:
        """The generation of the token that stands there now; None when the turn was over."""
        row = await self._row(
            "SELECT generation FROM registry.put_token($1, $2, $3, $4, $5, $6)",
            tenant_id, key, turn, sealed, age, seconds,
        )  # fmt: skip
        return None if row is None else row["generation"]

    async def fail(
        self, tenant_id: int, key: bytes, turn: UUID, error: tuple[str, str, str] | None, seconds: float
    ) -> None:
        """End a turn without a token: kind, code and detail for the others, or nothing."""
        kind, code, detail = error or (None, None, None)
        await self._row(
            "SELECT registry.fail_token($1, $2, $3, $4, $5, $6, $7)",
            tenant_id, key, turn, kind, code, detail, seconds,
        )  # fmt: skip

    async def take_rate(self, key: Key, limit: RateLimit, want: int) -> Granted:
        """See `registry.take_rate`."""
        row = await self._row(
            "SELECT granted, level, seconds FROM registry.take_rate($1, $2, $3, $4, $5)",
            *key, limit.per_second, limit.burst, want,
        )  # fmt: skip
        return Granted(row["granted"], row["level"], row["seconds"])

    async def read_clock(self) -> datetime:
        """What time it is there."""
        found: datetime = (await self._row("SELECT clock_timestamp()"))[0]
        return found

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def _row(self, statement: str, *arguments: object) -> Any:
        async with asyncio.timeout(_SECONDS):
            pool = await self._ready()
            async with pool.acquire() as connection:
                return await connection.fetchrow(statement, *arguments)

    async def _ready(self) -> asyncpg.Pool:
        async with self._making:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0, max_size=_CONNECTIONS, max_inactive_connection_lifetime=60, connect=self._reach
                )
        return self._pool

    async def _reach(self, *_dsn: Any, **_given: Any) -> asyncpg.Connection:
        return await self._connect()
