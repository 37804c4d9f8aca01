"""A registry with one gemeente in it, and a caller over HTTP."""

from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from tests.databases import Database
from tests.e2e.ledgers import Caller
from tests.worlds import Keyrings, World, make_world


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def keyrings() -> Keyrings:
    return Keyrings()


@pytest.fixture
async def registrar(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url("tenants"))
    yield connection
    await connection.close()


@pytest.fixture
async def registered(registrar: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(registrar, pki, keyrings)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Caller(session)
