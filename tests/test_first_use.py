"""The README's *first real use*, command by command, against a simulator in RvIG's place."""

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import aiohttp
import psycopg
import pytest

from gateway.demo.ground import free_port
from gateway.pki import make_pki
from tests.databases import Database

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "onboarding.yaml"


def koppelpunt(*arguments: str, fails: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


async def start(
    directory: Path, name: str, *arguments: str, **environment: str
) -> tuple[asyncio.subprocess.Process, int]:
    log = directory / f"{name}.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, stdout=stream, stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {f"KOPPELPUNT_{key.upper()}": value for key, value in environment.items()},
        )  # fmt: skip
    async with asyncio.timeout(30):
        while True:
            ready = [line for line in log.read_text().splitlines() if line.startswith("ready ")]
            if ready:
                return process, int(dict(part.split("=") for part in ready[0].split()[1:])["port"])
            assert process.returncode is None, log.read_text()
            await asyncio.sleep(0.05)


def limits_of(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


@pytest.fixture
def installation(tmp_path: Path, database: Database) -> Path:
    """Keys, certificates, the example document and the catalogue, as the README says."""
    koppelpunt("keys", "make", str(tmp_path))
    koppelpunt("migrate", "--database-url", database.url("admin"))
    pki = make_pki()
    chain, key = pki.issue_client("00000001002564440000", "Gemeente Duinwijk").save(tmp_path, "duinwijk")
    assert (chain.name, key.name) == ("duinwijk.pem", "duinwijk.key")
    (tmp_path / "duinwijk.secret").write_text("geheim-van-rvig")
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    for name in ("rvig", "server"):
        pki.issue_server(["localhost", "127.0.0.1"]).save(tmp_path, name)
    account = {
        "afnemer_id": "510193", "oin": "00000001002564440000", "gemeente_code": "9101", "mailbox_id": "5101930",
        "client_id": "duinwijk-proef", "client_secret": "geheim-van-rvig",
    }  # fmt: skip
    (tmp_path / "afnemers.json").write_text(json.dumps([account]))
    shutil.copy(EXAMPLE, tmp_path / "onboarding.yaml")
    return tmp_path


def write_catalogue(directory: Path, port: int) -> None:
    lines = []
    for line in (files("gateway") / "catalogue.toml").read_text().splitlines():
        if line.startswith(("base_url", "token_url")):
            name = line.split()[0]
            end = "/nidp/oauth/nam/token" if name == "token_url" else ""
            lines.append(f'{name} = "https://localhost:{port}{end}"')
            if name == "base_url":
                lines.append(f'trust_anchors_file = "{directory / "root.pem"}"')
        else:
            lines.append(line)
    (directory / "catalogue.toml").write_text("\n".join(lines))


def apply(installation: Path, database: Database) -> str:
    return koppelpunt(
        "registry", "apply", str(installation / "onboarding.yaml"), "--database-url", database.url("tenants"),
        "--identity-public", str(installation / "identity.public"), "--register-public", str(installation / "register.public"),
    )  # fmt: skip


async def test_a_new_operator_gets_a_first_call_through_by_the_readmes_steps(
    installation: Path, database: Database
) -> None:
    shown = await asyncio.to_thread(apply, installation, database)
    api_key = shown.rpartition(": ")[2].strip()
    assert (await asyncio.to_thread(apply, installation, database)).count("nothing") == 2
    rvig, port = await start(
        installation, "simulator", "simulator", "--port", str(free_port()), "--certificate", str(installation / "rvig.pem"),
        "--key", str(installation / "rvig.key"), "--trust-anchors", str(installation / "root.pem"),
        "--afnemers", str(installation / "afnemers.json"),
    )  # fmt: skip
    write_catalogue(installation, port)
    gateway, own = await start(
        installation, "gateway", "gateway",
        database_url=database.url("gateway"), identity_keyring_file=str(installation / "identity.keyring"),
        token_keys_file=str(installation / "token.keys"), catalogue_file=str(installation / "catalogue.toml"),
        bind="127.0.0.1:0", metrics_bind="127.0.0.1:0",
        certificate_file=str(installation / "server.pem"), key_file=str(installation / "server.key"), durability="none",
    )  # fmt: skip
    try:
        trusted = ssl.create_default_context(cafile=str(installation / "root.pem"))
        question = {
            "type": "RaadpleegMetBurgerservicenummer",
            "burgerservicenummer": ["999941112"],
            "fields": ["burgerservicenummer", "naam"],
        }
        async with aiohttp.ClientSession() as session:
            url = f"https://localhost:{own}/lap/api/brp/personen"
            async with session.post(url, json=question, headers={"X-API-KEY": api_key}, ssl=trusted) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["personen"][0]["burgerservicenummer"] == "999941112"
        with psycopg.connect(database.url("admin")) as connection:
            row = connection.execute(
                "SELECT o.afnemer_id, o.doelbinding, c.outcome FROM proef.opening o JOIN proef.closing c USING (tenant_id, id)"
            ).fetchall()
        assert row == [("510193", "burgerzaken", "beantwoord")]
        # It holds private keys: nobody may have its memory written to a disk.
        assert re.search(r"Max core file size\s+0\s+0\s", limits_of(gateway.pid))
    finally:
        for process in (gateway, rvig):
            process.terminate()
            await process.wait()


def test_keys_are_never_overwritten_and_can_be_checked(tmp_path: Path) -> None:
    koppelpunt("keys", "make", str(tmp_path))
    before = (tmp_path / "register.keyring").read_bytes()
    assert "Not overwritten" in koppelpunt("keys", "make", str(tmp_path), fails=True)
    assert (tmp_path / "register.keyring").read_bytes() == before
    assert "public half fits" in koppelpunt("keys", "check", str(tmp_path))
    assert (tmp_path / "register.keyring").stat().st_mode & 0o077 == 0


def test_a_wrong_document_is_refused_with_every_fault_at_once(installation: Path, database: Database) -> None:
    document = (installation / "onboarding.yaml").read_text()
    wrong = document.replace('"510193"', '"51019"').replace("kind: gemeente", "kind: stad")
    (installation / "onboarding.yaml").write_text(wrong)
    said = koppelpunt(
        "registry", "apply", str(installation / "onboarding.yaml"), "--database-url", database.url("tenants"),
        "--identity-public", str(installation / "identity.public"), "--register-public", str(installation / "register.public"),
        fails=True,
    )  # fmt: skip
    assert "AfnemerID has six digits" in said
    assert "kind" in said
    with psycopg.connect(database.url("admin")) as connection:
        assert connection.execute("SELECT count(*) FROM registry.tenant").fetchone() == (0,)


def test_a_gateway_without_configuration_says_all_that_is_missing() -> None:
    said = koppelpunt("gateway", fails=True)
    for name in ("KOPPELPUNT_DATABASE_URL", "KOPPELPUNT_IDENTITY_KEYRING_FILE", "KOPPELPUNT_TOKEN_KEYS_FILE"):
        assert name in said
