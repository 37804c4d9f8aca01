"""The sealer's process destroys by itself, and shows it; the command line says beforehand what goes."""

import tarfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.__main__ import main
from tests.export.test_envelope import certificate
from tests.retention.stage import THIS_YEAR, Past
from tests.sealer.test_sealer import metric, sealer

OLD = date(THIS_YEAR - 4, 3, 1)


async def test_the_process_proves_signs_and_destroys(past: Past, database, tmp_path: Path):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "checkpoint.key"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    await past.had(OLD, 4)
    settings = {"checkpoint_key_file": path, "seal_every": 0.1, "retention_every": 0.2, "backup_days": 0}
    async with sealer(database.url("sealer"), **settings) as url:
        # Counted only when no backup holds it: here at once.
        await metric(
            url, f'koppelpunt_retention_rows_destroyed{{tenant="{past.world.tenant_id}"}}', lambda value: value == 12
        )
    assert await past.counts(OLD) == (0, 0, 0)


async def test_the_dry_run_says_what_would_go_and_changes_nothing(past: Past, database):
    await past.had(OLD, 4)
    await past.set_stop()
    arguments = ["register", "retention", "--dry-run", "--database-url", database.url("sealer")]
    said = await on_a_thread(arguments)
    assert f"{past.world.oin}  {OLD:%Y-%m}  protocolregels" in said
    assert "8 rows" in said
    assert "8 held" in said
    assert "nothing was changed" in said
    assert await past.counts(OLD) == (4, 4, 4)


async def test_an_end_that_the_registry_does_not_know_cannot_begin(past: Past, database):
    arguments = ["register", "end-contract", "--tenant", past.world.oin, "--database-url", database.url("inzage")]
    assert "has not ended" in await on_a_thread(arguments)
    assert await past.admin.fetchval("SELECT count(*) FROM register.contracteinde_stap") == 0


async def test_a_contract_ends_step_by_step_by_one_command(past: Past, database, keyrings, tmp_path: Path):
    from tenants.keyring import dump  # noqa: PLC0415
    from tenants.retention.contract import note_step  # noqa: PLC0415

    await past.had(OLD, 2)
    await past.seal()
    await past.admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", past.world.tenant_id)
    keyring, archive = tmp_path / "register.json", tmp_path / "last.tar"
    keyring.write_text(dump(keyrings.register))
    keyring.chmod(0o600)
    command = ["register", "end-contract", "--tenant", past.world.oin, "--database-url", database.url("inzage")]
    exporting = [*command, "--archive", str(archive), "--opened", str(keyring)]
    assert "--recipient is needed" in await on_a_thread(exporting)
    recipient = tmp_path / "recipient.pem"
    recipient.write_bytes(certificate(begins=datetime.now(UTC) - timedelta(1), ends=datetime.now(UTC) + timedelta(1)))
    said = await on_a_thread([*exporting, "--recipient", str(recipient)])
    assert archive.stat().st_mode & 0o077 == 0
    # Nothing of the register stands there in the clear: what is readable is the manifest.
    with tarfile.open(archive) as packed:
        assert {one.rpartition(".")[2] for one in packed.getnames() if one != "manifest.json"} == {"cms"}
    assert "hand it over" in said
    digest = said.split("SHA-256 ")[1].split()[0]
    assert "--received-by is needed" in await on_a_thread(command)
    assert "own auditor" in await on_a_thread([*command, "--received-by", "J. Jansen, FG"])
    assert digest in await on_a_thread(command)
    archive_digest, who = bytes.fromhex(digest), past.world.tenant_id
    await note_step(past.reader, who, "bevestigd", actor="auditor/1", digest=archive_digest, note="Akkoord")
    assert "waiting for another auditor" in await on_a_thread(command)
    await note_step(past.reader, who, "meebevestigd", actor="beheerder/2", digest=archive_digest, note="Akkoord")
    assert "the sealer is destroying it" in await on_a_thread(command)
    for _ in range(3):
        await past.seal()
        await past.destroy()
    assert "everything is destroyed" in await on_a_thread(command)
    assert "nothing of this tenant is left" in await on_a_thread(command)


async def on_a_thread(arguments: list[str]) -> str:
    """The command runs a loop of its own."""
    import asyncio  # noqa: PLC0415

    return (await asyncio.to_thread(CliRunner().invoke, main, arguments)).output
