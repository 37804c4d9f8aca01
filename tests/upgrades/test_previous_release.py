"""During an upgrade the release before this one runs on the schema of this one: it serves a call, and records it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.databases import Database
from tests.e2e.ledgers import Caller, check_ledgers, unique_question
from tests.upgrades.releases import newest_release, unpack
from tests.world import World, world


def said(output: Path) -> str:
    return output.read_text()


@asynccontextmanager
async def gateway_of(packages: Path, here: World, output: Path) -> AsyncIterator[str]:
    """A gateway process of the packages in a directory; yields its URL."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    with output.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "gateway", "gateway", cwd=packages,
            env=environment | here.config(instance="previous") | {"PYTHONPATH": str(packages)},
            stdout=stream, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            while (ready := re.search(r"^ready port=(\d+)", said(output), re.MULTILINE)) is None:
                assert process.returncode is None, said(output)
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{ready[1]}"
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)


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
