"""Moves the hash of a caller's secret to the current version of the identity keyring when that secret is used.

A hash cannot be made anew without its secret, and the secret is here only while its caller calls. What is noted is the new
hash, never the secret; a few are kept at a time, and what does not get through is noted again at the next call. No call
waits for it. The database moves a hash only for who knows the old one, and only to a newer version.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from tenants.keyring import Keyring, hash_secret
from tenants.model import TaaksysteemKey

_MOST: Final = 1_000
_REST_SECONDS: Final = 1.0
_TROUBLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.keys")


class Rehashing:
    """Notes used secrets whose hash is of an older version, and moves them in the background until `close`."""

    def __init__(
        self,
        identity: Keyring,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        *,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._identity = identity
        self._connect = connect
        self._rest = rest_seconds
        self._noted: dict[int, tuple[bytes, bytes, int]] = {}
        self._wake = asyncio.Event()
        self._mover: asyncio.Task[None] | None = None

    def note(self, key: TaaksysteemKey, secret: str) -> None:
        """A secret was right. Costs nothing for a hash of the current version."""
        if key.hash is None or key.hash_version is None or key.hash_version >= self._identity.current:
            return
        if key.key_id in self._noted or len(self._noted) >= _MOST:
            return
        hashed, version = hash_secret(self._identity, secret)
        self._noted[key.key_id] = (key.hash, hashed, version)
        self._wake.set()

    def start(self) -> None:
        """Begin to move."""
        self._mover = asyncio.create_task(self._keep_moving())

    async def close(self) -> None:
        """End; what was not moved moves another time."""
        if self._mover is not None:
            self._mover.cancel()
            with suppress(asyncio.CancelledError):
                await self._mover

    async def _keep_moving(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._move()
            except _TROUBLE as error:
                log.warning("hash_not_moved", error=type(error).__name__)
            # Whatever became of it: the next call with an old hash notes it again.
            self._noted.clear()
            await asyncio.sleep(self._rest)

    async def _move(self) -> None:
        connection = await self._connect()
        try:
            for key_id, (old, new, version) in list(self._noted.items()):
                await connection.fetchval(
                    "SELECT registry.rehash_taaksysteem_key($1, $2, $3, $4)", key_id, old, new, version
                )
        finally:
            with suppress(*_TROUBLE):
                await connection.close(timeout=2)
