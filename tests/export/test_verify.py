"""Whoever tampers is seen: a whole register verifies, and each way of tampering is told by its name and place."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenants.checkpoints import BadNote
from tenants.export.lines import FORMS, OPENING, canonical
from tenants.export.rows import _OPENINGS
from tenants.merkle import Frontier
from tests.export.stage import Stage


async def test_a_whole_register_verifies_live_and_as_export(stage, tmp_path):
    live = await stage.verify()
    exported = stage.judge(await stage.export(tmp_path / "export"))
    for verdict in (live, exported):
        assert verdict.faults == ()
        assert (verdict.tally.openings, verdict.tally.closings) == (130, 130)
        assert verdict.tally.rows == verdict.size == verdict.span[1]


async def test_every_kind_of_row_is_verified(stage, tmp_path):
    await stage.calls.open(stage.world, 2, refusal="nietGemachtigd")
    await stage.calls.open(
        stage.world, 1, operation='é "quoted" \\ \u0001 \u007f \u2028', question_type=None, zoekrubrieken=""
    )
    await stage.seal()
    verdict = stage.judge(await stage.export(tmp_path / "export"))
    assert verdict.faults == ()
    assert verdict.tally.openings == 133
    assert verdict.tally.wijzigingen > 5
    assert verdict.notes == ("1 calls have no closing: their outcome is not known",)


ALTERATIONS = {
    "metadata": "UPDATE register.opening SET doelbinding = 'iets anders' WHERE number = 70",
    "what was asked": "UPDATE register.question_shape SET rubrieken = '010120'",
    "what was asked taken away": "DELETE FROM register.question_shape",
    "sealed bytes": "UPDATE register.opening SET sealed = sealed || 'x' WHERE number = 70",
    "sealed bytes of a closing": "UPDATE register.closing SET sealed = 'x' WHERE number = 70",
    "the outcome": "UPDATE register.closing SET outcome = 'niet_verzonden' WHERE number = 70",
    "a time": "UPDATE register.closing SET closed_at = closed_at + interval '1 microsecond' WHERE number = 70",
    "a hash": "UPDATE register.opening SET hash = sha256('x') WHERE number = 70",
    "a person added": "INSERT INTO register.person SELECT tenant_id, gen_random_uuid(), id, '' FROM register.closing WHERE number = 70",
    "a person taken away": "DELETE FROM register.person p USING register.closing c WHERE c.id = p.id AND c.number = 70",
    "history": "UPDATE registry.wijziging SET actor = 'een ander' WHERE number = (SELECT max(number) FROM registry.wijziging)",
}


@pytest.mark.parametrize("what", ALTERATIONS)
async def test_an_altered_row_is_named(stage, tmp_path, what):
    await stage.admin.execute("SET session_replication_role = replica")  # past the trigger that keeps the history
    status = await stage.admin.execute(ALTERATIONS[what])
    assert status.split()[-1] == "1"
    for verdict in (await stage.verify(), stage.judge(await stage.export(tmp_path / "export"))):
        assert verdict.first is not None
        assert verdict.first.code == "altered_row", verdict.faults
        assert verdict.first.leaf is not None
        assert {fault.code for fault in verdict.faults} == {"altered_row"}


async def test_what_two_writers_met_at_once_is_read_once(stage, tmp_path):
    """Neither waited for the other, so it stands there twice."""
    await stage.admin.execute("INSERT INTO register.question_shape SELECT tenant_id, question_shape_id, 99, question_type, "
        "zoekrubrieken, rubrieken FROM register.question_shape")  # fmt: skip
    await stage.calls.record(stage.world, 5)
    await stage.seal()
    for verdict in (await stage.verify(), stage.judge(await stage.export(tmp_path / "export"))):
        assert verdict.faults == ()
        assert (verdict.tally.openings, verdict.tally.closings) == (135, 135)


async def test_an_altered_row_with_a_hash_that_fits_it_is_named_too(stage):
    id_ = await stage.admin.fetchval("SELECT id FROM register.opening WHERE number = 70")
    await stage.admin.execute("UPDATE register.opening SET doelbinding = 'iets anders' WHERE id = $1", id_)
    await rehash_opening(stage, id_)
    verdict = await stage.verify()
    assert verdict.first is not None
    assert verdict.first.code == "altered_row"
    assert f"opening {id_}: another row was sealed here" in verdict.first.detail


async def rehash_opening(stage: Stage, id_: Any) -> None:
    """What a careful forger does: make the row's own hash fit again."""
    row = await stage.admin.fetchrow(_OPENINGS, stage.world.tenant_id, [id_], id_, id_)
    values = [FORMS["opening"], *(str(row[name]) if isinstance(row[name], UUID) else row[name] for name in OPENING[1:])]
    await stage.admin.execute("UPDATE register.opening SET hash = sha256($2) WHERE id = $1", id_, canonical(values))


