"""During an upgrade the release before this one runs on the schema of this one: it serves, records, administers and seals."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from tenants.admins import Role, make_admin_key
from tenants.keyring import public_half
from tests.databases import Database
from tests.e2e.ledgers import Caller, check_ledgers, unique_question
from tests.upgrades.releases import newest_release, unpack
from tests.world import World, world


def said(output: Path) -> str:
    return output.read_text()


@asynccontextmanager
async def process_of(
    packages: Path, name: str, settings: dict[str, str], output: Path
) -> AsyncIterator[dict[str, str]]:
    """A process of the packages in a directory; yields its ports by name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    with output.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "gateway", name, cwd=packages,
            env=environment | settings | {"PYTHONPATH": str(packages)}, stdout=stream, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        async with asyncio.timeout(90):
            while (ready := re.search(r"^ready (.*)$", said(output), re.MULTILINE)) is None:
                assert process.returncode is None, said(output)
                await asyncio.sleep(0.05)
        yield dict(part.split("=", 1) for part in ready[1].split())
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)


@asynccontextmanager
async def gateway_of(packages: Path, here: World, output: Path) -> AsyncIterator[str]:
    """A gateway process of the packages in a directory; yields its URL."""
    async with process_of(packages, "gateway", here.config(instance="previous"), output) as ports:
        yield f"http://127.0.0.1:{ports['port']}"


def named(**settings: str) -> dict[str, str]:
    return {f"KOPPELPUNT_{name.upper()}": value for name, value in settings.items()}


async def key_of(here: World, role: Role, tenant_id: int | None) -> dict[str, str]:
    """The headers of an administrator."""
    _, key = await make_admin_key(
        here.tenants, public_half(here.ground.identity), role=role, tenant_id=tenant_id, name=role,
        valid_for=timedelta(days=1), actor="opdrachtregel",
    )  # fmt: skip
    return {"Authorization": f"Bearer {key}"}


async def wait_for_leaves(session: aiohttp.ClientSession, watch: str, output: Path, least: int) -> None:
    """Return as soon as a sealer has sealed so many rows."""
    async with asyncio.timeout(60):
        while True:
            async with session.get(f"http://127.0.0.1:{watch}/metrics") as answer:
                found = re.search(r"^koppelpunt_sealed_leaves_total (\S+)", await answer.text(), re.MULTILINE)
            if found is not None and float(found[1]) >= least:
                return
            assert "Traceback" not in said(output), said(output)
            await asyncio.sleep(0.1)


async def test_the_newest_release_serves_on_the_newest_schema(database: Database, tmp_path: Path):
    release = newest_release()
    if release is None:
        pytest.skip(
            "no release is tagged in this history (`make release`), or the clone is shallow: nothing to upgrade from"
        )
    await asyncio.to_thread(unpack, release, tmp_path)
    async with world(database, tmp_path / "world") as here, aiohttp.ClientSession() as session:
        member, caller = await here.add_member(), Caller(session)
        async with gateway_of(tmp_path / "packages", here, tmp_path / "previous.log") as url:
            called = await caller.call(url, member, unique_question())
            assert called.status == 200, (release, called)
            async with here.gateways(1) as (ours,):
                assert (await caller.call(ours.url, member, unique_question())).status == 200
            assert (await caller.call(url, member, unique_question())).status == 200
        rows = await check_ledgers(here, caller)
    # Both versions' calls stand in one register, whole.
    assert len(rows) == 3


async def test_the_newest_release_administers_and_seals_on_the_newest_schema(database: Database, tmp_path: Path):
    release = newest_release()
    if release is None:
        pytest.skip("no release is tagged in this history, or the clone is shallow: nothing to upgrade from")
    await asyncio.to_thread(unpack, release, tmp_path)
    packages, logs = tmp_path / "packages", [tmp_path / "tenants.log", tmp_path / "sealer.log"]
    async with world(database, tmp_path / "world") as here, aiohttp.ClientSession() as session:
        member, caller = await here.add_member(), Caller(session)
        async with here.gateways(1) as (ours,):
            assert (await caller.call(ours.url, member, unique_question())).status == 200
        operator = await key_of(here, "operator", None)
        beheerder = await key_of(here, "beheerder", member.tenant_id)
        administering = named(
            database_url=database.url("tenants"), inzage_url=database.url("inzage"),
            identity_public_file=str(here.ground.file("identity.public")),
            register_keyring_file=str(here.ground.file("register.keyring")), bind="127.0.0.1:0", metrics_bind="127.0.0.1:0",
        )  # fmt: skip
        async with process_of(packages, "tenants", administering, logs[0]) as ports:
            url = f"http://127.0.0.1:{ports['port']}/v1"
            contact = {"soort": "technisch", "naam": "Beheer", "email": "beheer@testdam.example"}
            for method, path, who, body, status in (
                ("GET", "/tenants", operator, None, 200),
                ("GET", "/taaksystemen", beheerder, None, 200),
                ("POST", "/contacten", beheerder, contact, 201),
                ("POST", "/taaksystemen", beheerder, {"naam": "Van toen", "omgeving": "productie"}, 201),
                ("GET", f"/machtigingen/{member.machtiging_id}", beheerder, None, 200),
                ("GET", "/wijzigingen", beheerder, None, 200),
            ):
                async with session.request(method, url + path, headers=who, json=body) as answer:
                    assert answer.status == status, (release, path, await answer.text(), said(logs[0])[-2000:])
        sealing = named(database_url=database.url("sealer"), metrics_bind="127.0.0.1:0", every="0.2", seal_every="0.2")
        async with process_of(packages, "sealer", sealing, logs[1]) as ports:
            # An opening and its closing at least, and what was changed.
            await wait_for_leaves(session, ports["watch"], logs[1], least=2)
    failed = re.findall(r'"event": ?"(beheer_fout|chore_failed|sealing_session_lost)".*', said(logs[0]) + said(logs[1]))
    assert failed == []
