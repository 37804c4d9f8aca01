"""Who may do what to a tree: append behind its last leaf, see one's own, and nothing else."""

from uuid import UUID

import asyncpg
import pytest

from tenants.scope import tenant_scope
from tests.trees.stage import seal, size


async def test_the_sealer_appends_only_behind_the_last_leaf(calls, sealing, world):
    await calls.record(world)
    await seal(sealing)
    total = await size(sealing, world.tenant_id)
    for first in (0, total - 1, total + 1):
        run = (world.tenant_id, first, 1, None, b"\x03" + bytes(16), bytes(32), bytes(32))
        with pytest.raises((asyncpg.SerializationError, asyncpg.UniqueViolationError)):
            await sealing.execute(
                "SELECT register.append_leaves('opening', '99999999'::xid8, 1, $1, $2, '{}', '{}')",
                UUID(int=5), [run],
            )  # fmt: skip
    for statement in (
        "UPDATE register.leaf_run SET count = 1",
        "DELETE FROM register.tree_node",
        "DELETE FROM register.checkpoint",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sealing.execute(statement)


async def test_the_owner_of_the_tables_cannot_change_what_was_sealed_either(calls, connect, sealing, world):
    await calls.record(world)
    await seal(sealing)
    owner = await connect("owner")
    for table in ("leaf_run", "tree_node", "checkpoint"):
        assert await owner.execute(f"DELETE FROM register.{table}") == "DELETE 0"  # noqa: S608
    assert await owner.execute("UPDATE register.leaf_run SET count = 1") == "UPDATE 0"
    assert await size(sealing, world.tenant_id) > 0


async def test_a_tenants_tree_is_seen_in_its_own_scope_only(calls, connect, sealing, world, other):
    await calls.record(world)
    await calls.record(other)
    await seal(sealing)
    reader = await connect("inzage")
    assert await reader.fetchval("SELECT count(*) FROM register.tree") == 0
    async with tenant_scope(reader, world.tenant_id, actor="auditor"):
        for table in ("tree", "leaf_run"):
            rows = await reader.fetch(f"SELECT DISTINCT tenant_id FROM register.{table}")  # noqa: S608
            assert [row[0] for row in rows] == [world.tenant_id]
