"""Auditors at work. Run as a process.

Again and again, side by side: an export of everything, searches with contents, reports of a person. Beside these, once each
and one after the other, what lasts longest: a sample of a year, the unusual use of a quarter with lists, a search that opens
questions too, and a verification.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tenants.checkpoints import VerifierKey, origin_of, read_signing_keys
from tenants.export.running import Wish, export_register
from tenants.inzage import gebruik_rows
from tenants.inzage.gathering import gather
from tenants.inzage.gebruik import Maat
from tenants.inzage.steekproeven import MOST, draw
from tenants.keyring import Keyring, read_keyring
from tenants.model import Bsn
from tenants.reading import search
from tenants.recording import Period, Reading
from tenants.searches import Zoekvraag
from tenants.subjects import Subject
from tenants.verify.expecting import Trust
from tenants.verify.running import verify_live

PERSON = Bsn("999941112")
LISTED = ["999941112", *(f"99999{number:04}" for number in range(100))]
"""Colleagues and public figures of a report of unusual use."""
ACTOR, REASON, ORIGIN = "auditor/1", "Meting", "koppelpunt"
Work = Callable[[asyncpg.Connection], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Whose register is read, with which keys, and where exports are made."""

    tenant_id: int
    oin: str
    register: Keyring
    trust: Trust
    scratch: Path

    async def export(self, connection: asyncpg.Connection) -> None:
        target = self.scratch / "export"
        await export_register(connection, Wish(self.oin, REASON, ACTOR), target, lambda _done, _all: None)
        await asyncio.to_thread(shutil.rmtree, target)

    async def look(self, connection: asyncpg.Connection) -> None:
        asked = Zoekvraag(bsn=PERSON, contents=True)
        await search(connection, self.register, self.tenant_id, asked, actor=ACTOR, reason=REASON)

    async def report(self, connection: asyncpg.Connection) -> None:
        # Every call of a benchmark is about one person: of the last second that is what others have in twenty years.
        reading = Reading(kind="inzageverzoek", reason=REASON, contents=True)
        await gather(
            connection, self.register, self.tenant_id, Subject(PERSON), last(seconds=1), reading, actor=ACTOR
        )  # fmt: skip

    async def look_into_everything(self, connection: asyncpg.Connection) -> None:
        """The long ones, each once."""
        await draw(connection, self.tenant_id, last(days=365), MOST, actor=ACTOR, reason=REASON)
        onderzoek = await gebruik_rows.begin(
            connection, self.register, self.tenant_id, LISTED, last(days=91), actor=ACTOR, reason=REASON
        )
        await gebruik_rows.find(onderzoek, Maat())
        asked = Zoekvraag(bsn=PERSON, period=last(days=91), asked=True)
        await search(connection, self.register, self.tenant_id, asked, actor=ACTOR, reason=REASON)
        verdict = await verify_live(
            connection, self.oin, self.trust, lambda _done, _all: None, reason=REASON, actor=ACTOR
        )  # fmt: skip
        if verdict.faults:
            raise RuntimeError(f"The register of the benchmark does not verify: {verdict.first}")


def last(**period: float) -> Period:
    now = datetime.now(UTC)
    return now - timedelta(**period), now


async def work(url: str, auditor: Auditor) -> None:
    """Do all of it until the process ends, each over a connection of its own."""
    settings = {"plan_cache_mode": "force_custom_plan", "timezone": "UTC"}

    async def once(task: Work) -> None:
        connection = await asyncpg.connect(url, server_settings=settings)
        await task(connection)
        await connection.close()

    async def again(task: Work) -> None:
        connection = await asyncpg.connect(url, server_settings=settings)
        while True:
            await task(connection)

    sys.stdout.write("ready port=0 watch=0\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        group.create_task(once(auditor.look_into_everything))
        for task in (auditor.export, auditor.look, auditor.report):
            group.create_task(again(task))


def trust_in(key_file: Path, oin: str) -> Trust:
    """The public half of the sealer's own keys."""
    keys = read_signing_keys(key_file.read_bytes())
    return Trust([VerifierKey(origin_of(ORIGIN, oin), one.public_key().public_bytes_raw()) for one in keys])


if __name__ == "__main__":
    url, tenant_id, oin, keyring, key_file = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        register = read_keyring(Path(keyring), name="register", private=True)
        trust = trust_in(Path(key_file), oin)
        asyncio.run(work(url, Auditor(int(tenant_id), oin, register, trust, Path(directory))))
