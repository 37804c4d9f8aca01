"""Calls in the register, written with the gateway's own function and sealed with its own sealer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from gateway.records import RecordSealer, SealedRecord
from tenants.keyring import Keyring
from tenants.model import TenantKey
from tests.db.calls import Writer, closing, opening, uuid7
from tests.worlds import World

QUESTION = b'{"type":"RaadpleegMetBurgerservicenummer"}'
ANSWER = b'{"personen":[{"naam":{"voornamen":"Anna"}}]}'


@dataclass(slots=True)
class Recorder:
    """One writer session, and the sealer of its records."""

    writer: Writer
    sealer: RecordSealer
    keys: dict[tuple[int, int], TenantKey]

    @classmethod
    async def begin(cls, connection: asyncpg.Connection, identity: Keyring) -> "Recorder":
        writer = Writer(connection, "register", await connection.fetchval("SELECT register.begin_writer('test')"))
        keys: dict[tuple[int, int], TenantKey] = {}
        return cls(writer, RecordSealer(lambda tenant_id, year: keys.get((tenant_id, year)), identity), keys)

    async def record(
        self, world: World, *bsns: str, closed: bool = True, user: str = "j.jansen", **changes: Any
    ) -> UUID:
        """Record one call about these persons; without closing it stays open, with `refusal` it was refused."""
        await self._learn_keys()
        tenant_id, id_ = world.tenant_id, uuid7()
        asked = self.sealer.seal_opening(
            tenant_id, id_, user=user, source="192.0.2.7", headers={"x-user": user}, question=QUESTION, query=""
        )
        row = opening(world, id=id_, data_key_id=asked.data_key.data_key_id, sealed=asked.sealed, **changes)
        verdict = (await self.writer.write([row], keys=[_key(asked)]))[0].verdict
        assert verdict == changes.get("refusal")
        if closed and verdict is None:
            await self._close(row, bsns)
        return id_

    async def _close(self, row: dict[str, Any], bsns: Sequence[str]) -> None:
        tenant_id, id_, year = row["tenant_id"], row["id"], datetime.now(UTC).year
        answered = self.sealer.seal_closing(tenant_id, id_, persons=bsns, answer=ANSWER, headers={})
        end = closing(row, persons=len(bsns), data_key_id=answered.data_key.data_key_id, sealed=answered.sealed)
        persons = [(id_, tenant_id, self.sealer.person_index(tenant_id, year, bsn), "") for bsn in bsns]
        found = await self.writer.write(
            closings=[end], persons=[(p[0], p[1], p[2], p[3]) for p in persons], keys=[_key(answered)]
        )
        assert found[0].verdict is None

    async def _learn_keys(self) -> None:
        rows = await self.writer.connection.fetch(
            "SELECT tenant_id, year, public_key, index_key_for_gateway FROM registry.tenant_key WHERE destroyed_at IS NULL"
        )
        self.keys.clear()
        self.keys.update({(row["tenant_id"], row["year"]): TenantKey(**row) for row in rows})


def _key(record: SealedRecord) -> tuple[UUID, int, int, bytes]:
    one = record.data_key
    return one.data_key_id, one.tenant_id, one.year, one.wrapped
