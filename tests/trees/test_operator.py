"""What the operator does of its own stands in a history that nobody rewrites, signed like a tenant's."""

import asyncio
import dataclasses
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.register_commands import register
from tenants.admins import make_admin_key, withdraw_admin_key
from tenants.checkpoints import VerifierKey, open_note, origin_of
from tenants.keyring import public_half
from tenants.scope import operator_scope, tenant_scope
from tenants.sealer.operator_signing import sign_operator
from tenants.sealer.remembering import compare_memory
from tenants.sealer.signing import Signer
from tenants.verify.expecting import Trust
from tenants.verify.operator import OperatorVerdict, verify_operator
from tests.databases import Database
from tests.worlds import Keyrings, World

ORIGIN = origin_of("koppelpunt.example", "operator")
AS_NOBODY_MAY = "SET session_replication_role = replica"


async def act(registrar: asyncpg.Connection, keyrings: Keyrings, times: int = 1) -> None:
    """Make an operator's key, and withdraw it: two changes each time."""
    for number in range(times):
        key, _ = await make_admin_key(
            registrar, public_half(keyrings.identity), role="operator", tenant_id=None, name=f"sleutel {number}",
            valid_for=timedelta(days=1), actor="operator/7",
        )  # fmt: skip
        await withdraw_admin_key(registrar, key, tenant_id=None, actor="operator/7")


def trust(signer: Signer, *anchors: str) -> Trust:
    return Trust([VerifierKey(ORIGIN, key.public_key().public_bytes_raw()) for key in signer.keys], anchors)


async def verify(registrar: asyncpg.Connection, signer: Signer, *anchors: str) -> OperatorVerdict:
    return await verify_operator(registrar, trust(signer, *anchors), actor="test")


async def last_note(admin: asyncpg.Connection) -> str:
    return str(await admin.fetchval("SELECT note FROM registry.operator_checkpoint ORDER BY size DESC LIMIT 1"))


async def test_every_act_of_the_operator_on_its_own_is_kept_and_signed(registrar, keyrings, sealing, signer, admin):
    await act(registrar, keyrings)
    kept = await admin.fetch(
        "SELECT number, actor, action, object, after FROM registry.operator_wijziging ORDER BY number"
    )
    assert [(row["number"], row["actor"], row["action"], row["object"]) for row in kept] == [
        (1, "operator/7", "insert", "admin_key"), (2, "operator/7", "update", "admin_key"),
    ]  # fmt: skip
    assert all('"hash"' not in row["after"] for row in kept)
    assert await sign_operator(sealing, signer) is True
    assert await sign_operator(sealing, signer) is None
    assert open_note(await last_note(admin), signer.verifiers(ORIGIN)).size == 2
    assert await verify(registrar, signer) == OperatorVerdict(2, 2, ())


async def test_it_goes_on_from_every_checkpoint_that_somebody_kept(registrar, keyrings, sealing, signer, admin):
    notes = []
    for times in (1, 2, 3):
        await act(registrar, keyrings, times)
        assert await sign_operator(sealing, signer) is True
        notes.append(await last_note(admin))
    await act(registrar, keyrings)
    assert await verify(registrar, signer, *notes) == OperatorVerdict(14, 12, ())


ATTACKS = {
    "altered_row": "UPDATE registry.operator_wijziging SET actor = 'operator/8' WHERE number = 3",
    "missing_row": "DELETE FROM registry.operator_wijziging WHERE number = 3",
    "cut_tail": "DELETE FROM registry.operator_wijziging WHERE number > 2",
}


@pytest.mark.parametrize("code", ATTACKS)
async def test_whoever_rewrites_it_is_seen_and_signed_no_more(registrar, keyrings, sealing, signer, admin, code: str):
    await act(registrar, keyrings, 2)
    assert await sign_operator(sealing, signer) is True
    await admin.execute(AS_NOBODY_MAY)
    await admin.execute(ATTACKS[code])
    await admin.execute("RESET session_replication_role")
    await act(registrar, keyrings, 3 if code == "cut_tail" else 1)
    verdict = await verify(registrar, signer)
    if code == "cut_tail":
        # Other rows have the numbers now; so the tree is another one.
        assert [one.code for one in verdict.faults] == ["altered_row"]
    else:
        assert code in {one.code for one in verdict.faults}
    assert await sign_operator(sealing, signer) is False


