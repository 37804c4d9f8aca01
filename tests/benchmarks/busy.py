"""Auditors at work, again and again: an export of everything, searches with contents, reports of a person. Run as a process."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tenants.export.running import Wish, export_register
from tenants.inzage.gathering import gather
from tenants.keyring import read_keyring
from tenants.model import Bsn
from tenants.reading import search
from tenants.recording import Reading
from tenants.searches import Zoekvraag
from tenants.subjects import Subject

PERSON = Bsn("999941112")
ACTOR, REASON = "auditor/1", "Meting"
Work = Callable[[asyncpg.Connection], Awaitable[object]]


async def work(url: str, tenant_id: int, oin: str, keyring: Path, scratch: Path) -> None:
    """Do all three side by side until the process ends, each over a connection of its own."""
    register = read_keyring(keyring, name="register", private=True)

    async def export(connection: asyncpg.Connection) -> None:
        target = scratch / "export"
        await export_register(connection, Wish(oin, REASON, ACTOR), target, lambda _done, _all: None)
        await asyncio.to_thread(shutil.rmtree, target)

    async def look(connection: asyncpg.Connection) -> None:
        await search(connection, register, tenant_id, Zoekvraag(bsn=PERSON, contents=True), actor=ACTOR, reason=REASON)

    async def report(connection: asyncpg.Connection) -> None:
        # Every call of a benchmark is about one person: of the last second that is what others have in twenty years.
        now = datetime.now(UTC)
        reading = Reading(kind="inzageverzoek", reason=REASON, contents=True)
        period = (now - timedelta(seconds=1), now)
        await gather(connection, register, tenant_id, Subject(PERSON), period, reading, actor=ACTOR)

    tasks = [asyncio.create_task(_repeat(url, one)) for one in (export, look, report)]
    sys.stdout.write("ready port=0 watch=0\n")
    sys.stdout.flush()
    await asyncio.gather(*tasks)


async def _repeat(url: str, task: Work) -> None:
    settings = {"plan_cache_mode": "force_custom_plan", "timezone": "UTC"}
    connection = await asyncpg.connect(url, server_settings=settings)
    while True:
        await task(connection)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(work(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(directory)))
