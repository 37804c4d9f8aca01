"""A running tenants process over real HTTP, two tenants in the registry, and a key for every role."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from gateway.pki import Pki, make_pki
from tenants.admins import Role, make_admin_key
from tenants.app import run_tenants
from tenants.config import TenantsConfig
from tenants.keyring import dump, public_half
from tests.admin.regels import Recorder
from tests.databases import Cluster, Database, fresh_database
from tests.openapi.conforming import faults_of_answer
from tests.worlds import Keyrings, World, make_world

OF_TENANT = "beheerder/999999"
"""Somebody of the tenant, whom no key of these tests is: whoever it named an auditor is one of the tenant's own."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Api:
    """The admin API as its users meet it. `keys` by name: operator, beheerder, auditor, and other-… of the other tenant.

    What it answers is held against its OpenAPI document.
    """

    url: str
    observed: str
    keys: Mapping[str, str] = field(repr=False)
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, *, by: str | None = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Reply:
        given = dict(headers or {})
        if by is not None:
            given["Authorization"] = f"Bearer {self.keys[by]}"
        async with self.session.request(
            method, self.url + path, headers=given, allow_redirects=False, **options
        ) as answer:
            text = await answer.text()
            faults = faults_of_answer(method, path, answer.status, answer.headers, text)
            assert not faults, (method, path, faults)
            as_json = await answer.json(content_type=None) if text and "json" in answer.content_type else None
            return Reply(answer.status, answer.headers, text, as_json)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def keyrings() -> Keyrings:
    return Keyrings()


@dataclass(frozen=True, slots=True)
class Furnished:
    """A database with two tenants and a key for every role, that tests get copies of."""

    database: Database
    world: World
    other: World
    keys: Mapping[str, str] = field(repr=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def furnished(postgres_cluster: Cluster, pki: Pki, keyrings: Keyrings) -> AsyncIterator[Furnished]:
    with fresh_database(postgres_cluster) as made:
        connection = await asyncpg.connect(made.url("tenants"))
        world = await make_world(connection, pki, keyrings)
        other = await make_world(connection, pki, keyrings, oin="00000001007654321000", afnemer_id="990002")
        keys = await make_keys(connection, keyrings, world, other)
        await connection.close()
        yield Furnished(made, world, other, keys)


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres_cluster: Cluster) -> Iterator[Database]:
    """A fresh database; with both tenants in it for who asks for them."""
    wanted = "other" in request.fixturenames
    with fresh_database(postgres_cluster, request.getfixturevalue("furnished").database if wanted else None) as made:
        yield made


@pytest.fixture
async def registrar(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url("tenants"))
    yield connection
    await connection.close()


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser, to look where nobody may and to prepare what nobody can."""
    connection = await asyncpg.connect(database.url("admin"))
    yield connection
    await connection.close()


@pytest.fixture
async def world(request: pytest.FixtureRequest, registrar: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    if "other" in request.fixturenames:
        found: World = request.getfixturevalue("furnished").world
        return found
    return await make_world(registrar, pki, keyrings)


@pytest.fixture
def other(furnished: Furnished, database: Database) -> World:
    return furnished.other


@pytest.fixture
def keys(furnished: Furnished, other: World) -> dict[str, str]:
    return dict(furnished.keys)


async def make_keys(connection: asyncpg.Connection, keyrings: Keyrings, world: World, other: World) -> dict[str, str]:
    made = {}
    wanted: tuple[tuple[str, Role, int | None], ...] = (
        ("operator", "operator", None),
        ("beheerder", "beheerder", world.tenant_id),
        ("auditor", "auditor", world.tenant_id),
        ("other-beheerder", "beheerder", other.tenant_id),
        ("other-auditor", "auditor", other.tenant_id),
    )
    for name, role, tenant_id in wanted:
        _, made[name] = await make_admin_key(
            connection, public_half(keyrings.identity), role=role, tenant_id=tenant_id, name=name,
            valid_for=timedelta(days=1), actor=OF_TENANT if role == "auditor" else "opdrachtregel",
        )  # fmt: skip
    return made


@pytest.fixture
def config(database: Database, keyrings: Keyrings, tmp_path: Path) -> TenantsConfig:
    return config_of(database, keyrings, tmp_path)


def config_of(database: Database, keyrings: Keyrings, directory: Path) -> TenantsConfig:
    identity, register = directory / "identity.json", directory / "register.json"
    identity.write_text(dump(public_half(keyrings.identity)))
    register.write_text(dump(keyrings.register))
    return TenantsConfig(
        database_url=database.url("tenants"),
        inzage_url=database.url("inzage"),
        identity_public_file=identity,
        register_keyring_file=register,
        bind="127.0.0.1:0",
        metrics_bind="127.0.0.1:0",
        grace_timeout=0.3,
        connections=4,
    )


@asynccontextmanager
async def running(config: TenantsConfig, **options: Any) -> AsyncIterator[tuple[int, int]]:
    """A tenants process; yields its two ports. `options` are those of `run_tenants`."""
    shutdown, ports = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_tenants(config, shutdown, ready=lambda *both: ports.set_result(both), **options))
    await asyncio.wait((task, ports), return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        yield await ports
    finally:
        shutdown.set()
        await task


@pytest.fixture
async def api(config: TenantsConfig, keys: dict[str, str]) -> AsyncIterator[Api]:
    async with running(config) as (port, observed), aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", keys, session)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a test of the API has, for tests that leave it as they found it and so can share it."""

    api: Api
    world: World
    other: World
    recorder: Recorder
    database: Database


@asynccontextmanager
async def staged(
    cluster: Cluster, furnished: Furnished, keyrings: Keyrings, directory: Path, **options: Any
) -> AsyncIterator[Stage]:
    """`options` are those of `run_tenants`."""
    with fresh_database(cluster, furnished.database) as made:
        async with (
            running(config_of(made, keyrings, directory), **options) as (port, observed),
            aiohttp.ClientSession() as session,
        ):
            api = Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", furnished.keys, session)
            connection = await asyncpg.connect(made.url("gateway"))
            yield Stage(
                api, furnished.world, furnished.other, await Recorder.begin(connection, keyrings.identity), made
            )
            await connection.close()


@pytest.fixture
async def recorder(database: Database, keyrings: Keyrings) -> AsyncIterator[Recorder]:
    """Writes calls into the register as the gateway does."""
    connection = await asyncpg.connect(database.url("gateway"))
    yield await Recorder.begin(connection, keyrings.identity)
    await connection.close()
