"""A register whose calls are as old as a test wants them: time is moved by what stands in the rows, never by waiting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from tenants.export.lines import CLOSING, FORMS, OPENING, canonical, persons_hash
from tenants.export.rows import _CLOSINGS, _OPENINGS
from tenants.register_keys import uuid_floor
from tenants.retention.metrics import make_retention_metrics
from tenants.retention.rounds import Pace, run_round
from tests.export.stage import Stage
from tests.worlds import World

PACE = Pace(backup_days=35, step=7, pause=0.0)
THIS_YEAR = datetime.now(UTC).year
SQL_ROWS = "SELECT count(*) FROM register.{} WHERE tenant_id = $1 AND id >= $2 AND id < $3"


def month_of(moment: datetime) -> date:
    return date(moment.year, moment.month, 1)


def next_month(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def bounds(month: date) -> tuple[UUID, UUID]:
    """The ids of a month."""
    return tuple(uuid_floor(datetime(one.year, one.month, 1, tzinfo=UTC)) for one in (month, next_month(month)))  # type: ignore[return-value]


@dataclass(slots=True)
class Past(Stage):
    """One tenant's register over years."""

    async def keeps(self, years: int, world: World | None = None) -> None:
        """From now on this tenant is a body that keeps its calls for so many years."""
        await self.admin.execute(
            "UPDATE registry.tenant SET kind = 'overheidsorgaan', retention_years = $2 WHERE tenant_id = $1",
            (world or self.world).tenant_id, years,
        )  # fmt: skip

    async def had(self, month: date, count: int = 3, *, world: World | None = None, closed: bool = True) -> list[UUID]:
        """Calls of that month, as if a gateway had written them then. Sealed at the next sealing."""
        whose = world or self.world
        rows = await self.calls.open(whose, count)
        if closed:
            await self.calls.close(whose, rows)
        return await self.age([row["id"] for row in rows], month)

    async def age(self, ids: Sequence[UUID], month: date) -> list[UUID]:
        """Give calls that were just written the time of a month, and the hashes that go with it."""
        await self.make_partitions(month)
        moment = datetime(month.year, month.month, 15, 12, tzinfo=UTC)
        low, base = (1 << 80) - 1, uuid_floor(moment).int
        # In the order in which they were numbered.
        aged = {id_: UUID(int=base + (at << 80) | id_.int & low) for at, id_ in enumerate(sorted(ids))}
        async with self.admin.transaction():
            for old, new in aged.items():
                await self.admin.execute(
                    "UPDATE register.opening SET id = $2, opened_at = $3 WHERE id = $1", old, new, moment
                )
                await self.admin.execute(
                    "UPDATE register.closing SET id = $2, closed_at = $3 WHERE id = $1", old, new, moment
                )
                await self.admin.execute("UPDATE register.person SET id = $2 WHERE id = $1", old, new)
                await self.admin.execute("UPDATE register.running SET id = $2 WHERE id = $1", old, new)
                await self._rehash(new)
        return list(aged.values())

    async def _rehash(self, id_: UUID) -> None:
        tenant_id = await self.admin.fetchval("SELECT tenant_id FROM register.opening WHERE id = $1", id_)
        opening = await self._hash_again("opening", _OPENINGS, OPENING, tenant_id, id_, {})
        persons = await self.admin.fetch("SELECT person || '/' || message_id FROM register.person WHERE id = $1", id_)
        own = {"opening_hash": opening and opening.hex(), "persons_sha256": persons_hash([one[0] for one in persons])}
        await self._hash_again("closing", _CLOSINGS, CLOSING, tenant_id, id_, own)

    async def _hash_again(
        self, kind: str, query: str, fields: Sequence[str], tenant_id: int, id_: UUID, own: Mapping[str, Any]
    ) -> bytes | None:
        row = await self.admin.fetchrow(query, tenant_id, [id_], id_, id_)
        if row is None:
            return None
        values = {"form": FORMS[kind], **dict(row), **own}
        text = canonical([str(one) if isinstance(one := values[name], UUID) else one for name in fields])
        found: bytes = await self.admin.fetchval(
            f"UPDATE register.{kind} SET hash = sha256($2) WHERE id = $1 RETURNING hash",  # noqa: S608
            id_, text,
        )  # fmt: skip
        return found

    async def make_partitions(self, month: date) -> None:
        """Partitions of a month that a register of today does not have."""
        for table, first, until in (
            ("opening", month, next_month(month)),
            ("closing", month, next_month(month)),
            ("person", date(month.year, 1, 1), date(month.year + 1, 1, 1)),
        ):
            name = f"register.{table}_{first:%Y%m}" if table != "person" else f"register.person_{first:%Y}"
            if await self.admin.fetchval("SELECT to_regclass($1)", name) is None:
                low, high = (uuid_floor(datetime(one.year, one.month, 1, tzinfo=UTC)) for one in (first, until))
                await self.admin.execute(
                    f"CREATE TABLE {name} PARTITION OF register.{table} FOR VALUES FROM ('{low}') TO ('{high}')"
                )

    async def destroy(self, pace: Pace = PACE, rounds: int = 3) -> None:
        """Rounds of the sealer: what waits for its proof to be signed is gone on with in the next."""
        for _ in range(rounds):
            waiting = await run_round(self.sealing, pace, make_retention_metrics(CollectorRegistry()))
            await self.seal()
            if not waiting:
                return

    async def count(self, table: str, month: date, world: World | None = None) -> int:
        """Rows of a month."""
        found: int = await self.admin.fetchval(SQL_ROWS.format(table), (world or self.world).tenant_id, *bounds(month))
        return found

    async def counts(self, month: date, world: World | None = None) -> tuple[int, int, int]:
        """Openings, closings and persons of a month."""
        one, two, three = [await self.count(table, month, world) for table in ("opening", "closing", "person")]
        return one, two, three

    async def set_stop(self, world: World | None = None, **given: Any) -> int:
        """A stop, as the routes set one."""
        from tenants.retention.stops import NewStop, set_stop  # noqa: PLC0415

        tenant_id = (world or self.world).tenant_id
        return await set_stop(self.reader, tenant_id, NewStop(reason="Rechtszaak 2026/14", **given), actor="auditor/1")
