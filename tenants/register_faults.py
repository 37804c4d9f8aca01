"""What the sealer found wrong with a tenant's register, and what was answered to it: read and decided on by the tenant.

For the role `koppelpunt_tenants`, inside the tenant's scope. The database holds that an auditor of the tenant itself decides, and
another than who answered; every fault, answer and decision is a wijziging, and so a leaf of the tenant's tree.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from tenants.faults import NotFound

Decision = Literal["ingestemd", "geweigerd"]
State = Literal["open", "ingestemd", "geweigerd"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. `resolved_at` is None while nobody answered for it; `halts`: until then nothing is signed or destroyed."""

    number: int
    found_at: datetime
    code: str
    place: str
    halts: bool
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class FaultAnswer:
    """What somebody answered to faults, and what the tenant's auditor said of it."""

    antwoord_id: int
    at: datetime
    actor: str
    reason: str
    faults: tuple[int, ...]
    state: State
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None


async def list_faults(
    connection: asyncpg.Connection, tenant_id: int, *, before: int | None, limit: int, only_open: bool = False
) -> list[Fault]:
    """Newest first."""
    rows = await connection.fetch(
        "SELECT number, found_at, code, place, halts, resolved_at, resolved_by, reason FROM register.seal_fault "
        "WHERE tenant_id = $1 AND ($2::bigint IS NULL OR number < $2) AND (NOT $4 OR resolved_at IS NULL) "
        "ORDER BY number DESC LIMIT $3",
        tenant_id, before, limit, only_open,
    )  # fmt: skip
    return [Fault(**row) for row in rows]


async def list_answers(
    connection: asyncpg.Connection, tenant_id: int, *, before: int | None, limit: int
) -> list[FaultAnswer]:
    """Newest first."""
    rows = await connection.fetch(
        "SELECT antwoord_id, at, actor, reason, faults, state, decided_by, decided_at, decision_reason "
        "FROM register.fout_antwoord WHERE tenant_id = $1 AND ($2::bigint IS NULL OR antwoord_id < $2) "
        "ORDER BY antwoord_id DESC LIMIT $3",
        tenant_id, before, limit,
    )  # fmt: skip
    return [FaultAnswer(**{**dict(row), "faults": tuple(row["faults"])}) for row in rows]


async def decide_answer(connection: asyncpg.Connection, antwoord_id: int, decision: Decision, reason: str) -> int:
    """Consent or refuse; how many faults that resolved. Raises NotFound, asyncpg.InsufficientPrivilegeError."""
    resolved: int | None = await connection.fetchval(
        "SELECT register.decide_fout_antwoord($1, $2, $3)", antwoord_id, decision, reason
    )
    if resolved is None:
        raise NotFound("There is no such answer that waits.")
    return resolved