@pytest.mark.parametrize("table", ["opening", "closing"])
async def test_a_deleted_row_is_named(stage, tmp_path, table):
    id_ = await stage.admin.fetchval(f"DELETE FROM register.{table} WHERE number = 33 RETURNING id")  # noqa: S608
    for verdict in (await stage.verify(), stage.judge(await stage.export(tmp_path / "export"))):
        assert verdict.first is not None
        assert (verdict.first.code, verdict.first.detail) == ("missing_row", f"{table} {id_}")


async def test_a_deleted_piece_of_history_is_named(stage):
    await stage.admin.execute("SET session_replication_role = replica")
    number = await stage.admin.fetchval("DELETE FROM registry.wijziging WHERE object = 'machtiging' RETURNING number")
    verdict = await stage.verify()
    assert verdict.first is not None
    assert (verdict.first.code, verdict.first.detail) == ("missing_row", f"wijziging {number}")


async def test_a_row_that_was_deleted_before_it_was_sealed_is_missed_by_its_number(stage, tmp_path):
    await stage.calls.record(stage.world, 3)
    await stage.admin.execute("DELETE FROM register.closing WHERE number = 132")
    await stage.seal()
    for verdict in (await stage.verify(), stage.judge(await stage.export(tmp_path / "export"))):
        assert verdict.first is not None
        assert verdict.first.code == "missing_row"
        assert verdict.first.detail == f"closing 132 of writer {stage.calls.writer.writer_id}"


async def test_a_row_that_was_added_past_the_sealer_is_counted(stage):
    await stage.admin.execute(
        "CREATE TEMP TABLE one AS SELECT * FROM register.opening WHERE number = 70;"
        "UPDATE one SET id = overlay(id::text placing 'ffff' from 20 for 4)::uuid, number = 500;"
        "INSERT INTO register.opening SELECT * FROM one"
    )
    verdict = await stage.verify()
    assert verdict.first is not None
    assert (verdict.first.code, verdict.first.detail) == ("extra_row", "1 rows")


async def test_rows_in_another_order_are_named(stage, tmp_path):
    """The forger swaps two leaves in the tree itself, with everything that belongs to them."""
    await swap_leaves(stage, "opening")
    for verdict in (await stage.verify(), stage.judge(await stage.export(tmp_path / "export"))):
        assert verdict.first is not None
        assert verdict.first.code == "reordered_row", verdict.faults
        assert "tree_differs" in {fault.code for fault in verdict.faults}


async def swap_leaves(stage: Stage, kind: str) -> None:
    row = await stage.admin.fetchrow(
        "SELECT first, entries, hashes FROM register.leaf_run WHERE tenant_id = $1 AND get_byte(entries, 0) = $2 LIMIT 1",
        stage.world.tenant_id, {"opening": 1, "closing": 2}[kind],
    )  # fmt: skip

    def swapped(packed: bytes, width: int) -> bytes:
        parts = [packed[at : at + width] for at in range(0, len(packed), width)]
        parts[4], parts[5] = parts[5], parts[4]
        return b"".join(parts)

    await stage.admin.execute(
        "UPDATE register.leaf_run SET entries = $2, hashes = $3 WHERE tenant_id = $1 AND first = $4",
        stage.world.tenant_id, swapped(row["entries"], 17), swapped(row["hashes"], 32), row["first"],
    )  # fmt: skip


