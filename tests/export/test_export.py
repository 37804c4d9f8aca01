"""An export is whole, provable by anyone, in the clear only when asked, and goes on where it was broken off."""

import base64
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tenants.checkpoints import read_note
from tenants.export.archive import ArchiveError
from tenants.export.lines import canonical
from tenants.export.running import Wish, export_register
from tenants.faults import InputRefused, NotFound
from tenants.verify.expecting import Trust
from tenants.verify.running import verify_archive
from tests.admin.regels import ANSWER, QUESTION, Recorder
from tests.export.independent import read_export
from tests.export.stage import Stage, quiet

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


@given(
    st.lists(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_the_canonical_array_is_what_every_json_library_makes(values):
    assert canonical(values) == json.dumps(values, ensure_ascii=False, separators=(", ", ": ")).encode()


async def test_the_canonical_array_is_what_postgresql_makes(admin):
    values = ["", 'é "q" \\ / \u0001\u001f\b\f\n\r\t \u007f\u0080 \u2028 \U0001f600', -5, 2**62, None, True, ',\n  "']
    row = await admin.fetchval(
        "SELECT json_build_array($1::text, $2::text, $3::bigint, $4::bigint, $5::text, $6::bool, $7::text)::text",
        *values,
    )
    assert canonical(values) == row.encode()


async def test_a_second_reader_finds_everything_that_was_recorded(stage, tmp_path, admin):
    await stage.calls.open(stage.world, 1, refusal="nietGemachtigd")
    await stage.seal()
    # What is read for the export is noted too, and comes with the next.
    history = await admin.fetch(
        "SELECT number, actor, object, after FROM registry.wijziging WHERE tenant_id = $1", stage.world.tenant_id
    )
    manifest, rows = read_export(await stage.export(tmp_path / "export"))
    assert manifest["contents"] == "sealed"
    for kind in ("opening", "closing"):
        expected = await admin.fetch(f"SELECT id, number, hash FROM register.{kind}")  # noqa: S608
        found = {(row["row"]["id"], row["row"]["number"], row["hash"]) for row in rows if row["kind"] == kind}
        assert found == {(str(row["id"]), row["number"], row["hash"].hex()) for row in expected}
    wijzigingen = {row["row"]["number"]: row["row"] for row in rows if row["kind"] == "wijziging"}
    assert {number: (row["actor"], row["object"], row["after"]) for number, row in wijzigingen.items()} == {
        row["number"]: (row["actor"], row["object"], row["after"]) for row in history
    }
    persons = await admin.fetchval("SELECT count(*) FROM register.person")
    assert sum(len(row["persons"]) for row in rows if row["kind"] == "closing") == persons == 130


async def test_an_export_of_a_period_holds_all_its_calls_and_is_proved_by_a_few_hashes(stage, tmp_path, admin):
    await admin.execute("UPDATE register.leaf_run SET sealed_at = $1", EPOCH)
    bounds = await admin.fetchrow(
        "SELECT min(opened_at) AS first, max(opened_at) AS last FROM register.opening WHERE number > 70"
    )
    period = (bounds["first"] - timedelta(milliseconds=2), bounds["last"] + timedelta(milliseconds=2))
    # As if the third filling had come a day after the others.
    third = await admin.fetchval("SELECT size FROM register.checkpoint ORDER BY size OFFSET 1 LIMIT 1")
    await admin.execute("UPDATE register.leaf_run SET sealed_at = clock_timestamp() WHERE first >= $1", third)
    await stage.fill(5)
    path = await stage.export(tmp_path / "export", period=period)
    manifest, rows = read_export(path)
    proof = manifest["proof"]
    assert proof["first"] == third
    assert len(proof["before"]) == third.bit_count()
    openings = {row["row"]["number"] for row in rows if row["kind"] == "opening"}
    assert set(range(71, 131)) <= openings
    assert min(openings) == 71
    verdict = stage.judge(path)
    assert verdict.faults == ()
    assert verdict.span[0] == third


async def test_a_period_can_be_anchored_to_a_checkpoint_from_before_it(stage, tmp_path, admin):
    first = await admin.fetchval("SELECT note FROM register.checkpoint ORDER BY size LIMIT 1")
    second = await admin.fetchval("SELECT size FROM register.checkpoint ORDER BY size OFFSET 1 LIMIT 1")
    await admin.execute("UPDATE register.leaf_run SET sealed_at = $1 WHERE first < $2", EPOCH, second)
    period = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
    bare = await stage.export(tmp_path / "bare", period=period)
    assert [fault.code for fault in stage.judge(bare, first).faults] == ["proof_missing"]
    anchored = await stage.export(tmp_path / "anchored", period=period, anchors=(read_note(first)[0],))
    assert stage.judge(anchored, first).faults == ()


async def test_an_export_of_a_period_without_calls_is_empty_and_says_so(stage, tmp_path):
    period = (datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) + timedelta(days=2))
    path = await stage.export(tmp_path / "export", period=period)
    assert stage.judge(path).tally.rows == 0
    assert stage.judge(path).faults == ()


@pytest.fixture
async def recorded(connect, world, keyrings, sealing, signer, reader, admin, calls):
    """A call whose contents are really sealed."""
    recorder = await Recorder.begin(await connect("gateway"), keyrings.identity)
    made = Stage(world, calls, sealing, signer, reader, admin)
    await recorder.record(world, "999941112", "999941124")
    await made.seal()
    return made


async def test_a_sealed_export_shows_nothing_of_anyone(recorded, tmp_path):
    path = await recorded.export(tmp_path / "export")
    everything = b"".join(file.read_bytes() for file in path.iterdir())
    for text in (b"999941112", b"j.jansen", b"192.0.2.7", b"Anna", b'RaadpleegMetBurgerservicenummer\\"'):
        assert text not in everything
        assert base64.b64encode(text) not in everything


async def test_an_opened_export_shows_what_was_recorded_and_how_to_open_it_oneself(recorded, tmp_path, keyrings):
    path = await recorded.export(tmp_path / "export", register=keyrings.register)
    manifest, rows = read_export(path)
    assert manifest["contents"] == "opened"
    opening, closing = (next(row for row in rows if row["kind"] == kind) for kind in ("opening", "closing"))
    assert opening["contents"]["user"] == "j.jansen"
    assert opening["contents"]["question"] == QUESTION.decode()
    assert closing["contents"]["persons"] == ["999941112", "999941124"]
    assert closing["contents"]["answer"] == ANSWER.decode()
    lines = [json.loads(line) for line in (path / "data-keys.ndjson").read_bytes().splitlines()]
    keys = {line["data_key_id"]: base64.b64decode(line["key"]) for line in lines}
    for line in (opening, closing):
        sealed, row = base64.b64decode(line["sealed"]), line["row"]
        bound = f"koppelpunt/{line['kind']}/{row['tenant_id']}/{row['id']}".encode()
        packed = AESGCM(keys[row["data_key_id"]]).decrypt(sealed[1:13], sealed[13:], bound)
        assert json.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=1 << 20)) == line["contents"]


