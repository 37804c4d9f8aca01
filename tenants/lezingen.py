"""The records of readings of the register: who read, when, why, about what. For the role `koppelpunt_inzage`.

Looking at them is a reading itself and is recorded before anything is shown. Persons and users stand in a record as their
index of each year; nobody is named by it. Works in the tenant's scope; records older than their term are gone, with proof.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from tenants.faults import NotFound
from tenants.recording import Period, Reading, record_reading
from tenants.scope import tenant_scope

KIND: Final = "lezingen"
WHY: Final = "De vastlegging van lezingen bekeken"
"""The reason of such a reading: whoever checks the readers has no other."""

_SHOWN: Final = (
    "SELECT number, at, actor, reason, kind, cardinality(subjects) > 0 AS about_person, cardinality(users) > 0 AS by_user, ids, "
    "  period_from, period_until, contents, criteria, inzageverzoek_id FROM register.reading WHERE tenant_id = $1 "
)


@dataclass(frozen=True, slots=True)
class Lezing:
    """One record. `ids` are the calls that were asked for by number; `criteria` what else narrowed the reading."""

    number: int
    at: datetime
    actor: str
    reason: str
    kind: str
    about_person: bool
    by_user: bool
    ids: tuple[UUID, ...]
    period: Period | None
    contents: bool
    criteria: Mapping[str, Any]
    inzageverzoek_id: int | None


@dataclass(frozen=True, slots=True)
class LezingenVan:
    """Which records: of one reader, of one kind, from `since` until `until` (not in it). None: all."""

    actor: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def criteria(self) -> dict[str, Any]:
        """What is recorded of having looked so."""
        found = {
            "door": self.actor,
            "soort": self.kind,
            "van": None if self.since is None else self.since.isoformat(),
            "tot": None if self.until is None else self.until.isoformat(),
        }
        return {name: value for name, value in found.items() if value is not None}


async def list_lezingen(
    connection: asyncpg.Connection, tenant_id: int, wanted: LezingenVan, *, before: int | None, limit: int, actor: str
) -> tuple[int, list[Lezing]]:
    """Record the reading, and return its number and the records with a lower number than `before`, newest first."""
    number = await record_reading(
        connection, tenant_id, Reading(KIND, WHY, contents=False, criteria=wanted.criteria), actor=actor
    )
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            _SHOWN + "AND ($2::bigint IS NULL OR number < $2) AND ($3::text IS NULL OR actor = $3) "
            "AND ($4::text IS NULL OR kind = $4) AND at >= COALESCE($5, '-infinity'::timestamptz) "
            "AND at < COALESCE($6, 'infinity'::timestamptz) ORDER BY number DESC LIMIT $7",
            tenant_id, before, wanted.actor, wanted.kind, wanted.since, wanted.until, limit,
        )  # fmt: skip
    return number, [_lezing(row) for row in rows]


async def read_lezing(connection: asyncpg.Connection, tenant_id: int, number: int, *, actor: str) -> Lezing:
    """Record the reading, and return one record. Raises NotFound."""
    await record_reading(
        connection, tenant_id, Reading(KIND, WHY, contents=False, criteria={"lezing": number}), actor=actor
    )
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows: Sequence[asyncpg.Record] = await connection.fetch(_SHOWN + "AND number = $2", tenant_id, number)
    if not rows:
        raise NotFound(f"There is no lezing {number} here.")
    return _lezing(rows[0])


def _lezing(row: asyncpg.Record) -> Lezing:
    began, ended = row["period_from"], row["period_until"]
    return Lezing(
        number=row["number"],
        at=row["at"],
        actor=row["actor"],
        reason=row["reason"],
        kind=row["kind"],
        about_person=row["about_person"],
        by_user=row["by_user"],
        ids=tuple(row["ids"]),
        period=None if began is None or ended is None else (began, ended),
        contents=row["contents"],
        criteria=json.loads(row["criteria"]),
        inzageverzoek_id=row["inzageverzoek_id"],
    )