async def test_rows_that_were_swapped_between_tenants_are_named(stage, other):
    await stage.calls.record(other, 60)
    await stage.seal()
    await stage.admin.execute(
        "CREATE TEMP TABLE a AS SELECT * FROM register.opening WHERE tenant_id = $T AND number = 50;"
        "CREATE TEMP TABLE b AS SELECT * FROM register.opening WHERE tenant_id = $O AND number = 50;"
        "DELETE FROM register.opening WHERE number = 50;"
        "UPDATE a SET tenant_id = $O; UPDATE b SET tenant_id = $T;"
        "INSERT INTO register.opening SELECT * FROM a; INSERT INTO register.opening SELECT * FROM b"
        .replace("$T", str(stage.world.tenant_id)).replace("$O", str(other.tenant_id))
    )  # fmt: skip
    for one in (stage.world, other):
        verdict = await dataclasses.replace(stage, world=one).verify()
        assert verdict.first is not None
        assert verdict.first.code == "missing_row"
        assert verdict.first.detail.startswith("opening ")


async def test_the_contents_of_two_tenants_rows_cannot_be_swapped(stage, other):
    await stage.calls.record(other, 60)
    await stage.seal()
    await stage.admin.execute(
        "UPDATE register.opening o SET sealed = x.sealed || 'y', user_index = x.user_index, api = 'bewoningen' "
        "FROM register.opening x WHERE o.number = 50 AND x.number = 50 AND o.tenant_id <> x.tenant_id"
    )
    for one in (stage.world, other):
        verdict = await dataclasses.replace(stage, world=one).verify()
        assert verdict.first is not None
        assert verdict.first.code == "altered_row"


async def test_a_tail_that_was_cut_off_is_named(stage):
    size = await stage.admin.fetchval("SELECT size FROM register.tree")
    await stage.admin.execute("DELETE FROM register.closing WHERE number > 120")
    await stage.admin.execute("DELETE FROM register.leaf_run WHERE first = (SELECT max(first) FROM register.leaf_run)")
    verdict = await stage.verify()
    assert verdict.first is not None
    assert verdict.first.code == "cut_tail"
    assert verdict.first.leaf is not None
    assert verdict.first.leaf < size


async def put_back(stage: Stage, size: int) -> None:
    """What an old backup looks like: everything newer than this size is not there, and nothing points to it."""
    await stage.admin.execute("DELETE FROM register.leaf_run WHERE first >= $1", size)
    await stage.admin.execute("DELETE FROM register.tree_node WHERE (index + 1) << level > $1", size)
    await stage.admin.execute("DELETE FROM register.checkpoint WHERE size > $1", size)
    for table in ("opening", "closing"):
        await stage.admin.execute(f"DELETE FROM register.{table} WHERE number > 70")  # noqa: S608


async def test_an_old_backup_in_the_place_of_the_register_is_seen_by_a_checkpoint_that_one_kept(stage, tmp_path):
    kept = await stage.newest()
    old = await stage.admin.fetchrow("SELECT size, note FROM register.checkpoint ORDER BY size OFFSET 1 LIMIT 1")
    rows = await stage.admin.fetch("SELECT hashes FROM register.leaf_run WHERE first < $1 ORDER BY first", old["size"])
    await put_back(stage, old["size"])
    await put_tree(stage, b"".join(row["hashes"] for row in rows))
    alone = await stage.verify()
    # By itself it is whole: nobody who has nothing but PostgreSQL can tell.
    assert alone.faults == ()
    for verdict in (await stage.verify(kept), stage.judge(await stage.export(tmp_path / "export"), kept)):
        assert "rolled_back" in {fault.code for fault in verdict.faults}


