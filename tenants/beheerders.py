"""Who administers by a token: persons and machines that an OIDC provider names, and those providers.

One function per query, for the role `koppelpunt_tenants`, inside a scope (`tenants.admins.scope_of`: a tenant's, or the
operator's with None). Nothing here is changed afterwards but its end. The rules that hold whoever asks stand in the database:
the operator makes nobody of a tenant, and an issuer is one side's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import asyncpg

from tenants.admins import DECIDES, Admin, Role
from tenants.faults import NotFound

_IDP = (
    "SELECT beheer_idp_id, name, issuer, jwks_url, audience, algorithms, clock_skew_seconds, claim_subject, state, version "
    "FROM registry.beheer_idp"
)
_BEHEERDER = "SELECT beheerder_id, beheer_idp_id, subject, role, name, valid_until, withdrawn_at, version FROM registry.beheerder"
_HERE = " WHERE tenant_id IS NOT DISTINCT FROM $1"


@dataclass(frozen=True, slots=True)
class BeheerIdp:
    """A provider of administrators. `claim_subject` names the claim that says who somebody is; skew in seconds."""

    number: int
    name: str
    issuer: str
    jwks_url: str
    audience: str
    algorithms: tuple[str, ...]
    clock_skew: int
    claim_subject: str
    state: str = "active"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Beheerder:
    """Somebody whom a provider names by `subject`, in one role. `valid_until` None: until withdrawn."""

    number: int
    idp: int
    subject: str
    role: Role
    name: str
    valid_until: datetime | None
    withdrawn_at: datetime | None = None
    version: int = 1


async def add_beheer_idp(connection: asyncpg.Connection, tenant_id: int | None, idp: BeheerIdp) -> int:
    """Register a provider; its number."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.beheer_idp (tenant_id, name, issuer, jwks_url, audience, algorithms, clock_skew_seconds, "
        "  claim_subject) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING beheer_idp_id",
        tenant_id, idp.name, idp.issuer, idp.jwks_url, idp.audience, list(idp.algorithms), idp.clock_skew,
        idp.claim_subject,
    )  # fmt: skip
    return number


async def list_beheer_idps(
    connection: asyncpg.Connection, tenant_id: int | None, *, after: int = 0, limit: int = 200
) -> list[BeheerIdp]:
    rows = await connection.fetch(
        f"{_IDP}{_HERE} AND beheer_idp_id > $2 ORDER BY beheer_idp_id LIMIT $3", tenant_id, after, limit
    )
    return [_idp(row) for row in rows]


