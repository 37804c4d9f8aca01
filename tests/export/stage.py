"""What the tests of export and verification do over and over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tenants.checkpoints import VerifierKey, origin_of
from tenants.export.running import Wish, export_register
from tenants.sealer.signing import Signer
from tenants.verify.expecting import Trust
from tenants.verify.findings import Verdict
from tenants.verify.running import verify_archive, verify_live
from tests.trees.stage import Calls, seal, sign_all
from tests.worlds import World


@dataclass(slots=True)
class Stage:
    """One tenant's register with those who fill, seal and read it."""

    world: World
    calls: Calls
    sealing: asyncpg.Connection
    signer: Signer
    reader: asyncpg.Connection
    admin: asyncpg.Connection

    async def fill(self, *counts: int) -> None:
        """Record so many calls, and seal and sign after each number."""
        for count in counts:
            await self.calls.record(self.world, count)
            await self.seal()

    async def seal(self) -> list[bool]:
        await seal(self.sealing)
        return await sign_all(self.sealing, self.signer, samples=0)

    def trust(self, *anchors: str, **more: Any) -> Trust:
        origin = origin_of(self.signer.prefix, self.world.oin)
        keys = [VerifierKey(origin, key.public_key().public_bytes_raw()) for key in self.signer.keys]
        return Trust(keys, anchors, **more)

    async def newest(self) -> str:
        note: str = await self.admin.fetchval(
            "SELECT note FROM register.checkpoint WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1", self.world.tenant_id
        )
        return note

    async def verify(self, *anchors: str, **more: Any) -> Verdict:
        return await verify_live(
            self.reader, self.world.oin, self.trust(*anchors), quiet, reason="controle", actor="auditor", **more
        )

    async def export(self, target: Path, **more: Any) -> Path:
        wish = Wish(self.world.oin, "overdracht", "auditor", **{"lines_per_file": 64, **more})
        await export_register(self.reader, wish, target, quiet)
        return target

    def judge(self, path: Path, *anchors: str, **more: Any) -> Verdict:
        return verify_archive(path, self.trust(*anchors, **more), quiet)


def quiet(_done: int, _all: int) -> None:
    """Nobody watches."""
