"""The registry in memory: fresh by notices, whole again after a lost connection, one reading for all who ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import RegisterUnavailable
from gateway.registry_reader import RegistryReader
from gateway.snapshot import Snapshot
from tenants.callers import withdraw_key
from tenants.scope import tenant_scope
from tests.databases import Database
from tests.world import World, world


@asynccontextmanager
async def reading(here: World, database: Database) -> AsyncIterator[tuple[RegistryReader, Snapshot, list[Any]]]:
    snapshot, connections = Snapshot(), []

    async def connect() -> Any:
        connections.append(await asyncpg.connect(database.url("gateway")))
        return connections[-1]

    reader = RegistryReader(connect, snapshot)
    await reader.start()
    try:
        yield reader, snapshot, connections
    finally:
        await reader.close()


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is awaited is in PostgreSQL, which sets no event
            await asyncio.sleep(0.01)


async def test_a_new_tenant_and_a_withdrawn_key_are_known_by_their_notices(database: Database, tmp_path: Path) -> None:
    async with world(database, tmp_path / "w") as here, reading(here, database) as (_, snapshot, _connections):
        member = await here.add_member()
        await until(lambda: len(snapshot.aansluitingen) == 1 and len(snapshot.keys_by_hash) == 2)
        key = next(one for one in snapshot.keys_by_hash.values() if one.kind == "api-key")
        async with tenant_scope(here.tenants, member.tenant_id, actor="test"):
            await withdraw_key(here.tenants, member.tenant_id, key.key_id)
        await until(lambda: len(snapshot.keys_by_hash) == 1)


async def test_what_changed_while_nobody_listened_is_read_as_soon_as_the_connection_is_back(
    database: Database, tmp_path: Path
) -> None:
    async with world(database, tmp_path / "w") as here, reading(here, database) as (_, snapshot, connections):
        admin = await asyncpg.connect(database.url("admin"))
        await admin.execute("SELECT pg_terminate_backend($1)", connections[0].get_server_pid())
        await here.add_member()
        await until(lambda: len(snapshot.aansluitingen) == 1 and len(connections) >= 2)
        await admin.close()


async def test_a_hundred_that_ask_for_one_tenant_at_once_cost_at_most_two_readings(
    database: Database, tmp_path: Path
) -> None:
    async with world(database, tmp_path / "w") as here:
        member = await here.add_member()
        async with reading(here, database) as (reader, snapshot, _connections):
            before = snapshot.parts[member.tenant_id]
            read: list[object] = []
            reader._snapshot = _Counting(snapshot, read)  # type: ignore[assignment]
            await asyncio.gather(*(reader.refresh([member.tenant_id]) for _ in range(100)))
            assert 1 <= len(read) <= 2
            assert snapshot.parts[member.tenant_id] == before


class _Counting:
    """A snapshot that counts how often a tenant is replaced."""

    def __init__(self, snapshot: Snapshot, read: list[object]) -> None:
        self._snapshot = snapshot
        self._read = read
        self.blokkades = snapshot.blokkades

    def replace_tenant(self, tenant_id: int, part: Any) -> None:
        self._read.append(tenant_id)
        self._snapshot.replace_tenant(tenant_id, part)


async def test_a_registry_that_does_not_answer_is_told_as_such_and_read_again_later(
    database: Database, tmp_path: Path
) -> None:
    async with world(database, tmp_path / "w") as here:
        member = await here.add_member()
        async with reading(here, database) as (reader, snapshot, connections):
            admin = await asyncpg.connect(database.url("admin"))
            await admin.execute(f"ALTER USER {database.cluster.users['gateway']} NOLOGIN")
            await admin.execute("SELECT pg_terminate_backend($1)", connections[-1].get_server_pid())
            with pytest.raises(RegisterUnavailable):
                await reader.refresh([member.tenant_id])
            await admin.execute(f"ALTER USER {database.cluster.users['gateway']} LOGIN")
            await until(lambda: not connections[-1].is_closed())
            await reader.refresh([member.tenant_id])
            assert member.tenant_id in snapshot.parts
            await admin.close()
