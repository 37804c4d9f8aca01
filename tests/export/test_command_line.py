"""`koppelpunt register …` as people type it: what came out on standard output, and a status that a script can use."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from gateway.register_asking import CannotBeDone, told
from tests.databases import Database
from tests.export.stage import Stage


async def koppelpunt(*arguments: object, stdin: str = "", **environment: str) -> tuple[int, str]:
    """Run the command line; return its status and what it said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "register", *map(str, arguments),
        env=clean | environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(stdin.encode())
    return process.returncode or 0, said.decode()


@pytest.fixture
def inzage(database: Database) -> dict[str, str]:
    return {"KOPPELPUNT_INZAGE_URL": database.url("inzage")}


@pytest.fixture
def key(stage: Stage, tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text("# of the operator\n" + "\n".join(map(str, stage.trust().keys)) + "\n")
    return path


async def test_export_and_verify_offline_with_the_public_key_and_an_older_checkpoint(stage, inzage, key, tmp_path):
    anchor, target = tmp_path / "anchor.txt", tmp_path / "export"
    anchor.write_text(await stage.newest())
    await stage.fill(5)
    status, said = await koppelpunt("export", target, "--tenant", stage.world.oin, "--reason", "overdracht", **inzage)
    assert (status, said.startswith("exported ")) == (0, True), said
    status, said = await koppelpunt("verify", target, "--key", key, "--anchor", anchor)
    assert status == 0, said
    assert "whole: everything that was sealed is there and is what it was, and goes on from 1 checkpoint(s)" in said
    file = target / "rows-000001.ndjson"
    file.write_bytes(file.read_bytes().replace(b'"api":"personen"', b'"api":"bewoningen"', 1))
    status, said = await koppelpunt("verify", target, "--key", key)
    assert status == 1
    assert "FAULT altered_row at leaf " in said


async def test_verify_a_live_register(stage, inzage, key):
    arguments = ("verify", "--tenant", stage.world.oin, "--key", key, "--reason", "maandcontrole")
    status, said = await koppelpunt(*arguments, **inzage)
    assert status == 0, said
    assert "130 openings, 130 closings" in said
    assert "without an older checkpoint of your own" in said
    await stage.admin.execute("DELETE FROM register.closing WHERE number = 7")
    status, said = await koppelpunt(*arguments, **inzage)
    assert (status, "FAULT missing_row" in said) == (1, True)


async def test_what_cannot_be_done_ends_with_another_status_than_a_fault(stage, inzage, key, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, text in (
        (("verify", tmp_path / "empty", "--key", key), "no manifest"),
        (("verify", "--key", key), "--tenant is needed"),
        (("verify", "--key", key, "--tenant", stage.world.oin), "--reason is needed"),
        (("export", tmp_path / "x", "--tenant", "00000001000000009000", "--reason", "r"), "No tenant has OIN"),
        (("export", tmp_path / "x", "--tenant", stage.world.oin, "--reason", "r", "--from", "2026-01-02", "--to", "2026-01-01"), "before"),
        (("check-receipts", "-", "--tenant", stage.world.oin, "--reason", "r"), "Line 1 is no receipt"),
    ):  # fmt: skip
        status, said = await koppelpunt(*arguments, stdin="onzin", **inzage)
        assert status == 2, said
        assert text in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("cannot call Transaction.__aexit__(): the underlying connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_goes_away_is_not_taken_for_a_fault_of_the_register(error):
    with pytest.raises(CannotBeDone) as refused, told():
        raise error
    assert refused.value.exit_code == 2


async def test_a_pile_of_receipts_is_checked_against_the_register_and_against_an_export(stage, inzage, key, tmp_path):
    rows = await stage.admin.fetch("SELECT id, number, hash FROM register.closing ORDER BY number")
    receipts = [f"{row['id']}:{row['number']}:{row['hash'].hex()}" for row in rows]
    live = ("check-receipts", "-", "--tenant", stage.world.oin, "--reason", "steekproef")
    export = ("check-receipts", "-", "--key", key, "--export", await stage.export(tmp_path / "export"))
    assert (await koppelpunt(*export[:2], *export[4:], stdin=receipts[0], **inzage))[0] == 2
    for arguments in (live, export):
        status, said = await koppelpunt(*arguments, stdin="\n".join([*receipts, ""]), **inzage)
        assert (status, said) == (0, "130 receipts, 0 that the register does not answer for\n")
        id_, number, hash_ = receipts[3].split(":")
        forged = [
            *receipts[:3], f"{id_}:{int(number) + 1}:{hash_}", f"{id_}:{number}:{'0' * 64}",
            f"01942f5e-0000-7000-8000-000000000001:1:{hash_}", *receipts[4:],
        ]  # fmt: skip
        status, said = await koppelpunt(*arguments, stdin="\n".join(forged), **inzage)
        assert status == 1
        assert f"line 4: {id_}: other_number" in said
        assert f"line 5: {id_}: other_hash" in said
        assert "line 6: 01942f5e-0000-7000-8000-000000000001: not_there" in said
        assert said.endswith("132 receipts, 3 that the register does not answer for\n")
    await stage.admin.execute("UPDATE register.closing SET status = 204 WHERE number = 1")
    status, said = await koppelpunt(*live, stdin=receipts[0], **inzage)
    assert (status, "altered" in said) == (1, True)


async def test_the_keys_of_checkpoints_are_made_and_shown(tmp_path):
    path = tmp_path / "checkpoint.key"
    assert (await koppelpunt("make-key", path))[0] == 0
    assert path.stat().st_mode & 0o077 == 0
    assert (await koppelpunt("make-key", path))[0] == 2
    status, said = await koppelpunt(
        "show-key", path, "--tenant", "00000001001234567000", "--origin", "koppelpunt.example"
    )
    assert status == 0
    assert said.startswith("koppelpunt.example/00000001001234567000+")


async def test_who_answers_for_a_fault_says_why(stage, database):
    await stage.admin.execute(
        "SELECT register.note_seal_fault($1, 'row_altered', 'leaf 1', true)", stage.world.tenant_id
    )
    arguments = ("answer-faults", "--tenant", stage.world.oin, "--database-url", database.url("sealer"))
    assert (await koppelpunt(*arguments))[0] == 2
    assert (await koppelpunt(*arguments, "--reason", "schijf hersteld")) == (0, "1 faults answered for\n")
    row = await stage.admin.fetchrow("SELECT resolved_by, reason FROM register.seal_fault")
    assert row["resolved_by"].startswith("command line (")
    assert row["reason"] == "schijf hersteld"
