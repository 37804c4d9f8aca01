"""Finds the numbers of calls in the register: by person, by user, or in a period; and keeps those that a filter allows.

Every function is one step in a transaction of its own (`tenants.recording.reading_scope`), so that what one step locks,
one partition after another, is free again before the next. A person is looked up in the yearly partitions by index; a
period is walked from its newest month to its oldest, by key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg

from tenants.recording import Period
from tenants.register_keys import InYear, uuid_floor

LOWEST, HIGHEST = UUID(int=0), UUID(int=(1 << 128) - 1)
_MOST_MONTHS = 12
_MOST_IDS = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What the opening of a call must say. `rubrieken`: one of them asked; a message of the mailbox is told by what it holds."""

    taaksysteem: tuple[int, int] | None = None
    fingerprint: bytes | None = None
    doelbinding: str | None = None
    rubrieken: frozenset[str] = field(default=frozenset())
    outcome: str | None = None

    def __bool__(self) -> bool:
        return self != _EVERYTHING

    @property
    def criteria(self) -> dict[str, Any]:
        """What is recorded of a reading that was filtered so."""
        found = {
            "taaksysteem": None if self.taaksysteem is None else list(self.taaksysteem),
            "certificaat": None if self.fingerprint is None else self.fingerprint.hex(),
            "doelbinding": self.doelbinding,
            "rubrieken": sorted(self.rubrieken) or None,
            "uitkomst": self.outcome,
        }
        return {name: value for name, value in found.items() if value is not None}

    def condition(self, first: int) -> tuple[str, list[Any]]:
        """The condition on `register.opening o` of tenant $1, with parameters from $first, and their values."""
        parts: list[tuple[str, Any]] = []
        if self.taaksysteem is not None:
            parts.append(("o.taaksysteem_tenant_id = {}", self.taaksysteem[0]))
            parts.append(("o.taaksysteem_id = {}", self.taaksysteem[1]))
        if self.fingerprint is not None:
            parts.append(("o.fingerprint = {}", self.fingerprint))
        if self.doelbinding is not None:
            parts.append(("o.doelbinding = {}", self.doelbinding))
        if self.rubrieken:
            # What a message holds stands sealed in its closing; whether it holds this is seen when that is opened.
            asked = f"({_ASKED} OR (o.api = 'berichten' AND o.operation = 'fetch'))"
            parts.append((asked, [f"%{one}%" for one in sorted(self.rubrieken)]))
        if self.outcome is not None:
            parts.append((_OUTCOMES[self.outcome], self.outcome))
        sql = "".join(f" AND {text.format(f'${first + place}')}" for place, (text, _) in enumerate(parts))
        return sql, [value for _, value in parts]


# Which shapes name one of the rubrieken is seen once, not for every call; an opening of before says itself what it asked.
_ASKED = (
    "(o.question_shape_id IN (SELECT q.question_shape_id FROM register.question_shape q "
    "WHERE q.tenant_id = $1 AND q.rubrieken LIKE ANY ({0})) OR o.rubrieken LIKE ANY ({0}))"
)
_CLOSED = "(SELECT c.outcome FROM register.closing c WHERE c.tenant_id = o.tenant_id AND c.id = o.id)"
_OUTCOMES = {
    **dict.fromkeys(("beantwoord", "niet_beantwoord", "niet_verzonden"), f"{_CLOSED} = {{}}"),
    "geweigerd": "o.refusal IS NOT NULL AND {} <> ''",
    # As Protocolregel.unknown has it.
    "uitkomst_onbekend": "o.refusal IS NULL AND COALESCE((SELECT c.outcome = 'niet_beantwoord' AND c.status IS NULL "
    "FROM register.closing c WHERE c.tenant_id = o.tenant_id AND c.id = o.id), true) AND {} <> ''",
}
OUTCOMES = tuple(_OUTCOMES)
OF_PERSONS = (
    "unnest($2::uuid[], $3::uuid[], $4::uuid[]) y (person, floor, ceiling) CROSS JOIN LATERAL ("
    "SELECT x.person, x.id FROM register.person x WHERE x.tenant_id = $1 AND x.person = y.person "
    "AND x.id >= y.floor AND x.id < y.ceiling AND x.id >= $5 AND x.id < $6 OFFSET 0) p"
)
"""Calls about persons ($2, each an index within its year from $3 up to $4) in [$5, $6), as a FROM: one look-up per year.

OFFSET keeps it that: PostgreSQL counts on every year for every person, and would rather read them all once.
"""
_EVERYTHING = Filter()


async def ids_of_person(
    connection: asyncpg.Connection, tenant_id: int, persons: Sequence[InYear], floor: UUID, ceiling: UUID, limit: int
) -> list[UUID]:
    """Calls that told about a person, newest first. Each year's index is looked for in that year's partition alone."""
    rows = await connection.fetch(
        f"SELECT DISTINCT p.id FROM {OF_PERSONS} ORDER BY p.id DESC LIMIT $7",  # noqa: S608
        tenant_id,
        [one.index for one in persons],
        [one.floor for one in persons],
        [one.ceiling for one in persons],
        floor,
        ceiling,
        limit,
    )
    return [row["id"] for row in rows]


