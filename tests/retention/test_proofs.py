"""Destroyed with proof is one thing, missing is another: verification tells them apart, live and offline."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.export.independent import read_export
from tests.retention.stage import THIS_YEAR, Past
from tests.trees.stage import faults, sign_all

OLD = date(THIS_YEAR - 4, 3, 1)
OLDER = date(THIS_YEAR - 5, 3, 1)
RECENT = date(THIS_YEAR - 1, 3, 1)


@pytest.fixture
async def destroyed(past: Past) -> Past:
    """Four calls of an old month are gone with proof, four of a recent one stand."""
    await past.had(OLD, 4)
    await past.had(RECENT, 4)
    await past.seal()
    await past.destroy()
    return past


async def first_fault(past: Past, tmp_path: Path) -> set[str]:
    """The codes, live and of an export: the same."""
    live, exported = await past.verify(), past.judge(await past.export(tmp_path / "export"))
    assert {one.code for one in live.faults if one.code != "extra_row"} == {one.code for one in exported.faults}
    return {one.code for one in exported.faults}


@pytest.mark.parametrize("table", ["opening", "closing"])
async def test_a_row_that_is_gone_without_proof_is_missing(destroyed: Past, tmp_path, table):
    newest = await destroyed.admin.fetchval("SELECT id FROM register.opening ORDER BY id DESC LIMIT 1")
    await destroyed.admin.execute(f"DELETE FROM register.{table} WHERE id = $1", newest)  # noqa: S608
    assert "missing_row" in await first_fault(destroyed, tmp_path)


async def test_a_row_that_was_taken_before_its_month_went_stays_missing(past: Past, tmp_path):
    ids = await past.had(OLD, 4)
    await past.seal()
    await past.admin.execute("DELETE FROM register.closing WHERE id = $1", ids[1])
    await past.destroy()
    assert await past.counts(OLD) == (1, 0, 1)
    assert "missing_row" in await first_fault(past, tmp_path)
    assert [code for _, code, _ in await faults(past.admin)] == ["row_vanished"]


async def test_an_altered_row_is_not_made_good_by_destruction(past: Past, tmp_path):
    ids = await past.had(OLD, 4)
    await past.seal()
    await past.admin.execute("UPDATE register.opening SET hash = sha256('x') WHERE id = $1", ids[1])
    await past.destroy()
    assert await past.counts(OLD) == (1, 1, 1)
    assert "altered_row" in await first_fault(past, tmp_path)


async def test_a_row_that_came_back_from_a_backup_is_told(past: Past, tmp_path):
    await past.had(OLD, 3)
    await past.seal()
    await past.admin.execute("CREATE TEMP TABLE backup AS SELECT * FROM register.opening")
    await past.destroy()
    await past.admin.execute("INSERT INTO register.opening SELECT * FROM backup")
    assert "not_destroyed" in await first_fault(past, tmp_path)


async def test_the_sealer_goes_on_signing_what_was_destroyed_with_proof_and_nothing_else(past: Past):
    await past.had(OLD, 5)
    await past.seal()
    await past.destroy()
    await past.calls.record(past.world, 1)
    from tests.trees.stage import seal  # noqa: PLC0415

    await seal(past.sealing)
    assert await sign_all(past.sealing, past.signer, samples=400) == [True]
    await past.calls.record(past.world, 1)
    await past.admin.execute("DELETE FROM register.closing")
    await seal(past.sealing)
    assert await sign_all(past.sealing, past.signer, samples=400) == [False]


FORGERIES = {
    "a leaf more": lambda row: row | {"after": row["after"].replace('"{[', '"{[0,3),[', 1)},
    "of another tenant": lambda row: row | {"tenant_id": 99},
    "not of a proof": lambda row: row | {"after": "7"},
}


@pytest.mark.parametrize("how", FORGERIES)
async def test_a_forged_proof_in_an_export_counts_for_nothing(destroyed: Past, tmp_path, how):
    path = await destroyed.export(tmp_path / "export")
    manifest = json.loads((path / "manifest.json").read_text())
    assert len(manifest["vernietigingen"]) == 2
    for line in manifest["vernietigingen"]:
        line["row"] = FORGERIES[how](line["row"])
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert {"bad_proof", "missing_row"} <= {one.code for one in destroyed.judge(path).faults}


async def test_a_proof_that_is_left_out_of_an_export_leaves_rows_missing(destroyed: Past, tmp_path):
    path = await destroyed.export(tmp_path / "export")
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["vernietigingen"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert {one.code for one in destroyed.judge(path).faults} == {"missing_row"}


async def test_another_reader_finds_the_same_leaves_gone(destroyed: Past, tmp_path):
    """From the page about the form alone: the proof is a row of the export itself, and names the leaves without a row."""
    _, rows = read_export(await destroyed.export(tmp_path / "export"))
    gone = {row["leaf"] for row in rows if row["row"] is None}
    proofs = [row["row"] for row in rows if row["kind"] == "wijziging" and row["row"]["object"] == "vernietiging"]
    (begun, ended) = (json.loads(row["after"]) for row in proofs)
    assert leaves_of(begun["leaves"]) == leaves_of(ended["destroyed"]) == gone
    assert len(gone) == 8


def leaves_of(text: str) -> set[int]:
    found: set[int] = set()
    for stretch in json.loads(text.replace("{", "[").replace("}", "]").replace(")", "]")):
        found |= set(range(*stretch))
    return found


async def test_the_history_of_a_destruction_cannot_go(destroyed: Past, tmp_path):
    await destroyed.admin.execute("SET session_replication_role = replica")
    await destroyed.admin.execute("DELETE FROM registry.wijziging WHERE object = 'vernietiging'")
    assert "missing_row" in await first_fault(destroyed, tmp_path)


def test_a_set_of_ranges_reads_what_postgresql_writes() -> None:
    from tenants.retention.ranges import Ranges  # noqa: PLC0415

    found = Ranges.read("{[0,3),[5,6)}")
    assert [number for number in range(8) if number in found] == [0, 1, 2, 5]
    assert found.missing_from(1, 9) == [(3, 4), (6, 9)]
    assert found.missing_from(0, 2) == []
    assert Ranges.read("{}").missing_from(4, 4) == [(4, 4)]
    wrong: Any
    for wrong in ("", "{[3,1)}", "[0,1)", "{[0,1]}", "{[-1,1)}"):
        with pytest.raises(ValueError, match=r"stretch|ranges"):
            Ranges.read(wrong)
