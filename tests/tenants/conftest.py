"""A connection of the admin side, and a registry with one tenant or two in it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from tests.databases import Database
from tests.worlds import Keyrings, World, make_world


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="module")
def keyrings() -> Keyrings:
    return Keyrings()


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("tenants"))
    yield made
    await made.close()


@pytest.fixture
async def world(connection: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(connection, pki, keyrings)


@pytest.fixture
async def other(connection: asyncpg.Connection, world: World, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(connection, pki, keyrings, oin="00000001007654321000", afnemer_id="990002")
