"""An older PostgreSQL in the place of the one that was signed is noticed, also for a tenant that nobody asks anything for."""

import dataclasses

import pytest

from tenants.checkpoints import Checkpoint
from tenants.merkle import Frontier
from tenants.sealer.remembering import compare_memory, contradiction
from tests.sealer.test_sealer import metric, sealer
from tests.trees.stage import faults, seal, sign_all


@pytest.fixture
async def remembered(calls, sealing, signer, world, other, tmp_path):
    """Two tenants whose trees were signed, and who are quiet since."""
    for one in (world, other):
        await calls.record(one, 3)
    await seal(sealing)
    assert await sign_all(sealing, dataclasses.replace(signer, directory=tmp_path)) == [True, True]
    return tmp_path


async def test_what_stands_as_it_was_signed_has_no_fault(sealing, admin, remembered):
    assert await compare_memory(sealing, remembered) == 0
    assert await faults(admin) == []


async def test_a_quiet_tree_that_is_gone_or_smaller_is_told_and_halts(sealing, admin, world, other, remembered):
    """A restored backup of before the last calls: nothing of it says that there was more."""
    size = await admin.fetchval("SELECT size FROM register.tree WHERE tenant_id = $1", world.tenant_id)
    for table in ("checkpoint", "leaf_run", "tree_node", "tree"):
        await admin.execute(f"DELETE FROM register.{table} WHERE tenant_id = $1", world.tenant_id)  # noqa: S608
    assert await compare_memory(sealing, remembered) == 1
    assert await faults(admin) == [(world.tenant_id, "rolled_back", f"{size} leaves were signed and the tree has 0")]
    assert await compare_memory(sealing, remembered) == 1
    assert len(await faults(admin)) == 1


async def test_a_quiet_tree_that_is_another_one_is_told_and_halts(sealing, admin, world, other, remembered):
    await admin.execute(
        "UPDATE register.tree SET frontier = sha256('x') || substring(frontier FROM 33) WHERE tenant_id = $1",
        world.tenant_id,
    )
    assert await compare_memory(sealing, remembered) == 1
    ((tenant_id, code, _),) = await faults(admin)
    assert (tenant_id, code) == (world.tenant_id, "forked")
    halted = await admin.fetch("SELECT tenant_id FROM register.tree WHERE halted_at IS NOT NULL")
    assert [row[0] for row in halted] == [world.tenant_id]


async def test_what_was_answered_for_is_not_told_each_hour(sealing, admin, world, remembered):
    await admin.execute("UPDATE register.tree SET frontier = sha256('x') || substring(frontier FROM 33)")
    assert await compare_memory(sealing, remembered) == 2
    await sealing.execute(
        "SELECT register.resolve_seal_faults(t.tenant_id, 'officier', 'teruggezet') FROM registry.tenant t"
    )
    assert await compare_memory(sealing, remembered) == 2
    assert len(await faults(admin)) == 2
    assert await admin.fetchval("SELECT count(*) FROM register.tree WHERE halted_at IS NOT NULL") == 0


async def test_a_tenant_that_postgresql_does_not_know_counts(sealing, admin, remembered, world):
    (remembered / "00000009.checkpoint").write_text((remembered / f"{world.oin}.checkpoint").read_text())
    assert await compare_memory(sealing, remembered) == 1
    assert await faults(admin) == []


def test_a_larger_tree_is_left_to_its_signature_and_a_file_that_is_none_is_told():
    tree = Frontier()
    tree.extend([b"a" * 32])
    assert contradiction(Checkpoint("x/1", 1, tree.root()), tree) is None
    tree.extend([b"b" * 32])
    assert contradiction(Checkpoint("x/1", 1, b"z" * 32), tree) is None
    assert contradiction(None, tree) == ("checkpoint_forged", "what the sealer keeps is no checkpoint")


async def test_the_process_looks_when_it_starts(database, sealing, admin, world, other, signer, remembered):
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    for table in ("checkpoint", "leaf_run", "tree_node", "tree"):
        await admin.execute(f"DELETE FROM register.{table} WHERE tenant_id = $1", world.tenant_id)  # noqa: S608
    path = remembered / "key.pem"
    path.write_bytes(
        signer.keys[0].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    settings = {
        "checkpoint_key_file": path, "checkpoint_directory": remembered, "seal_every": 0.05,
        "checkpoint_origin": "koppelpunt.example",
    }  # fmt: skip
    async with sealer(database.url("sealer"), **settings) as url:
        await metric(url, "koppelpunt_checkpoint_memory_contradicted", lambda value: value == 1)
        fault = f'koppelpunt_register_faults{{code="rolled_back",tenant="{world.tenant_id}"}}'
        await metric(url, fault, lambda value: value is not None and value >= 1)
