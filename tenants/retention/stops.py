"""Stops on destruction (*vernietigingsstop*): set by an auditor, lifted by two. For the role `koppelpunt_inzage`.

A stop is of everything, of a period, or of the calls about a person, known by the index of each year. PostgreSQL itself
looks at them before each step. Every stop and every step becomes a wijziging, and so a leaf of the tenant's tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.keyring import Keyring
from tenants.recording import Period
from tenants.register_keys import find_person
from tenants.scope import tenant_scope
from tenants.subjects import Subject

Kind = Literal["opheffing_gevraagd", "geweigerd", "opgeheven"]


@dataclass(frozen=True, slots=True)
class NewStop:
    """What is to be held and why. Without a period: all of it. `subjects`: only calls with one of these indexes."""

    reason: str
    period: Period | None = None
    subjects: Sequence[UUID] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StopStep:
    """What was done with a stop."""

    at: datetime
    actor: str
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop with its steps. It stands until the last of them is `opgeheven`. Of whom it is, is never shown."""

    stop_id: int
    at: datetime
    actor: str
    reason: str
    began: datetime | None
    until: datetime | None
    about_person: bool
    steps: tuple[StopStep, ...]

    @property
    def stands(self) -> bool:
        return not self.steps or self.steps[-1].kind != "opgeheven"

    @property
    def lift_asked(self) -> bool:
        return bool(self.steps) and self.steps[-1].kind == "opheffing_gevraagd"


async def person_of_stop(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    subject: Subject,
    period: Period | None,
    *,
    actor: str,
) -> tuple[list[UUID], Period, list[int]]:
    """How the register knows a person: indexes, the period that they hold for, and years whose key is destroyed.

    Until now at most: the indexes of later years do not exist yet. Raises SealingError.
    """
    now = datetime.now(UTC)
    began, until = period or (datetime(2000, 1, 1, tzinfo=UTC), now)
    held = (began, min(until, now))
    if held[0] >= held[1]:
        raise InputRefused(["Een stop op een persoon geldt voor bevragingen tot nu toe."])
    async with tenant_scope(connection, tenant_id, actor=actor):
        found, destroyed = await find_person(connection, register, tenant_id, subject, held)
    return [one.index for one in found], held, destroyed


async def set_stop(connection: asyncpg.Connection, tenant_id: int, new: NewStop, *, actor: str) -> int:
    """Set a stop and return its number. When it returns, no step that did not see it is under way."""
    began, until = new.period or (None, None)
    async with tenant_scope(connection, tenant_id, actor=actor):
        number: int = await connection.fetchval(
            "INSERT INTO register.vernietigingsstop (tenant_id, actor, reason, period_from, period_until, subjects) "
            "VALUES ($1, $2, $3, COALESCE($4::timestamptz, '-infinity'), COALESCE($5::timestamptz, 'infinity'), $6) "
            "RETURNING stop_id",
            tenant_id, actor, new.reason, began, until, new.subjects,
        )  # fmt: skip
    return number


async def take_step(
    connection: asyncpg.Connection, tenant_id: int, stop_id: int, kind: Kind, reason: str, *, actor: str
) -> None:
    """Ask that a stop be lifted, refuse that, or lift it. Raises NotFound.

    PostgreSQL refuses a step that does not follow (ObjectNotInPrerequisiteStateError), and lifting by who asked for it
    (InsufficientPrivilegeError).
    """
    async with tenant_scope(connection, tenant_id, actor=actor):
        try:
            await connection.execute(
                "INSERT INTO register.vernietigingsstop_stap (tenant_id, stop_id, actor, kind, reason) "
                "VALUES ($1, $2, $3, $4, $5)",
                tenant_id, stop_id, actor, kind, reason,
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError:
            raise NotFound(f"There is no stop {stop_id} here.") from None


async def list_stops(connection: asyncpg.Connection, tenant_id: int, *, actor: str) -> list[Stop]:
    """Every stop that was ever set, newest first."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            "SELECT stop_id, at, actor, reason, NULLIF(period_from, '-infinity') AS began, "
            "  NULLIF(period_until, 'infinity') AS until, subjects IS NOT NULL AS about_person "
            "FROM register.vernietigingsstop WHERE tenant_id = $1 ORDER BY stop_id DESC",
            tenant_id,
        )
        steps = await connection.fetch(
            "SELECT stop_id, at, actor, kind, reason FROM register.vernietigingsstop_stap WHERE tenant_id = $1 ORDER BY number",
            tenant_id,
        )
    taken: dict[int, list[StopStep]] = {}
    for row in steps:
        taken.setdefault(row["stop_id"], []).append(StopStep(row["at"], row["actor"], row["kind"], row["reason"]))
    return [Stop(**row, steps=tuple(taken.get(row["stop_id"], ()))) for row in rows]
