"""What stood at any past moment is read back as it was, from a history that nobody rewrites."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.pki import make_pki
from tenants.blokkades import block, release
from tenants.changes import set_aansluiting_state
from tenants.history.standing import CONFIGURATION, NO_CONFIGURATION, Standing, last_change, standing_at, standing_now
from tenants.scope import operator_scope, tenant_scope
from tests.databases import Database
from tests.worlds import Keyrings, World, make_world

PKI, KEYRINGS = make_pki(), Keyrings()
STEPS = ("afnemer", "afnemer changed", "all afnemers", "doelbinding", "state", "taaksysteem", "nothing")


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("tenants"))
    yield made
    await made.close()


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("admin"))
    yield made
    await made.close()


@pytest.fixture
async def world(connection: asyncpg.Connection) -> World:
    return await make_world(connection, PKI, KEYRINGS)


async def change(connection: asyncpg.Connection, world: World, step: str, chance: random.Random) -> None:
    tenant, text = world.tenant_id, f"Naam {chance.randrange(10**9)}"
    match step:
        case "afnemer":
            await connection.execute(
                "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind) "
                "SELECT $1, lpad(n::text, 6, '0'), $2, $3, 'overheidsorgaan' FROM unnest($4::integer[]) n "
                "ON CONFLICT (tenant_id, afnemer_id) DO UPDATE SET name = EXCLUDED.name",
                tenant, world.oin, text, chance.sample(range(100), 3),
            )  # fmt: skip
        case "afnemer changed":
            await connection.execute(
                "UPDATE registry.afnemer SET name = $2 WHERE tenant_id = $1 AND afnemer_id < $3",
                tenant, text, f"{chance.randrange(100):06d}",
            )  # fmt: skip
        case "all afnemers":
            await connection.execute(
                "UPDATE registry.afnemer SET name = $2 || afnemer_id WHERE tenant_id = $1", tenant, text
            )
        case "doelbinding":
            await connection.execute(
                "INSERT INTO registry.doelbinding (tenant_id, doelbinding, words) VALUES ($1, $2, $3) "
                "ON CONFLICT (tenant_id, doelbinding) DO UPDATE SET words = EXCLUDED.words",
                tenant, f"d{chance.randrange(3)}", text,
            )  # fmt: skip
        case "state":
            state = chance.choice(("productie", "geblokkeerd"))
            number = await connection.fetchval("SELECT min(aansluiting_id) FROM registry.aansluiting")
            await connection.execute(
                "UPDATE registry.aansluiting SET state = $1 WHERE aansluiting_id = $2", state, number
            )
        case "taaksysteem":
            await connection.execute(
                "INSERT INTO registry.taaksysteem (tenant_id, name, environment) VALUES ($1, $2, 'proef')", tenant, text
            )


async def now(connection: asyncpg.Connection) -> datetime:
    moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return moment


async def seen(connection: asyncpg.Connection, world: World) -> Standing:
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        return await standing_now(connection, world.tenant_id)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=12), st.randoms(use_true_random=False))
async def test_every_past_moment_is_read_back_as_it_was_dumped_then(connection, world, steps, chance):
    dumped: list[tuple[datetime, Standing]] = []
    for step in steps:
        async with tenant_scope(connection, world.tenant_id, actor="test"):
            await change(connection, world, step, chance)
            if chance.random() < 0.2:
                await change(connection, world, "all afnemers", chance)
        dumped.append((await now(connection), await seen(connection, world)))
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        for moment, standing in dumped:
            assert await standing_at(connection, world.tenant_id, moment) == standing


async def test_before_the_tenant_there_was_nothing_and_a_blokkade_stands_as_long_as_it_stood(connection, world):
    before = await now(connection)
    async with operator_scope(connection, actor="operator/1"):
        await block(connection, "afnemer", world.afnemer_id, reason="Incident", actor="operator/1")
    during = await now(connection)
    async with operator_scope(connection, actor="operator/1"):
        await release(connection, "afnemer", world.afnemer_id, reason="Voorbij", actor="operator/1")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        assert await standing_at(connection, world.tenant_id, datetime.now(UTC) - timedelta(days=7300)) == {}
        assert "blokkade" not in await standing_at(connection, world.tenant_id, before)
        stood = (await standing_at(connection, world.tenant_id, during))["blokkade"]
        assert [(one["kind"], one["value"], one["reason"]) for one in stood] == [
            ("afnemer", world.afnemer_id, "Incident")
        ]
        assert "blokkade" not in await standing_at(connection, world.tenant_id, await now(connection))
        last = await last_change(connection, world.tenant_id, await now(connection))
        assert last is not None
        assert last.actor == "operator/1"


async def test_another_tenants_history_is_not_read(connection, world):
    other = await make_world(connection, PKI, KEYRINGS, oin="00000001007654321000", afnemer_id="990002")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        assert await standing_at(connection, other.tenant_id, await now(connection)) == {}


async def test_history_is_written_once_for_the_owner_of_the_database_too(admin, world):
    statements = ("UPDATE registry.{} SET actor = 'x'", "DELETE FROM registry.{}", "TRUNCATE registry.{}")
    for table in ("wijziging", "blokkade_history"):
        for statement in statements:
            with pytest.raises(asyncpg.CheckViolationError, match="history is written once"):
                await admin.execute(statement.format(table))


async def test_every_table_with_history_is_configuration_or_is_known_not_to_be(admin):
    rows = await admin.fetch(
        "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE p.proname IN ('note_change', 'note_rows', 'note_blokkade')"
    )
    assert {row["relname"] for row in rows} == set(CONFIGURATION) | NO_CONFIGURATION
    for table, key in CONFIGURATION.items():
        columns: list[Any] = await admin.fetch(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
            "WHERE i.indrelid = $1::regclass AND i.indisprimary",
            f"registry.{table}",
        )
        assert {row["attname"] for row in columns} - {"tenant_id"} == set(key) - {"tenant_id"}, table


async def test_a_state_that_was_set_is_noted_with_before_and_after(connection, world):
    async with tenant_scope(connection, world.tenant_id, actor="beheerder/7"):
        number = await connection.fetchval("SELECT min(aansluiting_id) FROM registry.aansluiting")
        await set_aansluiting_state(connection, world.tenant_id, number, "geblokkeerd")
        row = await connection.fetchrow(
            "SELECT before ->> 'state', after ->> 'state', actor FROM registry.wijziging WHERE object = 'aansluiting' "
            "AND action = 'update' ORDER BY number DESC LIMIT 1"
        )
    assert tuple(row) == ("productie", "geblokkeerd", "beheerder/7")
