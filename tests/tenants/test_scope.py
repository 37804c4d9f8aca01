"""A scope shows and changes one tenant's rows alone, and every change is told: to the history and to the gateways."""

import json
from typing import Any

import asyncpg
import pytest

from tenants import callers, changes, registry
from tenants.faults import NotFound
from tenants.scope import operator_scope, tenant_scope
from tests.worlds import World, mandate_and_machtiging


async def column(connection: asyncpg.Connection, world: World, query: str, *values: object) -> Any:
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        return await connection.fetchval(query, *values)


async def test_a_scope_shows_one_tenant_and_no_scope_shows_none(connection, world, other):
    for one in (world, other):
        assert await column(connection, one, "SELECT array_agg(tenant_id) FROM registry.aansluiting") == [one.tenant_id]
    assert await connection.fetchval("SELECT count(*) FROM registry.aansluiting") == 0
    async with operator_scope(connection, actor="test"):
        assert await connection.fetchval("SELECT count(*) FROM registry.machtiging") == 0


async def test_a_scope_ends_with_its_transaction_also_when_it_fails(connection, world):
    with pytest.raises(RuntimeError):
        async with tenant_scope(connection, world.tenant_id, actor="test"):
            raise RuntimeError
    assert await connection.fetchval("SELECT count(*) FROM registry.afnemer") == 0


async def test_a_scope_inside_another_gives_the_outer_one_back(connection, world, other):
    query = "SELECT tenant_id FROM registry.afnemer"
    async with tenant_scope(connection, world.tenant_id, actor="a"):
        async with tenant_scope(connection, other.tenant_id, actor="b"):
            assert await connection.fetchval(query) == other.tenant_id
        assert await connection.fetchval(query) == world.tenant_id
        assert await connection.fetchval("SELECT current_setting('koppelpunt.actor')") == "a"
        with pytest.raises(RuntimeError):
            async with tenant_scope(connection, other.tenant_id, actor="b"):
                raise RuntimeError
        assert await connection.fetchval(query) == world.tenant_id


async def test_rows_of_another_tenant_can_be_neither_made_nor_changed(connection, world, other):
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        with pytest.raises(NotFound):
            await changes.set_aansluiting_state(connection, other.tenant_id, other.aansluiting_id, "beeindigd")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await callers.create_taaksysteem(connection, other.tenant_id, name="Indringer", environment="productie")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await registry.create_aansluiting(
                connection, world.tenant_id, afnemer_id=other.afnemer_id, organisation_oin=other.oin,
                environment="proef", certificate_id=other.certificate_id, credential_id=other.credential_id,
            )  # fmt: skip


async def test_every_change_is_in_the_history_with_its_actor_and_without_secrets(connection, world):
    async with tenant_scope(connection, world.tenant_id, actor="beheerder@gemeente"):
        await changes.set_aansluiting_state(connection, world.tenant_id, world.aansluiting_id, "geblokkeerd")
        rows = await connection.fetch(
            "SELECT actor, action, object, before, after FROM registry.wijziging ORDER BY number"
        )
    assert [row["object"] for row in rows if row["action"] == "insert"] == [
        "tenant", "tenant_key", "tenant_key", "afnemer", "certificate", "credential", "aansluiting", "taaksysteem",
        "taaksysteem_key", "machtiging",
    ]  # fmt: skip
    last = rows[-1]
    assert (last["actor"], last["action"], last["object"]) == ("beheerder@gemeente", "update", "aansluiting")
    before, after = json.loads(last["before"]), json.loads(last["after"])
    assert (before["state"], before["version"], after["state"], after["version"]) == ("productie", 1, "geblokkeerd", 2)
    text = str([dict(row) for row in rows])
    for secret in ("key_sealed", "secret_sealed", "'hash'", '"hash"', "private_key_sealed", "index_key_for_"):
        assert secret not in text


async def test_history_can_be_neither_written_nor_changed_by_the_admin_side(connection, world):
    for statement in (
        "INSERT INTO registry.wijziging (tenant_id, actor, action, object) VALUES (1, 'x', 'update', 'x')",
        "UPDATE registry.wijziging SET actor = 'x'",
        "DELETE FROM registry.wijziging",
        "TRUNCATE registry.wijziging",
        "DELETE FROM registry.aansluiting",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_scope(connection, world.tenant_id, actor="test"):
                await connection.execute(statement)


async def test_a_change_is_told_to_the_gateways_with_the_tenants_number(connection, world, other, database):
    heard: list[str] = []
    listener = await asyncpg.connect(database.url("gateway"))
    try:
        await listener.add_listener("koppelpunt_registry", lambda *told: heard.append(str(told[3])))
        await mandate_and_machtiging(connection, world, other)
        await listener.execute("SELECT 1")
    finally:
        await listener.close()
    assert set(heard) == {str(world.tenant_id), str(other.tenant_id)}
