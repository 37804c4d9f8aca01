"""The memory of stands and mailboxes that all replicas share, in PostgreSQL. A connection is made when the first one is written."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import asyncpg

from gateway.stands import Key, Seen

TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_SECONDS: Final = 2.0


class StandsStore:
    """One connection, one statement at a time; what fails ends it, and the next one begins anew."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    async def note(self, seen: Seen) -> datetime:
        """Write what was seen; when a careful call may go."""
        row = await self._row(
            "SELECT registry.note_rvig_stand($1, $2, $3, $4, $5, $6, $7::smallint, $8)",
            *seen.key, seen.credential_id, seen.fingerprint, seen.kind, seen.place, seen.status, seen.code,
        )  # fmt: skip
        probe_at: datetime = row[0]
        return probe_at

    async def take_probe(self, key: Key) -> tuple[bool, datetime] | None:
        """Whether the careful call is this replica's, and when the next one may go. None: there is no block any more."""
        row = await self._row("SELECT taken, probe_at FROM registry.take_rvig_probe($1, $2)", *key)
        return None if row is None else (row["taken"], row["probe_at"])

    async def release(self, key: Key, credential_id: int, fingerprint: bytes) -> None:
        await self._row("SELECT registry.release_rvig_stand($1, $2, $3, $4)", *key, credential_id, fingerprint)

    async def note_postbus(self, key: Key, waiting: int, oldest: datetime | None) -> None:
        """Write how many messages wait in the mailbox of an aansluiting, and since when, if that is known."""
        await self._row("SELECT registry.note_postbus($1, $2, $3, $4)", *key, waiting, oldest)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def _row(self, statement: str, *arguments: object) -> Any:
        async with self._lock:
            try:
                async with asyncio.timeout(_SECONDS):
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connect()
                    return await self._connection.fetchrow(statement, *arguments)
            except TROUBLE:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.terminate()
                raise
