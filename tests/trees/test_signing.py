"""No checkpoint is signed that contradicts one before it, or over rows that are not what was sealed."""

import dataclasses
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenants.checkpoints import VerifierKey, open_note, origin_of
from tenants.sealer.signing import list_unsigned, publish_keys
from tests.sealer.test_sealer import metric, sealer
from tests.trees.stage import faults, seal, sign_all
from tests.worlds import World

MANY = 10_000
"""Samples enough to look at every row of a small tree."""


async def notes(admin: asyncpg.Connection, world: World) -> list[str]:
    rows = await admin.fetch("SELECT note FROM register.checkpoint WHERE tenant_id = $1 ORDER BY size", world.tenant_id)
    return [row["note"] for row in rows]


async def test_a_tree_that_has_grown_is_signed_and_one_that_has_not_is_not(calls, sealing, signer, world, admin):
    await calls.record(world, 3)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [True]
    assert await sign_all(sealing, signer) == []
    await calls.record(world, 300)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [True]
    origin = origin_of("koppelpunt.example", world.oin)
    signed = [open_note(note, signer.verifiers(origin)) for note in await notes(admin, world)]
    size = await admin.fetchval("SELECT size FROM register.tree")
    assert [one.size for one in signed] == [signed[0].size, size]
    assert signed[1].size - signed[0].size == 600


async def test_each_tenant_has_a_checkpoint_of_its_own(calls, sealing, signer, world, other, admin):
    await calls.record(world)
    await calls.record(other)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [True, True]
    for one in (world, other):
        (note,) = await notes(admin, one)
        assert note.startswith(f"koppelpunt.example/{one.oin}\n")


async def test_the_public_keys_are_published_once(sealing, signer, admin):
    for _ in range(2):
        await publish_keys(sealing, signer)
    assert await admin.fetchval("SELECT array_agg(public_key) FROM register.checkpoint_key") == [
        signer.keys[0].public_key().public_bytes_raw()
    ]


ATTACKS = {
    "row_altered": "UPDATE register.opening SET hash = sha256('forged') WHERE number = 2",
    "row_vanished": "DELETE FROM register.closing WHERE number = 3",
}


@pytest.mark.parametrize("code", ["row_altered", "row_vanished"])
async def test_a_sealed_row_that_is_not_what_it_was_halts_the_signing_of_that_tree_alone(
    calls, sealing, signer, world, other, admin, code
):
    await calls.record(world, 5)
    await seal(sealing)
    await sign_all(sealing, signer)
    await admin.execute(ATTACKS[code])
    await calls.record(world)
    await calls.record(other)
    await seal(sealing)
    assert await sign_all(sealing, signer, samples=MANY) == [False, True]
    ((tenant_id, found, place),) = await faults(admin)
    assert (tenant_id, found) == (world.tenant_id, code)
    assert place.startswith("leaf ")
    await calls.record(world)
    # The call, and the fault itself, which is in the history.
    assert await seal(sealing) == 3
    assert await list_unsigned(sealing) == []


async def test_a_tree_that_was_put_back_is_not_signed_on(calls, sealing, signer, world, admin):
    """The sealer knows only what stands in PostgreSQL here: its leaves were taken away, its checkpoint was not."""
    await calls.record(world, 4)
    await seal(sealing)
    await sign_all(sealing, signer)
    before = await admin.fetchrow("SELECT size, frontier FROM register.tree")
    await calls.record(world, 4)
    await seal(sealing)
    await sign_all(sealing, signer)
    await admin.execute("UPDATE register.tree SET size = $1, frontier = $2", *before)
    await admin.execute("DELETE FROM register.leaf_run WHERE first >= $1", before["size"])
    assert await sign_all(sealing, signer) == [False]
    assert [code for _, code, _ in await faults(admin)] == ["rolled_back"]


