"""The admin API on a register whose rows are about known persons, and an archive of earlier years."""

import asyncpg
import pytest

from tests.admin.conftest import (  # noqa: F401 - fixtures
    admin,
    api,
    config,
    database,
    furnished,
    keyrings,
    keys,
    other,
    pki,
    registrar,
    world,
)
from tests.databases import Database
from tests.inzage.archive import Archive
from tests.inzage.regels import ARTICLE, Register
from tests.worlds import Keyrings, World


@pytest.fixture
async def register(database: Database, keyrings: Keyrings):  # noqa: F811
    """Writes calls into the register as the gateway does."""
    connection = await asyncpg.connect(database.url("gateway"))
    yield await Register.begin(connection, keyrings.identity)
    await connection.close()


@pytest.fixture
async def reader(database: Database):  # noqa: F811
    """The auditor's connection, as the process has it: a plan for every search."""
    connection = await asyncpg.connect(
        database.url("inzage"), server_settings={"plan_cache_mode": "force_custom_plan", "timezone": "UTC"}
    )
    yield connection
    await connection.close()


@pytest.fixture
async def archive(
    admin: asyncpg.Connection,  # noqa: F811
    registrar: asyncpg.Connection,  # noqa: F811
    keyrings: Keyrings,  # noqa: F811
    world: World,  # noqa: F811
) -> Archive:
    return Archive(admin, registrar, keyrings, world)


@pytest.fixture
async def refused(admin: asyncpg.Connection, world: World):  # noqa: F811
    """From now on inzage of what goes by this machtiging is refused."""
    async with admin.transaction():
        await admin.execute("ALTER TABLE registry.machtiging DISABLE TRIGGER hold_policy")
        await admin.execute(
            "UPDATE registry.machtiging SET inzage = 'refused', inzage_article = $2, policy_requested_by = 'beheerder/1', "
            "policy_granted_by = 'auditor/1', policy_version = version + 1 WHERE tenant_id = $1",
            world.tenant_id, ARTICLE,
        )  # fmt: skip
        await admin.execute("ALTER TABLE registry.machtiging ENABLE TRIGGER hold_policy")
    return 2