async def find_beheer_idp(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> BeheerIdp:
    """Raises NotFound."""
    row = await connection.fetchrow(f"{_IDP}{_HERE} AND beheer_idp_id = $2", tenant_id, number)
    return _idp(found_or_refused(row, "beheer-idp", number))


async def end_beheer_idp(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> None:
    """Let nobody in any more whom this provider names. Raises NotFound."""
    row = await connection.fetchrow(
        f"UPDATE registry.beheer_idp SET state = 'ended'{_HERE} AND beheer_idp_id = $2 AND state = 'active' "  # noqa: S608
        "RETURNING beheer_idp_id",
        tenant_id, number,
    )  # fmt: skip
    found_or_refused(row, "beheer-idp", number)


async def add_beheerder(connection: asyncpg.Connection, tenant_id: int | None, beheerder: Beheerder) -> int:
    """Name somebody; its number, which is counted with those of the keys."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.beheerder (tenant_id, beheer_idp_id, subject, role, name, valid_until) "
        "VALUES ($1, $2, $3, $4, $5, COALESCE($6, 'infinity'::timestamptz)) RETURNING beheerder_id",
        tenant_id, beheerder.idp, beheerder.subject, beheerder.role, beheerder.name, beheerder.valid_until,
    )  # fmt: skip
    return number


async def list_beheerders(
    connection: asyncpg.Connection, tenant_id: int | None, *, after: int = 0, limit: int = 200
) -> list[Beheerder]:
    rows = await connection.fetch(
        f"{_BEHEERDER}{_HERE} AND beheerder_id > $2 ORDER BY beheerder_id LIMIT $3", tenant_id, after, limit
    )
    return [_beheerder(row) for row in rows]


async def find_beheerder(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> Beheerder:
    """Raises NotFound."""
    row = await connection.fetchrow(f"{_BEHEERDER}{_HERE} AND beheerder_id = $2", tenant_id, number)
    return _beheerder(found_or_refused(row, "beheerder", number))


async def withdraw_beheerder(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> None:
    """Let somebody in no more. Raises NotFound."""
    row = await connection.fetchrow(
        f"UPDATE registry.beheerder SET withdrawn_at = now(){_HERE} AND beheerder_id = $2 AND withdrawn_at IS NULL "  # noqa: S608
        "RETURNING beheerder_id",
        tenant_id, number,
    )  # fmt: skip
    found_or_refused(row, "beheerder", number)


async def has_auditor(connection: asyncpg.Connection, tenant_id: int, *, ever: bool = False) -> bool:
    """Whether somebody of the tenant looks on as its auditor now, or ever did. In its scope.

    A person, or the key of a person that can decide (`KeySeen.counts`). A key that came from the command line, or from one
    that did, is not of the tenant for certain: who made the first key may have kept it.
    """
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.admin_key WHERE tenant_id = $1 AND role = 'auditor' "
        "    AND person NOT LIKE 'sleutel/%' AND (routes IS NULL OR $3 = ANY (routes)) "
        "    AND ($2 OR (withdrawn_at IS NULL AND now() < valid_until))) "
        "  OR EXISTS (SELECT 1 FROM registry.beheerder b "
        "    JOIN registry.beheer_idp i ON i.beheer_idp_id = b.beheer_idp_id "
        "    WHERE b.tenant_id = $1 AND b.role = 'auditor' "
        "      AND ($2 OR (b.withdrawn_at IS NULL AND now() < b.valid_until AND i.state = 'active')))",
        tenant_id, ever, DECIDES,
    )  # fmt: skip
    return found


async def has_beheerder(connection: asyncpg.Connection, tenant_id: int) -> bool:
    """Whether the tenant can name its own people now: a person, or a key that is for all of its role. In its scope."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.admin_key WHERE tenant_id = $1 AND role = 'beheerder' "
        "    AND routes IS NULL AND withdrawn_at IS NULL AND now() < valid_until) "
        "  OR EXISTS (SELECT 1 FROM registry.beheerder b "
        "    JOIN registry.beheer_idp i ON i.beheer_idp_id = b.beheer_idp_id "
        "    WHERE b.tenant_id = $1 AND b.role = 'beheerder' "
        "      AND b.withdrawn_at IS NULL AND now() < b.valid_until AND i.state = 'active')",
        tenant_id,
    )
    return found


async def idp_of_issuer(connection: asyncpg.Connection, issuer: str) -> tuple[int | None, BeheerIdp] | None:
    """The provider with this issuer and whose it is (None: the operator's). Needs no scope."""
    row = await connection.fetchrow(
        "SELECT tenant_id, beheer_idp_id, '' AS name, issuer, jwks_url, audience, algorithms, clock_skew_seconds, "
        "  claim_subject, 'active' AS state, 1 AS version FROM registry.beheer_idp_of($1)",
        issuer,
    )
    return None if row is None else (row["tenant_id"], _idp(row))


async def recognise_beheerder(connection: asyncpg.Connection, idp: int, subject: str) -> list[Admin]:
    """What somebody is who was named by a provider: one Admin for each role. Needs no scope."""
    rows = await connection.fetch(
        "SELECT beheerder_id, role, tenant_id FROM registry.beheerders_of($1, $2) ORDER BY beheerder_id", idp, subject
    )
    return [Admin(row["beheerder_id"], cast("Role", row["role"]), row["tenant_id"]) for row in rows]


def _idp(row: asyncpg.Record) -> BeheerIdp:
    return BeheerIdp(
        number=row["beheer_idp_id"],
        name=row["name"],
        issuer=row["issuer"],
        jwks_url=row["jwks_url"],
        audience=row["audience"],
        algorithms=tuple(row["algorithms"]),
        clock_skew=row["clock_skew_seconds"],
        claim_subject=row["claim_subject"],
        state=row["state"],
        version=row["version"],
    )


def _beheerder(row: asyncpg.Record) -> Beheerder:
    until = row["valid_until"]
    return Beheerder(
        number=row["beheerder_id"],
        idp=row["beheer_idp_id"],
        subject=row["subject"],
        role=cast("Role", row["role"]),
        name=row["name"],
        # asyncpg gives 'infinity' as the last moment that there is, without a zone.
        valid_until=None if until.year == datetime.max.year else until,  # noqa: DTZ901
        withdrawn_at=row["withdrawn_at"],
        version=row["version"],
    )


def found_or_refused(row: asyncpg.Record | None, noun: str, number: int) -> asyncpg.Record:
    """The row. Raises NotFound when there is none."""
    if row is None:
        raise NotFound(f"There is no {noun} {number} here that this can be done to.")
    return row
