"""Who read a register goes along with it, proved by its tree: a record that was altered, taken away or put there is found."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tenants.recording import Reading, record_reading
from tests.export.independent import canonical, read_export
from tests.export.stage import Stage

FIELDS = [
    "form", "tenant_id", "number", "at", "actor", "reason", "kind", "subjects", "users", "ids", "period_from", "period_until",
    "contents", "criteria", "inzageverzoek_id",
]  # fmt: skip


@pytest.fixture
async def read(stage: Stage) -> int:
    """Three readings, sealed; the number of the second, which says everything that one can say."""
    tenant_id = stage.world.tenant_id
    period = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    rich = Reading(
        "zoekvraag", 'Melding "4" – é', contents=True, subjects=[UUID(int=5), UUID(int=6)], users=[UUID(int=7)],
        ids=[UUID(int=8)], period=period, criteria={"rubrieken": ["010240"], "doelbinding": 'a "b"'}, inzageverzoek_id=3,
    )  # fmt: skip
    plain = Reading("regels", "Controle", contents=False)
    numbers = [await record_reading(stage.reader, tenant_id, one, actor="auditor/1") for one in (plain, rich, plain)]
    await stage.seal()
    return numbers[1]


def records_of(path: Path) -> dict[int, dict[str, Any]]:
    """As another supplier reads them: each hashes to what its line says."""
    found = [json.loads(line) for line in (path / "lezingen.ndjson").read_bytes().splitlines()]
    for line in found:
        assert list(line["row"]) == FIELDS
        assert hashlib.sha256(canonical([line["row"][name] for name in FIELDS])).hexdigest() == line["hash"]
    return {line["row"]["number"]: line for line in found}


async def test_a_second_reader_finds_every_reading_and_its_hash_in_the_tree(stage: Stage, read: int, tmp_path: Path):
    path = await stage.export(tmp_path / "export")
    manifest, rows = read_export(path)
    assert [one["name"] for one in manifest["files"]][-1] == "lezingen.ndjson"
    records = records_of(path)
    noted = {
        after["number"]: after["hash"]
        for row in rows
        if row["kind"] == "wijziging" and row["row"]["object"] == "lezing"
        for after in [json.loads(row["row"]["after"])]
    }
    assert {read - 1, read, read + 1} <= noted.keys() <= records.keys()
    assert all(records[number]["hash"] == hash_ for number, hash_ in noted.items())
    row = records[read]["row"]
    assert (row["reason"], row["kind"], row["contents"], row["inzageverzoek_id"]) == (
        'Melding "4" – é',
        "zoekvraag",
        True,
        3,
    )
    assert row["subjects"] == f"{UUID(int=5)},{UUID(int=6)}"
    assert json.loads(row["criteria"]) == {"rubrieken": ["010240"], "doelbinding": 'a "b"'}
    # The export itself is a reading, and says so.
    assert records[max(records)]["row"]["kind"] == "export"
    assert stage.judge(path).faults == ()
    assert (await stage.verify()).faults == ()


Change = Callable[[asyncpg.Connection, int], Awaitable[Any]]


async def _alter(admin: asyncpg.Connection, number: int) -> None:
    await admin.execute("UPDATE register.reading SET reason = 'Iets anders' WHERE number = $1", number)


async def _take_away(admin: asyncpg.Connection, number: int) -> None:
    await admin.execute("DELETE FROM register.reading WHERE number = $1", number)


async def _put(admin: asyncpg.Connection, number: int) -> None:
    async with admin.transaction():
        await admin.execute("ALTER TABLE register.reading DISABLE TRIGGER note_reading")
        await admin.execute(
            "INSERT INTO register.reading (tenant_id, number, at, actor, reason, kind, contents) OVERRIDING SYSTEM VALUE "
            "SELECT tenant_id, $1 + 1000, at - interval '2 minutes', actor, reason, kind, contents FROM register.reading WHERE number = $1",
            number,
        )
        await admin.execute("ALTER TABLE register.reading ENABLE TRIGGER note_reading")


@pytest.mark.parametrize(
    ("change", "code"),
    [(_alter, "altered_row"), (_take_away, "missing_row"), (_put, "extra_row")],
    ids=["alter", "take", "put"],
)
async def test_a_record_that_is_not_as_it_was_written_is_found_live_and_in_an_export(
    stage: Stage, read: int, tmp_path: Path, admin: asyncpg.Connection, change: Change, code: str
):
    await change(admin, read)
    number = read + 1000 if code == "extra_row" else read
    expected = [(code, f"the record of reading {number}")]
    assert [(one.code, one.detail) for one in (await stage.verify()).faults] == expected
    path = await stage.export(tmp_path / "export")
    assert [(one.code, one.detail) for one in stage.judge(path).faults] == expected


async def test_a_record_of_an_export_that_was_altered_on_the_way_is_found(stage: Stage, read: int, tmp_path: Path):
    path = await stage.export(tmp_path / "export")
    file = path / "lezingen.ndjson"
    lines = file.read_bytes().splitlines(keepends=True)
    changed = [line.replace(b"Controle", b"Kontrole") for line in lines]
    assert changed != lines
    file.write_bytes(b"".join(changed))
    assert {one.code for one in stage.judge(path).faults} == {"altered_row"}
    file.write_bytes(b"".join(lines[:-3]) + b"nonsense\n")
    assert {one.code for one in stage.judge(path).faults} >= {"unreadable_line"}
    # An export of before there were such files is judged by what it has.
    file.unlink()
    assert stage.judge(path).faults == ()


async def test_an_export_of_a_period_has_the_readings_of_that_period(stage: Stage, read: int, tmp_path: Path):
    long_ago = (datetime.now(UTC) - timedelta(days=40), datetime.now(UTC) - timedelta(days=30))
    assert records_of(await stage.export(tmp_path / "then", period=long_ago)) == {}
    now = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
    path = await stage.export(tmp_path / "now", period=now)
    assert read in records_of(path)
    assert stage.judge(path).faults == ()
