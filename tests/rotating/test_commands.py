"""`koppelpunt keys …`: from the preparation of a version to its predecessor's end, beside a gateway that goes on."""

import asyncio
import json
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from tenants.keyring import read_keyring
from tenants.sealing import seal
from tests.databases import Database
from tests.e2e.ledgers import Caller, check_ledgers, unique_question, until
from tests.rotating.opening import versions
from tests.world import Member, world

PLENTY = 300


def arguments_of(*arguments: str | Path, database: Database | None = None) -> list[str]:
    url = [] if database is None else ["--database-url", database.url("keys")]
    return [sys.executable, "-m", "gateway", "keys", *(str(one) for one in arguments), *url]


def keys(*arguments: str | Path, database: Database | None = None, status: int = 0) -> str:
    """Run a command in this process, in a thread: it has an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        given = arguments_of(*arguments, database=database)[3:]
        done = thread.submit(CliRunner().invoke, main, given).result(60)
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    keys("make", tmp_path / "keys")
    return tmp_path / "keys"


async def fill(admin: asyncpg.Connection, directory: Path, count: int) -> None:
    """A registry with many client-secrets."""
    identity = read_keyring(directory / "identity.keyring", name="identity", private=True)
    await admin.execute(
        "INSERT INTO registry.tenant (oin, name, kind) VALUES ('00000001001234567000', 'Gemeente', 'gemeente')"
    )
    await admin.execute(
        "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind, gemeentecode) "
        "SELECT tenant_id, '990001', oin, 'Gemeente', 'gemeente', '0001' FROM registry.tenant"
    )
    tenant_id = await admin.fetchval("SELECT tenant_id FROM registry.tenant")
    await admin.executemany(
        "INSERT INTO registry.credential (tenant_id, afnemer_id, environment, client_id, secret_sealed) VALUES ($1, '990001', 'proef', $2, $3)",
        [
            (tenant_id, f"c{one}", seal(identity, b"secret", purpose="client-secret", context=f"{tenant_id}/c{one}"))
            for one in range(count)
        ],
    )


async def test_a_rotation_that_is_killed_goes_on_where_it_was(directory, database, admin):
    await fill(admin, directory, PLENTY)
    keys("add-version", directory)
    process = await asyncio.create_subprocess_exec(
        *arguments_of("rotate", directory, "--yes", "--batch", "1", database=database),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def is_under_way() -> bool:
        return (await versions(admin, "identity"))[2] >= 5

    await until(is_under_way, 30)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    halfway = (await versions(admin, "identity"))[2]
    assert 5 <= halfway < PLENTY
    said = keys("rotate", directory, "--yes", database=database)
    # What was under way when it was killed may have been committed.
    assert await versions(admin, "identity") == {2: PLENTY}
    moved = int(said.split("identity: ")[2].split(" values")[0])
    assert PLENTY - halfway - 1 <= moved <= PLENTY - halfway
    assert f"{PLENTY} on version 2" in keys("rotate", directory, "--status", database=database)


async def test_a_version_stays_as_long_as_something_names_it(directory, database, admin):
    await fill(admin, directory, 2)
    keys("add-version", directory, "--keyring", "identity")
    said = keys(
        "drop-version", directory, "--keyring", "identity", "--version", "1", "--yes", database=database, status=2
    )
    assert "still on version 1: 2 of credential.secret_sealed" in said
    keys("rotate", directory, "--keyring", "identity", "--yes", database=database)
    await admin.execute(
        "INSERT INTO registry.admin_key (role, name, hash, hash_version, valid_until) "
        "VALUES ('operator', 'Operator', $1, 1, now() + interval '1 day')",
        b"h" * 32,
    )
    said = keys(
        "drop-version", directory, "--keyring", "identity", "--version", "1", "--yes", database=database, status=2
    )
    assert "still on version 1: 1 of admin_key.hash" in said
    assert "of the operator" in said
    await admin.execute("UPDATE registry.admin_key SET withdrawn_at = now()")
    keys("drop-version", directory, "--keyring", "identity", "--version", "1", "--yes", database=database)
    left = read_keyring(directory / "identity.keyring", name="identity", private=True)
    assert (list(left.versions), left.current) == ([2], 2)
    kept = directory / "identity.dropped-1.keyring"
    assert list(read_keyring(kept, name="identity", private=True).versions) == [1]
    assert kept.stat().st_mode & 0o077 == 0
    assert "all 2 sealed values open, and the versions of 0 hashes" in keys("check", directory, database=database)


async def test_the_current_version_cannot_be_dropped(directory, database):
    said = keys(
        "drop-version", directory, "--keyring", "register", "--version", "1", "--yes", database=database, status=2
    )
    assert "is the current one and stays" in said


async def test_a_check_against_the_database_names_what_is_missing(directory, database, admin, tmp_path):
    await fill(admin, directory, 3)
    assert "all 3 sealed values open" in keys("check", directory, database=database)
    # A keyring of before the rotation, put back from a backup; and one of another installation, of the same versions.
    shutil.copytree(directory, tmp_path / "older")
    keys("make", tmp_path / "another")
    for one in (directory, tmp_path / "another"):
        keys("add-version", one)
        keys("rotate", one, "--keyring", "identity", "--yes", database=database)
    said = keys("check", tmp_path / "older", database=database, status=1)
    assert "fault: 3 of credential.secret_sealed name version 2, which identity.keyring does not have" in said
    said = keys("rotate", tmp_path / "older", "--yes", database=database, status=2)
    assert "Nothing was rotated" in said
    said = keys("check", tmp_path / "another", database=database, status=1)
    assert said.count("fault: does not open: credential.secret_sealed") == 3


def test_a_prepared_version_is_used_by_nobody_and_prepared_once(directory):
    for _ in range(2):
        said = keys("add-version", directory)
        assert "identity: version 2 is prepared; 1 is still the current one" in said
    for name in ("identity", "register"):
        found = json.loads((directory / f"{name}.public").read_text())
        assert (found["current"], sorted(found["versions"])) == (1, ["1", "2"])
    assert "version 2 prepared" in keys("check", directory)


def test_what_was_broken_off_between_two_files_is_found_and_mended(directory):
    before = (directory / "identity.public").read_text()
    keys("add-version", directory)
    (directory / "identity.public").write_text(before)
    assert "a change was broken off" in keys("check", directory, status=2)
    keys("add-version", directory)
    assert "public half fits" in keys("check", directory)


def test_halves_of_different_keyrings_are_refused(directory, tmp_path):
    keys("make", tmp_path / "other")
    (directory / "identity.public").write_text((tmp_path / "other" / "identity.public").read_text())
    assert "is not the public half of" in keys("check", directory, status=2)
    assert "is not the public half of" in keys("add-version", directory, status=2)


def test_files_keep_the_rights_that_they_had(directory):
    (directory / "identity.public").chmod(0o640)
    keys("add-version", directory)
    assert (directory / "identity.public").stat().st_mode & 0o777 == 0o640
    assert (directory / "identity.keyring").stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in directory.iterdir() if one.name.startswith(".")) == []


def test_there_is_nothing_to_rotate_to_without_a_newer_version(directory, database):
    assert "keys add-version" in keys("rotate", directory, "--yes", database=database, status=2)


def test_another_role_is_refused(directory, database):
    said = keys("check", directory, "--database-url", database.url("tenants"), status=2)
    assert "koppelpunt_keys" in said


async def token(session: aiohttp.ClientSession, url: str, member: Member) -> int:
    form = {
        "grant_type": "client_credentials", "client_id": member.client_id, "client_secret": member.client_secret,
        "scope": member.scope,
    }  # fmt: skip
    async with session.post(f"{url}/nidp/oauth/nam/token", data=form) as answer:
        return answer.status


async def test_calls_go_on_from_the_first_version_to_the_last(database, tmp_path, admin):
    async with (
        aiohttp.ClientSession() as session,
        world(database, tmp_path / "world") as here,
    ):
        caller = Caller(session)
        member = await here.add_member()
        directory = here.ground.directory
        keys("add-version", directory)
        stop = asyncio.Event()

        async def keep_calling(url: str) -> None:
            while not stop.is_set():
                await caller.call(url, member, unique_question())
                await asyncio.sleep(0.01)

        # A gateway that knows both versions and seals with the old one, as all do while a rotation runs.
        async with here.gateway() as url:
            calling = asyncio.create_task(keep_calling(url))
            await asyncio.to_thread(keys, "rotate", directory, "--yes", database=database)
            await until(lambda: len(caller.ledger) > 20)
            stop.set()
            await calling
        assert await versions(admin, "identity") == {2: 4}
        hashes = "SELECT array_agg(hash_version ORDER BY kind) FROM registry.taaksysteem_key"
        assert await admin.fetchval(hashes) == [1, 1]
        # Loaded anew it hashes with the new one: what is used with it moves.
        async with here.gateway() as url:
            await caller.call(url, member, unique_question())
            assert await token(session, url, member) == 200

            async def have_moved() -> bool:
                if await admin.fetchval(hashes) == [2, 2]:
                    return True
                await caller.call(url, member, unique_question())
                await token(session, url, member)
                await asyncio.sleep(0.2)
                return False

            await until(have_moved, 30)
        for name in ("identity", "register"):
            keys("drop-version", directory, "--keyring", name, "--version", "1", "--yes", database=database)
        async with here.gateway() as url:
            await caller.call(url, member, unique_question())
            assert await token(session, url, member) == 200
        assert {one.status for one in caller.ledger} == {200}
        await check_ledgers(here, caller)
