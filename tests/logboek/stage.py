"""What the tests of the export do: record calls, seal, send, and look at what the database says of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from gateway.records import RecordSealer
from tenants.logboek.destinations import create_destination, end_destination
from tenants.logboek.rounds import Export, export_due
from tenants.model import TenantKey
from tenants.scope import tenant_scope
from tests.db.calls import closing, uuid7
from tests.logboek.collector import Collector
from tests.trees.stage import Calls, seal
from tests.worlds import Keyrings, World

OPEN_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class Stage:
    """One register, one collector, and the part that brings the one to the other."""

    world: World
    calls: Calls
    sealing: asyncpg.Connection
    registrar: asyncpg.Connection
    admin: asyncpg.Connection
    keyrings: Keyrings
    export: Export
    collector: Collector
    keys: dict[tuple[int, int], TenantKey] = field(default_factory=dict)

    async def choose(self, world: World | None = None, *, url: str | None = None, **how: Any) -> int:
        """Let a tenant's log go to the collector."""
        whose = world or self.world
        async with tenant_scope(self.registrar, whose.tenant_id, actor="beheerder"):
            return await create_destination(
                self.registrar, whose.tenant_id, self.keyrings.register,
                url=url or f"https://localhost:{self.collector.port}", **how,
            )  # fmt: skip

    async def end(self, destination_id: int) -> None:
        async with tenant_scope(self.registrar, self.world.tenant_id, actor="beheerder"):
            await end_destination(self.registrar, self.world.tenant_id, destination_id)

    async def record(
        self, *bsns: str, world: World | None = None, user: str = "j.jansen", **ends: Any
    ) -> dict[str, Any]:
        """Record a call about these persons as the gateway does, sealed, with their real indexes."""
        whose = world or self.world
        rows = await self.registrar_keys()
        sealer = RecordSealer(lambda tenant_id, year: rows.get((tenant_id, year)), self.keyrings.identity)
        id_ = uuid7()
        asked = sealer.seal_opening(
            whose.tenant_id, id_, user=user, source="192.0.2.7", headers={"x-user": user},
            question=b'{"burgerservicenummer":["999990019"]}', query="",
        )  # fmt: skip
        index = sealer.person_index
        year = next(year for tenant_id, year in rows if tenant_id == whose.tenant_id)
        (row,) = await self.calls.open(whose, 1, id=id_, sealed=asked.sealed)
        base = self.calls.closings[whose.tenant_id]
        answered = sealer.seal_closing(whose.tenant_id, id_, persons=bsns, answer=b'{"naam":"Anna"}', headers={})
        await self.calls.writer.write(
            closings=[closing(row, base=base, persons=len(bsns), sealed=answered.sealed, **ends)],
            persons=[(id_, whose.tenant_id, index(whose.tenant_id, year, bsn), "") for bsn in bsns],
        )
        self.calls.closings[whose.tenant_id] += 1
        return row

    async def registrar_keys(self) -> dict[tuple[int, int], TenantKey]:
        if not self.keys:
            rows = await self.admin.fetch(
                "SELECT tenant_id, year, public_key, index_key_for_gateway FROM registry.tenant_key ORDER BY year"
            )
            self.keys.update({(row["tenant_id"], row["year"]): TenantKey(**row) for row in rows})
        return self.keys

    async def refuse(self, refusal: str) -> UUID:
        row = (await self.calls.open(self.world, 1, refusal=refusal))[0]
        id_: UUID = row["id"]
        return id_

    async def leave_open(self, hours: float) -> UUID:
        """A call that was let through and got no closing, so long ago."""
        (row,) = await self.calls.open(self.world, 1)
        old = UUID(int=row["id"].int - (int(hours * 3_600_000) << 80))
        await self.admin.execute("UPDATE register.running SET id = $2 WHERE id = $1", row["id"], old)
        await self.admin.execute("UPDATE register.opening SET id = $2 WHERE id = $1", row["id"], old)
        return old

    async def seal(self) -> int:
        return await seal(self.sealing)

    async def send(self, rounds: int = 50) -> int:
        """Rounds until nothing is due any more; return how many requests were taken."""
        total = 0
        for _ in range(rounds):
            done = await export_due(self.export)
            if not done:
                return total
            total += done
        raise AssertionError("It does not end.")

    async def wait_no_longer(self) -> None:
        """As if the back-off were over."""
        await self.admin.execute("UPDATE register.logboek_delivery SET next_at = '-infinity'")

    async def standing(self) -> asyncpg.Record:
        return await self.admin.fetchrow("SELECT * FROM register.logboek_delivery ORDER BY destination_id DESC LIMIT 1")