async def put_tree(stage: Stage, hashes: bytes) -> None:
    tree = Frontier()
    tree.extend(hashes[at : at + 32] for at in range(0, len(hashes), 32))
    await stage.admin.execute(
        "UPDATE register.tree SET size = $2, frontier = $3, halted_at = NULL WHERE tenant_id = $1",
        stage.world.tenant_id, tree.size, tree.packed(),
    )  # fmt: skip


async def test_a_register_that_went_on_from_an_old_backup_is_a_fork(stage, tmp_path):
    kept, size = await stage.newest(), await stage.admin.fetchval("SELECT size FROM register.tree")
    old = await stage.admin.fetchrow("SELECT size, note FROM register.checkpoint ORDER BY size OFFSET 1 LIMIT 1")
    rows = await stage.admin.fetch("SELECT hashes FROM register.leaf_run WHERE first < $1 ORDER BY first", old["size"])
    await put_back(stage, old["size"])
    await put_tree(stage, b"".join(row["hashes"] for row in rows))
    await stage.admin.execute("UPDATE register.seal_counter SET number = 70")
    stage.calls.openings[stage.world.tenant_id] = stage.calls.closings[stage.world.tenant_id] = 70
    await stage.fill(size)
    assert (await stage.verify()).faults == ()
    for verdict in (await stage.verify(kept), stage.judge(await stage.export(tmp_path / "export"), kept)):
        assert [fault.code for fault in verdict.faults] == ["forked"]


async def test_a_history_that_was_made_over_is_seen_even_when_everything_in_it_fits(stage):
    """The forger owns PostgreSQL and makes rows, leaves, nodes and tree anew. What it lacks is the key."""
    forger = dataclasses.replace(stage.signer, keys=(Ed25519PrivateKey.generate(),))
    for table in ("leaf_run", "tree_node", "tree", "checkpoint", "seal_counter"):
        await stage.admin.execute(f"DELETE FROM register.{table}")  # noqa: S608
    await stage.admin.execute("DELETE FROM register.opening WHERE number > 100")
    await stage.admin.execute("DELETE FROM register.closing WHERE number > 100")
    await stage.admin.execute("UPDATE register.seal_cursor SET tx = '0', after_tenant = 0")
    await dataclasses.replace(stage, signer=forger).seal()
    verdict = await stage.verify()
    assert {fault.code for fault in verdict.faults} == {"bad_signature"}


async def test_an_older_checkpoint_is_an_anchor_of_every_newer_export(stage, tmp_path):
    first = await stage.admin.fetchval("SELECT note FROM register.checkpoint ORDER BY size LIMIT 1")
    await stage.fill(20)
    verdict = stage.judge(await stage.export(tmp_path / "export"), first, await stage.newest())
    assert verdict.faults == ()
    assert len(verdict.anchors) == 2


async def test_a_forged_anchor_is_refused(stage, tmp_path):
    path = await stage.export(tmp_path / "export")
    with pytest.raises(BadNote):
        stage.judge(path, (await stage.newest()).replace("\n2", "\n3", 1))


async def test_rows_of_a_month_that_went_with_its_term_are_no_fault_when_the_reader_says_so(stage, tmp_path):
    for table in ("opening", "closing"):
        await stage.admin.execute(f"DELETE FROM register.{table}")  # noqa: S608
    path = await stage.export(tmp_path / "export")
    assert {fault.code for fault in stage.judge(path).faults} == {"missing_row"}
    verdict = stage.judge(path, gone_before=datetime.now(UTC) + timedelta(days=1))
    assert verdict.faults == ()
    assert verdict.tally.gone == 260


async def test_a_verification_is_a_reading_and_is_recorded(stage, tmp_path):
    await stage.verify()
    await stage.export(tmp_path / "export")
    rows = await stage.admin.fetch("SELECT actor, reason, kind, contents FROM register.reading ORDER BY number")
    assert [tuple(row) for row in rows] == [
        ("auditor", "controle", "verificatie", False),
        ("auditor", "overdracht", "export", False),
    ]
