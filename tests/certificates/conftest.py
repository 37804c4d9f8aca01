"""A tenant with an afnemer, and connections of the roles that work on certificates."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from tests.certificates.serving import Lists, serving_lists
from tests.databases import Database
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
async def sealer(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url("sealer"))
    yield connection
    await connection.close()


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser, to look where nobody may and to move time."""
    connection = await asyncpg.connect(database.url("admin"))
    yield connection
    await connection.close()


@pytest.fixture
async def world(registrar: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(registrar, pki, keyrings)


@pytest.fixture
async def places() -> AsyncIterator[Lists]:
    async with serving_lists() as made:
        yield made
