"""A tenant in PostgreSQL, aansluitingen that want tokens, and processes that share them."""

from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from gateway.servers import Timelines, connect
from gateway.sharing_store import SharingStore
from tenants.keyring import Keyring, make_keyring
from tenants.registry import create_tenant
from tenants.scope import operator_scope
from tests.databases import Database
from tests.e2e.ledgers import Caller


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return make_keyring("identity")


@pytest.fixture
async def tenants(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url("tenants"))
    yield connection
    await connection.close()


@pytest.fixture
async def tenant_id(tenants: asyncpg.Connection) -> int:
    async with operator_scope(tenants, actor="test"):
        return await create_tenant(tenants, oin="00000001000000001000", name="Gemeente", kind="gemeente")


@pytest.fixture
async def stores(database: Database) -> AsyncIterator[list[SharingStore]]:
    """Those of four processes."""
    made = [SharingStore(partial(connect, database.url("gateway"), Timelines())) for _ in range(4)]
    yield made
    for one in made:
        await one.close()


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield Caller(session)
