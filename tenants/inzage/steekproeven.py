"""Samples for the auditor: random calls of a period, of each of which is asked whether it was for a task.

Every call of the period has the same chance: the sample is drawn by the database over all of them, refused attempts not
among them (they disclosed nothing). A verdict is recorded and never changed; a later one stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.finding import bounds_of, months_of
from tenants.recording import Period, Reading, reading_scope, record_reading
from tenants.scope import tenant_scope

Oordeel = Literal["ja", "nee", "niet_vast_te_stellen"]
MOST: Final = 200
LONGEST: Final = timedelta(days=366)
KIND: Final = "steekproef"
_CALLS: Final = "FROM register.opening o WHERE o.tenant_id = $1 AND o.id >= $2 AND o.id < $3 AND o.refusal IS NULL"
_LOTS: Final = f"SELECT o.id, random() AS lot {_CALLS} ORDER BY lot LIMIT $4"
_POPULATION: Final = f"SELECT count(*) {_CALLS}"


@dataclass(frozen=True, slots=True)
class Beoordeling:
    """One verdict on one call: for a task, not, or not to be established; why, unless it was."""

    id: UUID
    at: datetime
    actor: str
    verdict: Oordeel
    note: str | None


@dataclass(frozen=True, slots=True)
class Steekproef:
    """A sample: `ids` drawn from `population` calls of the period."""

    number: int
    at: datetime
    actor: str
    reading: int
    period: Period
    population: int
    ids: tuple[UUID, ...]
    beoordelingen: tuple[Beoordeling, ...] = ()

    @property
    def judged(self) -> dict[UUID, Oordeel]:
        """The last verdict on each call."""
        return {one.id: one.verdict for one in self.beoordelingen}


async def draw(
    connection: asyncpg.Connection, tenant_id: int, period: Period, size: int, *, actor: str, reason: str
) -> int:
    """Draw a sample of a period of at most a year and return its number. Raises InputRefused for an empty period."""
    if not 1 <= size <= MOST or period[1] - period[0] > LONGEST:
        raise ValueError(f"A sample has 1 to {MOST} calls of a period of at most a year.")
    recorded = Reading(kind=KIND, reason=reason, contents=False, period=period, criteria={"aantal": size})
    reading = await record_reading(connection, tenant_id, recorded, actor=actor)
    population, lots = 0, list[tuple[float, UUID]]()
    for month in months_of(period):
        async with reading_scope(connection, tenant_id, reading, actor=actor):
            # Each call gets a random number and the lowest win, in a month and over all of them: memory is that of the sample.
            rows = await connection.fetch(_LOTS, tenant_id, *bounds_of(month), size)
            population += await connection.fetchval(_POPULATION, tenant_id, *bounds_of(month))
        lots = sorted([*lots, *((row["lot"], row["id"]) for row in rows)])[:size]
    if not lots:
        raise InputRefused(["In deze periode zijn er geen bevragingen."])
    async with reading_scope(connection, tenant_id, reading, actor=actor):
        number: int = await connection.fetchval(
            "INSERT INTO register.steekproef (tenant_id, actor, reading, period_from, period_until, population, ids) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING steekproef_id",
            tenant_id, actor, reading, *period, population, sorted(one for _, one in lots),
        )  # fmt: skip
    return number


async def list_steekproeven(
    connection: asyncpg.Connection, tenant_id: int, *, before: int | None, limit: int, actor: str
) -> list[Steekproef]:
    """Samples with a lower number than `before`, newest first."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            "SELECT steekproef_id, at, actor, reading, period_from, period_until, population, ids FROM register.steekproef WHERE tenant_id = $1 "
            "AND ($2::bigint IS NULL OR steekproef_id < $2) ORDER BY steekproef_id DESC LIMIT $3",
            tenant_id, before, limit,
        )  # fmt: skip
        verdicts = await _beoordelingen(connection, tenant_id, [row["steekproef_id"] for row in rows])
    return [_steekproef(row, verdicts.get(row["steekproef_id"], ())) for row in rows]


async def read_steekproef(connection: asyncpg.Connection, tenant_id: int, number: int, *, actor: str) -> Steekproef:
    """One sample. Raises NotFound."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        row = await connection.fetchrow(
            "SELECT steekproef_id, at, actor, reading, period_from, period_until, population, ids FROM register.steekproef WHERE tenant_id = $1 AND steekproef_id = $2",
            tenant_id,
            number,
        )
        if row is None:
            raise NotFound(f"There is no steekproef {number} here.")
        verdicts = await _beoordelingen(connection, tenant_id, [number])
    return _steekproef(row, verdicts.get(number, ()))


async def judge(
    connection: asyncpg.Connection,
    tenant_id: int,
    number: int,
    id: UUID,  # noqa: A002
    verdict: Oordeel,
    *,
    note: str | None,
    actor: str,
) -> None:
    """Record a verdict. Raises NotFound for a call that is not in the sample."""
    if id not in (await read_steekproef(connection, tenant_id, number, actor=actor)).ids:
        raise NotFound("This call is not in this steekproef.")
    async with tenant_scope(connection, tenant_id, actor=actor):
        await connection.execute(
            "INSERT INTO register.steekproef_oordeel (tenant_id, steekproef_id, id, actor, verdict, note) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            tenant_id, number, id, actor, verdict, note,
        )  # fmt: skip


async def _beoordelingen(
    connection: asyncpg.Connection, tenant_id: int, numbers: Sequence[int]
) -> dict[int, tuple[Beoordeling, ...]]:
    rows = await connection.fetch(
        "SELECT steekproef_id, id, at, actor, verdict, note FROM register.steekproef_oordeel "
        "WHERE tenant_id = $1 AND steekproef_id = ANY ($2) ORDER BY number",
        tenant_id, numbers,
    )  # fmt: skip
    found: dict[int, tuple[Beoordeling, ...]] = {}
    for row in rows:
        one = Beoordeling(row["id"], row["at"], row["actor"], row["verdict"], row["note"])
        found[row["steekproef_id"]] = (*found.get(row["steekproef_id"], ()), one)
    return found


def _steekproef(row: asyncpg.Record, beoordelingen: tuple[Beoordeling, ...]) -> Steekproef:
    return Steekproef(
        number=row["steekproef_id"],
        at=row["at"],
        actor=row["actor"],
        reading=row["reading"],
        period=(row["period_from"], row["period_until"]),
        population=row["population"],
        ids=tuple(row["ids"]),
        beoordelingen=beoordelingen,
    )
