"""Connections per role, a registry with something in it, and a writer of the register."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from tests.databases import Database
from tests.db.calls import Writer
from tests.worlds import Keyrings, World, make_world

Connect = Callable[[str], Awaitable[asyncpg.Connection]]


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def keyrings() -> Keyrings:
    return Keyrings()


@pytest.fixture
async def connect(database: Database) -> AsyncIterator[Connect]:
    """Open a connection as a role; all are closed at the end."""
    opened: list[asyncpg.Connection] = []

    async def connect(role: str) -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database.url(role)))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
async def admin(connect: Connect) -> asyncpg.Connection:
    return await connect("admin")


@pytest.fixture
async def registrar(connect: Connect) -> asyncpg.Connection:
    """The admin side's connection."""
    return await connect("tenants")


@pytest.fixture
async def world(registrar: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(registrar, pki, keyrings)


@pytest.fixture
async def other(registrar: asyncpg.Connection, world: World, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(registrar, pki, keyrings, oin="00000001007654321000", afnemer_id="990002")


@pytest.fixture
def begin_writer(connect: Connect) -> Callable[..., Awaitable[Writer]]:
    async def begin(schema: str = "register") -> Writer:
        connection = await connect("gateway")
        return Writer(connection, schema, await connection.fetchval(f"SELECT {schema}.begin_writer('test')"))

    return begin


@pytest.fixture
async def writer(begin_writer: Callable[..., Awaitable[Writer]]) -> Writer:
    return await begin_writer()
