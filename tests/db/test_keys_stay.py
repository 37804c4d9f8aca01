"""Whoever has the database user of the tenants process cannot make a caller's proof or a tenant's key into another one."""

import asyncpg
import pytest

from tenants.scope import tenant_scope


@pytest.mark.parametrize(
    "change",
    [
        "taaksysteem_key SET taaksysteem_id = taaksysteem_id",
        "taaksysteem_key SET valid_from = '-infinity'",
        "taaksysteem_key SET hash = decode('00', 'hex')",
        "taaksysteem_key SET thumbprint = NULL",
        "taaksysteem_key SET client_id = 'andere'",
        "tenant_key SET public_key = public_key",
        "tenant_key SET private_key_sealed = NULL",
        "tenant_key SET destroyed_at = NULL",
        "admin_key SET hash = hash",
        "admin_key SET role = 'operator'",
        "admin_key SET valid_until = 'infinity'",
        "admin_key SET routes = NULL",
    ],
)
async def test_a_key_stays_what_it_was(connect, world, change):
    connection = await connect("tenants")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(f"UPDATE registry.{change} WHERE tenant_id = $1", world.tenant_id)


async def test_a_proof_can_still_be_withdrawn(connect, world):
    connection = await connect("tenants")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        done = await connection.execute(
            "UPDATE registry.taaksysteem_key SET state = 'withdrawn' WHERE tenant_id = $1 AND key_id = $2",
            world.tenant_id, world.key_id,
        )  # fmt: skip
    assert done == "UPDATE 1"