async def test_an_old_backup_is_noticed_by_the_sealers_own_memory_outside_postgresql(
    calls, sealing, signer, world, admin, tmp_path
):
    remembering = dataclasses.replace(signer, directory=tmp_path)
    await calls.record(world, 4)
    await seal(sealing)
    assert await sign_all(sealing, remembering) == [True]
    size = await admin.fetchval("SELECT size FROM register.tree")
    # As an old backup would: nothing of it stands in PostgreSQL, and other rows come in its place.
    for table in ("checkpoint", "leaf_run", "tree_node", "tree"):
        await admin.execute(f"DELETE FROM register.{table}")  # noqa: S608
    await calls.record(world, size)
    await seal(sealing)
    assert await sign_all(sealing, remembering) == [False]
    assert [code for _, code, _ in await faults(admin)] == ["forked"]


async def test_a_forged_checkpoint_is_not_leant_upon(calls, sealing, signer, world, admin):
    await calls.record(world)
    await seal(sealing)
    await sign_all(sealing, signer)
    forger = dataclasses.replace(signer, keys=(Ed25519PrivateKey.generate(),))
    await admin.execute("DELETE FROM register.checkpoint")
    await sign_all(sealing, forger)
    await calls.record(world)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [False]
    assert [code for _, code, _ in await faults(admin)] == ["checkpoint_forged"]


async def test_a_damaged_tree_is_not_signed(calls, sealing, signer, world, admin):
    await calls.record(world, 300)
    await seal(sealing)
    await sign_all(sealing, signer)
    await admin.execute("DELETE FROM register.tree_node")
    await calls.record(world)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [False]
    assert [code for _, code, _ in await faults(admin)] == ["tree_damaged"]


async def test_keys_are_rotated_by_signing_with_both(calls, sealing, signer, world, admin):
    fresh = Ed25519PrivateKey.generate()
    for keys in (signer.keys, (fresh, *signer.keys), (fresh,)):
        await calls.record(world)
        await seal(sealing)
        assert await sign_all(sealing, dataclasses.replace(signer, keys=keys)) == [True]
    assert await faults(admin) == []


async def test_who_answers_for_a_fault_says_who_and_why_and_signing_goes_on(calls, sealing, signer, world, admin):
    await calls.record(world, 2)
    await seal(sealing)
    await admin.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 1', true)", world.tenant_id)
    assert await list_unsigned(sealing) == []
    with pytest.raises(Exception, match="who it is and why"):
        await sealing.execute("SELECT register.resolve_seal_faults($1, 'officier', ' ')", world.tenant_id)
    assert (
        await sealing.fetchval("SELECT register.resolve_seal_faults($1, 'officier', 'hersteld')", world.tenant_id) == 1
    )
    assert await sign_all(sealing, signer) == [True]


async def test_rows_of_a_month_that_was_dropped_without_proof_are_missed(calls, sealing, signer, world, admin):
    await calls.record(world, 3)
    await seal(sealing)
    for table in ("opening", "closing"):
        names = await admin.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass",
            f"register.{table}",
        )
        for row in names:
            await admin.execute(f"DROP TABLE {row['name']}")
    assert await sign_all(sealing, signer, samples=MANY) == [False]


async def test_the_process_seals_signs_and_shows_it(calls, database, world, admin, tmp_path: Path):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "checkpoint.key"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    settings = {"checkpoint_key_file": path, "checkpoint_directory": tmp_path / "own", "seal_every": 0.05}
    async with sealer(database.url("sealer"), **settings) as url:
        await metric(url, "koppelpunt_sealing_leader", lambda value: value == 1)
        await calls.record(world, 2)
        await metric(url, "koppelpunt_checkpoints_signed_total", lambda value: value is not None and value >= 1)
        await metric(url, "koppelpunt_unsigned_leaves_seconds", lambda value: value == 0)
        missing = f'koppelpunt_checkpoint_destination_missing{{tenant="{world.tenant_id}"}}'
        await metric(url, missing, lambda value: value == 1)
        await admin.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 1', true)", world.tenant_id)
        await metric(url, f'koppelpunt_tree_halted{{tenant="{world.tenant_id}"}}', lambda value: value == 1)
        fault = f'koppelpunt_register_faults{{code="row_altered",tenant="{world.tenant_id}"}}'
        await metric(url, fault, lambda value: value == 1)
    kept = (tmp_path / "own" / f"{world.oin}.checkpoint").read_text()
    verifier = VerifierKey(origin_of("koppelpunt", world.oin), key.public_key().public_bytes_raw())
    assert open_note(kept, [verifier]).size > 0