async def ids_in_period(
    connection: asyncpg.Connection, tenant_id: int, wanted: Filter, floor: UUID, ceiling: UUID, limit: int
) -> list[UUID]:
    """Calls of a period that the filter allows, newest first."""
    condition, values = wanted.condition(5)
    rows = await connection.fetch(
        "SELECT o.id FROM register.opening o WHERE o.tenant_id = $1 AND o.id >= $2 AND o.id < $3"  # noqa: S608
        f"{condition} ORDER BY o.id DESC LIMIT $4",
        tenant_id, floor, ceiling, limit, *values,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def ids_of_user(
    connection: asyncpg.Connection,
    tenant_id: int,
    user: UUID,
    wanted: Filter,
    floor: UUID,
    ceiling: UUID,
    limit: int,
) -> list[UUID]:
    """Calls of a user within one year that the filter allows, newest first."""
    condition, values = wanted.condition(6)
    rows = await connection.fetch(
        "SELECT o.id FROM register.opening o "  # noqa: S608
        f"WHERE o.tenant_id = $1 AND o.user_index = $2 AND o.id >= $3 AND o.id < $4{condition} ORDER BY o.id DESC LIMIT $5",
        tenant_id, user, floor, ceiling, limit, *values,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def keep(
    connection: asyncpg.Connection,
    tenant_id: int,
    wanted: Filter,
    ids: Sequence[UUID],
    *,
    users: Sequence[UUID] | None = None,
) -> list[UUID]:
    """Those of these calls that the filter allows and one of these users made (None: whoever), in the same order."""
    condition, values = wanted.condition(4)
    rows = await connection.fetch(
        f"SELECT o.id FROM register.opening o WHERE o.tenant_id = $1 AND o.id = ANY ($2) "  # noqa: S608
        f"AND ($3::uuid[] IS NULL OR o.user_index = ANY ($3)){condition}",
        tenant_id, ids, users, *values,
    )  # fmt: skip
    allowed = {row["id"] for row in rows}
    return [one for one in ids if one in allowed]


async def years_of(connection: asyncpg.Connection, tenant_id: int) -> list[int]:
    """The years in which the tenant has, or had, keys; nothing can be recorded in any other."""
    rows = await connection.fetch(
        "SELECT year FROM registry.tenant_key WHERE tenant_id = $1 ORDER BY year DESC", tenant_id
    )
    return [row["year"] for row in rows]


def windows(years: Sequence[int], floor: UUID, ceiling: UUID) -> list[tuple[UUID, UUID]]:
    """What of [floor, ceiling) lies in each month of these years, the last month of a year first.

    Openings and closings are kept by month, so that a step never reads more than one partition of each.
    """
    edges = ([month_floor(year, month) for month in range(13, 0, -1)] for year in years)
    bounds = ((max(floor, low), min(ceiling, high)) for of_year in edges for high, low in pairwise(of_year))
    return [(low, high) for low, high in bounds if low < high]


def months_of(period: Period) -> list[Period]:
    """A period in parts that lie in one month (UTC) each, as openings and closings are kept; the oldest first."""
    parts, (begin, end) = [], period
    while begin < end:
        month = begin.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (month + timedelta(days=32)).replace(day=1)
        parts.append((begin, min(end, following)))
        begin = following
    return parts


def month_floor(year: int, month: int) -> UUID:
    """The lowest id of a month (UTC); the thirteenth is the first of the next year."""
    return uuid_floor(datetime(year + month // 13, (month - 1) % 12 + 1, 1, tzinfo=UTC))


def in_steps(ids: Sequence[UUID]) -> list[list[UUID]]:
    """These calls in their order, in parts that lie in few partitions each: openings and closings are kept by month."""
    parts: list[list[UUID]] = []
    months: set[tuple[int, int]] = set()
    for one in ids:
        months.add(_month(one))
        if not parts or len(months) > _MOST_MONTHS or len(parts[-1]) >= _MOST_IDS:
            parts.append([])
            months = {_month(one)}
        parts[-1].append(one)
    return parts


def bounds_of(period: Period | None) -> tuple[UUID, UUID]:
    """The ids of a period: [floor, ceiling)."""
    return (LOWEST, HIGHEST) if period is None else (uuid_floor(period[0]), uuid_floor(period[1]))


def moment_of(id: UUID) -> datetime:  # noqa: A002
    """When a call began: the first 48 bits of its number are milliseconds since 1970 (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def _month(id: UUID) -> tuple[int, int]:  # noqa: A002
    moment = moment_of(id)
    return moment.year, moment.month