async def test_what_a_destroyed_key_sealed_stays_provable(recorded, tmp_path, admin, keyrings):
    await admin.execute(
        "UPDATE registry.tenant_key SET destroyed_at = now(), private_key_sealed = NULL, index_key_for_gateway = NULL, index_key_for_register = NULL"
    )
    path = await recorded.export(tmp_path / "export", register=keyrings.register)
    _, rows = read_export(path)
    assert not any("contents" in row for row in rows)
    assert b'"key":null' in (path / "data-keys.ndjson").read_bytes()
    assert recorded.judge(path).faults == ()


async def test_an_export_that_was_broken_off_goes_on_where_it_was(stage, tmp_path, reader):
    target = tmp_path / "export"
    wish = Wish(stage.world.oin, "overdracht", "auditor", lines_per_file=64)

    def stop_at(done: int, _all: int) -> None:
        if done > 150:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await export_register(reader, wish, target, stop_at)
    whole = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in target.glob("rows-*.ndjson")}
    assert sorted(whole) == ["rows-000001.ndjson", "rows-000002.ndjson"]
    with pytest.raises(ArchiveError, match="no manifest"):
        stage.judge(target)
    # New rows do not change what was begun.
    await stage.fill(10)
    heard: list[int] = []
    await export_register(reader, wish, target, lambda done, _all: heard.append(done))
    assert min(heard) > 128
    assert {name: (file.stat().st_mtime_ns, file.read_bytes()) for name in whole if (file := target / name)} == whole
    manifest, rows = read_export(target)
    assert len(rows) == manifest["proof"]["until"] == heard[-1]
    assert stage.judge(target).faults == ()
    assert not (target / "progress.json").exists()


async def test_another_export_is_not_mixed_with_one_that_was_begun(stage, tmp_path, reader):
    target = tmp_path / "export"

    def stop(done: int, _all: int) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await stage_export(stage, target, stop)
    period = (EPOCH, datetime.now(UTC))
    with pytest.raises(ArchiveError, match="Another export"):
        await stage.export(target, period=period)
    await stage_export(stage, target, quiet)
    with pytest.raises(ArchiveError, match="whole export"):
        await stage.export(target)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    with pytest.raises(ArchiveError, match="something else"):
        await stage.export(tmp_path / "other")


async def stage_export(stage: Stage, target: Path, on_progress) -> None:
    await export_register(
        stage.reader, Wish(stage.world.oin, "overdracht", "auditor", lines_per_file=64), target, on_progress
    )


async def test_an_export_can_be_one_file(stage, tmp_path):
    path = await stage.export(tmp_path / "export.tar")
    assert [file.name for file in tmp_path.iterdir()] == ["export.tar"]
    verdict = stage.judge(path)
    assert verdict.faults == ()
    assert verdict.tally.openings == 130
    with pytest.raises(ArchiveError, match="of that name already"):
        await stage.export(tmp_path / "export.tar")


def test_what_is_no_export_is_told(tmp_path):
    (tmp_path / "file.tar").write_bytes(b"x")
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / "manifest.json").write_text('{"format": "other"}')
    (tmp_path / "empty").mkdir()
    for name in ("file.tar", "manifest", "empty"):
        with pytest.raises(ArchiveError):
            verify_archive(tmp_path / name, Trust([]), quiet)


async def test_memory_does_not_grow_with_the_register(stage, tmp_path):
    async def peak(name: str) -> int:
        tracemalloc.start()
        path = await stage.export(tmp_path / name, lines_per_file=50_000)
        stage.judge(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    await stage.fill(800)
    few = await peak("few")
    await stage.fill(4_000)
    many = await peak("many")
    assert many < few * 1.5


async def test_only_a_known_tenant_of_which_something_was_signed_can_be_exported(stage, other, tmp_path, reader):
    with pytest.raises(InputRefused, match="No tenant"):
        await export_register(reader, Wish("00000001000000009000", "reden", "auditor"), tmp_path / "a", quiet)
    with pytest.raises(NotFound, match="signed yet"):
        await export_register(reader, Wish(other.oin, "reden", "auditor"), tmp_path / "b", quiet)


async def test_an_export_needs_a_reason(stage, tmp_path, reader):
    with pytest.raises(asyncpg.CheckViolationError):
        await export_register(reader, Wish(stage.world.oin, " ", "auditor"), tmp_path / "a", quiet)
