"""What was done with requests and samples leaves with the register; nobody else can read an export; a sealed one is opened by openssl."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tenants.export.archive import ArchiveError
from tenants.export.envelope import read_recipient
from tenants.inzage.verzoek import Betrokkenen, Iemand
from tenants.inzage.verzoeken import make_verzoek, note_stap
from tenants.model import Bsn
from tenants.scope import tenant_scope
from tenants.subjects import Subject
from tests.export.stage import Stage
from tests.export.test_envelope import certificate, unseal

NOW = datetime.now(UTC)
PERSON = "999990019"


@pytest.fixture
async def told(stage: Stage, keyrings):
    """A register with a request that was refused, and a sample with a verdict."""
    await stage.fill(3)
    who = Betrokkenen(Subject(Bsn(PERSON)), Iemand("Anna Voorbeeld"))
    period = (NOW - timedelta(days=99), NOW)
    async with tenant_scope(stage.reader, stage.world.tenant_id, actor="auditor/1"):
        number = await make_verzoek(
            stage.reader, stage.world.tenant_id, who, received_on=date(NOW.year, 1, 2), period=period, actor="auditor/1"
        )
        await note_stap(
            stage.reader,
            stage.world.tenant_id,
            number,
            "afgewezen",
            actor="auditor/1",
            done_at=NOW,
            note="Geen antwoord",
        )
        sample = await stage.reader.fetchval(
            "INSERT INTO register.steekproef (tenant_id, actor, reading, period_from, period_until, population, ids) "
            "SELECT $1, 'auditor/1', 1, now() - interval '1 day', now(), 3, ARRAY[o.id] FROM (SELECT gen_random_uuid() AS id) o "
            "RETURNING steekproef_id",
            stage.world.tenant_id,
        )
        await stage.reader.execute(
            "INSERT INTO register.steekproef_oordeel (tenant_id, steekproef_id, id, actor, verdict, note) "
            "SELECT tenant_id, steekproef_id, ids[1], 'auditor/2', 'nee', 'Geen taak' FROM register.steekproef WHERE steekproef_id = $1",
            sample,
        )
    return stage


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


async def test_requests_and_samples_stand_in_the_export_with_their_digests(told, keyrings, tmp_path):
    path = await told.export(tmp_path / "export", register=keyrings.register)
    manifest = orjson.loads((path / "manifest.json").read_bytes())
    named = {one["name"]: one for one in manifest["files"]}
    for name in ("verzoeken.ndjson", "steekproeven.ndjson"):
        digest = hashlib.sha256((path / name).read_bytes()).hexdigest()
        assert (named[name]["lines"], named[name]["sha256"]) == (1, digest)
    (verzoek,) = lines(path / "verzoeken.ndjson")
    assert PERSON in str(verzoek["betrokkenen"])
    assert "Anna Voorbeeld" in str(verzoek["betrokkenen"])
    assert [(one["kind"], one["note"]) for one in verzoek["stappen"]] == [("afgewezen", "Geen antwoord")]
    (steekproef,) = lines(path / "steekproeven.ndjson")
    assert [(one["verdict"], one["actor"], one["id"]) for one in steekproef["oordelen"]] == [
        ("nee", "auditor/2", steekproef["ids"][0])
    ]


async def test_without_the_keyring_a_request_names_nobody(told, tmp_path):
    path = await told.export(tmp_path / "export")
    (verzoek,) = lines(path / "verzoeken.ndjson")
    assert "betrokkenen" not in verzoek
    assert PERSON not in (path / "verzoeken.ndjson").read_text()


async def test_nobody_else_can_read_an_export(told, keyrings, tmp_path):
    path = await told.export(tmp_path / "export", register=keyrings.register)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {one.name: oct(one.stat().st_mode & 0o777) for one in path.iterdir()} == {
        one.name: "0o600" for one in path.iterdir()
    }
    packed = await told.export(tmp_path / "export.tar")
    assert packed.stat().st_mode & 0o777 == 0o600


async def test_a_sealed_export_shows_nothing_and_is_whole_when_the_recipient_opened_it(told, keyrings, tmp_path):
    pem = certificate(begins=NOW - timedelta(days=1), ends=NOW + timedelta(days=1))
    path = await told.export(
        tmp_path / "export", register=keyrings.register, recipient=read_recipient(pem), lines_per_file=4
    )
    files = [one for one in path.iterdir() if one.name != "manifest.json"]
    assert {one.suffix for one in files} == {".cms"}
    for one in files:
        content = one.read_bytes()
        assert not [text for text in (PERSON, "Anna", "opening", "auditor/1", '"row"') if text.encode() in content]
    with pytest.raises(ArchiveError, match="sealed to a certificate"):
        told.judge(path)
    for one in files:
        status, content = unseal(one, pem)
        assert status == 0
        one.with_suffix("").write_bytes(content)
    assert told.judge(path).faults == ()
    assert PERSON in (path / "verzoeken.ndjson").read_text()