async def test_an_older_state_is_known_by_a_checkpoint_outside(
    registrar, keyrings, sealing, signer, admin, tmp_path: Path
):
    remembering = Signer(signer.keys, signer.prefix, tmp_path)
    await act(registrar, keyrings, 2)
    assert await sign_operator(sealing, remembering) is True
    kept = await last_note(admin)
    await admin.execute(AS_NOBODY_MAY)
    await admin.execute("DELETE FROM registry.operator_wijziging WHERE number > 2")
    await admin.execute("DELETE FROM registry.operator_checkpoint")
    await admin.execute("RESET session_replication_role")
    # By itself it is whole; whoever kept the checkpoint sees it, and so does the sealer.
    assert (await verify(registrar, signer)).faults == ()
    assert [one.code for one in (await verify(registrar, signer, kept)).faults] == ["rolled_back"]
    assert await sign_operator(sealing, remembering) is False


async def test_a_key_that_nobody_trusts_signs_nothing(registrar, keyrings, sealing, signer):
    await act(registrar, keyrings)
    stranger = Signer((Ed25519PrivateKey.from_private_bytes(b"x" * 32),), signer.prefix)
    assert await sign_operator(sealing, stranger) is True
    assert [one.code for one in (await verify(registrar, signer)).faults] == ["bad_signature"]


async def test_nobody_changes_it_and_no_tenant_sees_it(registrar, keyrings, sealing, signer, admin, world: World):
    await act(registrar, keyrings)
    await sign_operator(sealing, signer)
    for statement in (
        "DELETE FROM registry.operator_wijziging", "TRUNCATE registry.operator_wijziging",
        "DELETE FROM registry.operator_checkpoint", "TRUNCATE registry.operator_checkpoint",
    ):  # fmt: skip
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(statement)
    count = "SELECT (SELECT count(*) FROM registry.operator_wijziging) + (SELECT count(*) FROM registry.operator_checkpoint)"
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        assert await registrar.fetchval(count) == 0
    async with operator_scope(registrar, actor="test"):
        assert await registrar.fetchval(count) == 3
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await registrar.execute("INSERT INTO registry.operator_checkpoint (size, note) VALUES (9, 'x')")


async def test_the_command_line_tells_whether_it_is_whole(
    registrar, keyrings, sealing, signer, admin, database: Database, tmp_path: Path
):
    await act(registrar, keyrings)
    await sign_operator(sealing, signer)
    keys, anchor = tmp_path / "operator.keys", tmp_path / "anchor"
    keys.write_text("".join(f"{one}\n" for one in trust(signer).keys))
    anchor.write_text(await last_note(admin))
    arguments = [
        "verify",
        "--operator",
        "--key",
        str(keys),
        "--anchor",
        str(anchor),
        "--database-url",
        database.url("tenants"),
    ]
    good = await asyncio.to_thread(CliRunner().invoke, register, arguments)
    assert (good.exit_code, "2 changes of the operator" in good.output) == (0, True), good.output
    await admin.execute(AS_NOBODY_MAY)
    await admin.execute("UPDATE registry.operator_wijziging SET actor = 'operator/8' WHERE number = 1")
    bad = await asyncio.to_thread(CliRunner().invoke, register, arguments)
    assert (bad.exit_code, "altered_row" in bad.output) == (1, True), bad.output


@pytest.mark.parametrize("code", ["altered_row", "cut_tail"])
async def test_the_sealer_remembers_a_quiet_history_too(
    registrar, keyrings, sealing, signer, admin, tmp_path, code: str
):
    """A history that grows no more is compared with the sealer's own directory, as a tenant's tree is."""
    await act(registrar, keyrings, 2)
    assert await sign_operator(sealing, dataclasses.replace(signer, directory=tmp_path)) is True
    assert await compare_memory(sealing, tmp_path) == 0
    await act(registrar, keyrings)
    assert await compare_memory(sealing, tmp_path) == 0
    await admin.execute(AS_NOBODY_MAY)
    await admin.execute(ATTACKS[code])
    await admin.execute("RESET session_replication_role")
    assert await compare_memory(sealing, tmp_path) == 1
