"""What goes on beside the calls: exports, searches and verifications, and places for checkpoints that are broken."""

import asyncio
import os
import random
import shutil
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.e2e.ledgers import HANNA
from tests.soak.admin import Admin
from tests.soak.installation import Installation

Work = Callable[[random.Random], Awaitable[None]]
_TRIES = 20
_UNREACHABLE = 2
"""The status of the command line when it could not do what was asked; 1 is a fault that it found."""


@dataclass(slots=True)
class Beside:
    """`found` are faults that a verification told of: there must be none. `done` counts what was done whole."""

    here: Installation
    admin: Admin
    longest: float
    found: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def faults(self) -> dict[str, Work]:
        these = (self.break_share, self.break_collector, self.hang_collector, self.export, self.search, self.verify)
        return {one.__name__: one for one in these}

    async def break_share(self, chance: random.Random) -> None:
        """The file share is not mounted for a while, and then it is again."""
        away = self.here.directory / "share-away"
        self.here.share.rename(away)
        await asyncio.sleep(chance.uniform(0.3, self.longest))
        shutil.rmtree(self.here.share, ignore_errors=True)
        away.rename(self.here.share)

    async def break_collector(self, chance: random.Random) -> None:
        """The server that takes checkpoints refuses them."""
        self.here.inbox.status = 500
        await asyncio.sleep(chance.uniform(0.3, self.longest))
        self.here.inbox.status = 204

    async def hang_collector(self, chance: random.Random) -> None:
        """It takes them, and never answers."""
        self.here.inbox.hang = released = threading.Event()
        await asyncio.sleep(chance.uniform(0.3, self.longest))
        self.here.inbox.hang = None
        released.set()

    async def export(self, chance: random.Random) -> None:
        """Export a register under load, and verify the export offline."""
        # One that has had calls: of a register in which nothing is signed yet there is nothing to export.
        called = [one for one in self.here.clients if one.answered] or self.here.clients
        oin = chance.choice(called).member.account.oin
        target = self.here.directory / f"export-{oin}"
        for _ in range(_TRIES):
            shutil.rmtree(target, ignore_errors=True)
            if await self._run("export", target, "--tenant", oin, "--reason", "overdracht") == 0:
                break
            await asyncio.sleep(1)
        else:
            raise AssertionError(f"the register of {oin} could not be exported: {self.said}")
        status = await self._run("verify", target, "--key", self._key_file(oin))
        # A tenant of which nothing is sealed yet has nothing to verify: that is no fault.
        if status == 1:
            self.found.append(f"export of {oin}")
        shutil.rmtree(target, ignore_errors=True)
        self.done.append("export")

    async def verify(self, chance: random.Random) -> None:
        """Verify a register where it is, under load."""
        oin = chance.choice(self.here.clients).member.account.oin
        status = await self._run("verify", "--tenant", oin, "--key", self._key_file(oin), "--reason", "controle")
        if status == 1:
            self.found.append(f"register of {oin}")
        self.done.append("verify")

    async def search(self, chance: random.Random) -> None:
        """An auditor searches for a person, with contents."""
        client = chance.choice(self.here.clients)
        key = self.here.keys["auditor", client.member.tenant_id]
        body = {"reden": "Verzoek om inzage", "burgerservicenummer": HANNA, "inhoud": True}
        await self.admin.insist("POST", "/v1/protocolregels/zoekvraag", key, body)
        self.done.append("search")

    def _key_file(self, oin: str) -> str:
        file = self.here.directory / f"{oin}.verifier"
        file.write_text("".join(f"{one}\n" for one in self.here.trusted(oin)))
        return str(file)

    async def _run(self, *arguments: object) -> int:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "register", *map(str, arguments),
            env=kept | {"KOPPELPUNT_INZAGE_URL": self.here.url("inzage")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        # 1 says that the register is at fault; 2 that nothing could be said, as while the database is away.
        status, self.said = process.returncode or 0, said.decode(errors="replace")[-1000:]
        if status == 1:
            self.found.append(self.said)
        return status
