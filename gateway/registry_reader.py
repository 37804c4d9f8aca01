"""Reads the registry into the snapshot, and keeps it fresh. The gateway's only reading of PostgreSQL.

Owns one connection. Refuses nothing by itself: what it cannot read stays as it was, its age is told, and the opening
statement decides all the same.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from gateway.errors import RegisterUnavailable
from gateway.registry_rows import read_blokkades, read_parts
from gateway.revocations import Revocations
from gateway.snapshot import Snapshot
from tenants.revocation.rows import list_lists

CHANNEL = "koppelpunt_registry"
TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.registry")


class RegistryReader:
    """Fills a snapshot and keeps it fresh until closed. `loaded_at` is monotonic seconds, 0.0 before the first load."""

    def __init__(
        self,
        connect: Callable[[], Any],
        snapshot: Snapshot,
        *,
        full_every: float = 600.0,
        revocations: Revocations | None = None,
    ) -> None:
        self._connect = connect
        self._revocations = revocations
        self._snapshot = snapshot
        self._full_every = full_every
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._refreshing = asyncio.Lock()
        self._wanted: set[int] = set()
        self._noticed: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.loaded_at = 0.0
        self.reloads = 0

    async def start(self) -> None:
        """Read everything once, then keep it fresh in the background. Raises what the first reading raises."""
        await self._read_all()
        self._task = asyncio.create_task(self._keep_fresh(), name="registry-reader")

    def age(self) -> float:
        """Seconds since everything that had changed was last read."""
        return time.monotonic() - self.loaded_at

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            await self._connection.close(timeout=2)

    async def refresh(self, tenant_ids: Iterable[int]) -> None:
        """Read these tenants again now: the opening said *gewijzigd*. However many ask, one reading serves them all.

        Raises RegisterUnavailable when PostgreSQL does not answer.
        """
        mine = set(tenant_ids)
        self._wanted |= mine
        async with self._refreshing:
            # Taken out by a reading that began after we asked, and that has ended: we hold its lock now.
            if self._wanted.isdisjoint(mine):
                return
            wanted, self._wanted = self._wanted, set()
            try:
                await self._read_tenants(sorted(wanted))
            except TROUBLE as error:
                self._wanted |= wanted
                self._forget_connection()
                raise RegisterUnavailable(
                    "registratieOnbereikbaar", "De registratie is niet bereikbaar.", retry_after=1
                ) from error

    def _forget_connection(self) -> None:
        """A connection on which something failed is in no known state: end it, and begin another when one is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        self._wake.set()

    def _on_lost(self, _connection: object) -> None:
        # Nobody listens any more: connect again now, not at the next whole reading.
        self._noticed.add("*")
        self._wake.set()

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await self._connect()
            await connection.add_listener(CHANNEL, self._on_notice)
            connection.add_termination_listener(self._on_lost)
            self._connection = connection
            # Notices were lost while nobody listened: only a whole reading makes up for them.
            self._noticed.add("*")
        return self._connection

    def _on_notice(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._noticed.add(str(payload))
        self._wake.set()

    async def _keep_fresh(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._full_every * random.uniform(0.8, 1.0)):
                    await self._wake.wait()
            if not self._wake.is_set():
                self._noticed.add("*")
            self._wake.clear()
            await self._catch_up()

    async def _catch_up(self) -> None:
        noticed, self._noticed = self._noticed, set()
        try:
            if "*" in noticed:
                await self._read_all()
                return
            if "blokkade" in noticed:
                await self._read_blokkades()
            if "crl" in noticed:
                async with self._lock:
                    await self._read_lists(await self._open())
            tenant_ids = sorted(int(payload) for payload in noticed if payload.isdecimal())
            if tenant_ids:
                await self._read_tenants(tenant_ids)
        except TROUBLE as error:
            log.warning("registry_not_read", error=type(error).__name__)
            self._noticed |= noticed
            await asyncio.sleep(random.uniform(0.5, 1.5))
            self._forget_connection()

    async def _read_all(self) -> None:
        async with self._lock:
            connection = await self._open()
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                parts = await read_parts(connection, None)
                blokkades = await read_blokkades(connection)
            await self._read_lists(connection)
            self._noticed.discard("*")
            for tenant_id in [known for known in self._snapshot.parts if known not in parts]:
                self._snapshot.replace_tenant(tenant_id, None)
            for number, (tenant_id, part) in enumerate(parts.items()):
                if self._snapshot.parts.get(tenant_id) != part:
                    self._snapshot.replace_tenant(tenant_id, part)
                if number % 100 == 99:
                    await asyncio.sleep(0)
            self._snapshot.blokkades = blokkades
            self.loaded_at = time.monotonic()
            self.reloads += 1

    async def _read_tenants(self, tenant_ids: list[int]) -> None:
        async with self._lock:
            connection = await self._open()
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                parts = await read_parts(connection, tenant_ids)
                blokkades = await read_blokkades(connection)
            for tenant_id in tenant_ids:
                self._snapshot.replace_tenant(tenant_id, parts.get(tenant_id))
            self._snapshot.blokkades = blokkades
            if "*" not in self._noticed:
                self.loaded_at = time.monotonic()
        if "*" in self._noticed:
            self._wake.set()

    async def _read_lists(self, connection: asyncpg.Connection) -> None:
        if self._revocations is not None:
            self._revocations.replace(await list_lists(connection, None))

    async def _read_blokkades(self) -> None:
        async with self._lock:
            self._snapshot.blokkades = await read_blokkades(await self._open())
