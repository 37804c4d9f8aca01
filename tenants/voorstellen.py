"""Voorstellen: what one asks and another decides on. The rows, and what the tables cannot say of them.

A voorstel is a request of the admin API (method, path, canonical body, the version that was seen) that was tried and not
done. It waits thirty days for the role that it is for. The database holds that it is not reworded, decided on once, and not
accepted by the person who made it (`registry.hold_voorstel`). Functions work inside the tenant's scope, whose actor is who
proposes or decides. Bodies hold no secrets: routes that take one are never *voorstelbaar*.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import asyncpg

from tenants.faults import NotFound

Accepts = Literal["beheerder", "auditor"]
State = Literal["open", "aanvaard", "geweigerd", "ingetrokken", "verlopen"]

_VOORSTEL = (
    "SELECT voorstel_id, accepts, route, method, path, version_seen, body, proposed_by, proposed_at, valid_until, "
    "  CASE WHEN state = 'open' AND valid_until <= now() THEN 'verlopen' ELSE state END AS state, "
    "  decided_by, decided_at, reason, article, result, version FROM registry.voorstel"
)
_SAME = (
    "SELECT voorstel_id FROM registry.voorstel WHERE tenant_id = $1 AND state = 'open' AND now() < valid_until "
    "  AND accepts = $2 AND method = $3 AND path = $4 AND body IS NOT DISTINCT FROM $5 AND version_seen IS NOT DISTINCT FROM $6 "
    "  AND (proposed_by = registry.actor() OR ((proposed_by LIKE 'operator/%' OR proposed_by = 'opdrachtregel') "
    "    AND (registry.actor() LIKE 'operator/%' OR registry.actor() = 'opdrachtregel'))) LIMIT 1"
)
_OF_OPERATOR = "(proposed_by LIKE 'operator/%' OR proposed_by = 'opdrachtregel')"


@dataclass(frozen=True, slots=True)
class Request:
    """What would be done. `body` is canonical JSON, None for a request without one; `version` is what If-Match said."""

    route: str
    method: str
    path: str
    body: str | None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Voorstel:
    """A voorstel as it stands now. `result` is what its doing answered: status and location."""

    number: int
    accepts: Accepts
    request: Request
    proposed_by: str
    proposed_at: datetime
    valid_until: datetime
    state: State
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    article: str | None
    result: dict[str, Any] | None
    version: int


async def propose(connection: asyncpg.Connection, tenant_id: int, request: Request, accepts: Accepts) -> int:
    """Keep a voorstel; its number. The same request of the same side that is still open is the same voorstel."""
    same: int | None = await connection.fetchval(
        _SAME, tenant_id, accepts, request.method, request.path, request.body, request.version
    )
    if same is not None:
        return same
    number: int = await connection.fetchval(
        "INSERT INTO registry.voorstel (tenant_id, accepts, route, method, path, version_seen, body, proposed_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, '') RETURNING voorstel_id",
        tenant_id, accepts, request.route, request.method, request.path, request.version, request.body,
    )  # fmt: skip
    return number


async def list_voorstellen(
    connection: asyncpg.Connection,
    tenant_id: int,
    *,
    state: State | None = None,
    of_operator: bool = False,
    before: int | None = None,
    limit: int = 100,
) -> list[Voorstel]:
    """Newest first. `of_operator`: only what the operator proposed, which is all that the operator sees."""
    rows = await connection.fetch(
        f"SELECT * FROM ({_VOORSTEL} WHERE tenant_id = $1 AND (NOT $2 OR {_OF_OPERATOR})) v "  # noqa: S608
        "WHERE ($3::text IS NULL OR state = $3) AND ($4::bigint IS NULL OR voorstel_id < $4) "
        "ORDER BY voorstel_id DESC LIMIT $5",
        tenant_id, of_operator, state, before, limit,
    )  # fmt: skip
    return [_voorstel(row) for row in rows]


async def find_voorstel(
    connection: asyncpg.Connection, tenant_id: int, number: int, *, of_operator: bool = False
) -> Voorstel:
    """Raises NotFound."""
    row = await connection.fetchrow(
        f"{_VOORSTEL} WHERE tenant_id = $1 AND voorstel_id = $2 AND (NOT $3 OR {_OF_OPERATOR})",
        tenant_id, number, of_operator,
    )  # fmt: skip
    if row is None:
        raise NotFound(f"There is no voorstel {number} here.")
    return _voorstel(row)


async def decide(
    connection: asyncpg.Connection,
    tenant_id: int,
    number: int,
    state: Literal["aanvaard", "geweigerd", "ingetrokken"],
    *,
    reason: str | None = None,
    article: str | None = None,
    result: dict[str, Any] | None = None,
) -> None:
    """Record a decision of the scope's actor. Raises asyncpg.CheckViolationError when it may not, or not any more."""
    await connection.execute(
        "UPDATE registry.voorstel SET state = $3, reason = $4, article = $5, result = $6::jsonb "
        "WHERE tenant_id = $1 AND voorstel_id = $2",
        tenant_id, number, state, reason, article, None if result is None else json.dumps(result),
    )  # fmt: skip


async def same_person(connection: asyncpg.Connection, one: str, other: str) -> bool:
    """Whether two actors of the history are one person."""
    same: bool = await connection.fetchval("SELECT registry.person_of($1) = registry.person_of($2)", one, other)
    return same


async def changed_only_proef(connection: asyncpg.Connection, tenant_id: int) -> bool:
    """Whether all that this transaction changed lies in environments of kind *proef*; False when it changed nothing.

    Judged by the history, which triggers write: by what was done, not by what was asked. What has no environment is not proef.
    """
    found: bool | None = await connection.fetchval(
        "WITH changed AS (SELECT w.object, r AS row FROM registry.wijziging w, unnest(ARRAY[w.before, w.after]) r "
        "  WHERE w.tenant_id = $1 AND w.tx = pg_current_xact_id() AND r IS NOT NULL), "
        "placed AS (SELECT CASE object "
        "  WHEN 'aansluiting' THEN row ->> 'environment' "
        "  WHEN 'taaksysteem' THEN row ->> 'environment' "
        "  WHEN 'taaksysteem_key' THEN (SELECT t.environment FROM registry.taaksysteem t "
        "    WHERE t.tenant_id = $1 AND t.taaksysteem_id = (row ->> 'taaksysteem_id')::bigint) "
        "  WHEN 'machtiging' THEN (SELECT a.environment FROM registry.aansluiting a "
        "    WHERE a.tenant_id = $1 AND a.aansluiting_id = (row ->> 'aansluiting_id')::bigint) "
        "  WHEN 'aansluiting_stap' THEN (SELECT a.environment FROM registry.aansluiting a "
        "    WHERE a.tenant_id = $1 AND a.aansluiting_id = (row ->> 'aansluiting_id')::bigint) END AS environment "
        "  FROM changed) "
        "SELECT bool_and(COALESCE(e.kind = 'proef', false)) "
        "FROM placed p LEFT JOIN registry.environment e ON e.name = p.environment",
        tenant_id,
    )
    return bool(found)


def _voorstel(row: asyncpg.Record) -> Voorstel:
    return Voorstel(
        number=row["voorstel_id"],
        accepts=cast("Accepts", row["accepts"]),
        request=Request(row["route"], row["method"], row["path"], row["body"], row["version_seen"]),
        proposed_by=row["proposed_by"],
        proposed_at=row["proposed_at"],
        valid_until=row["valid_until"],
        state=cast("State", row["state"]),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        reason=row["reason"],
        article=row["article"],
        result=None if row["result"] is None else json.loads(row["result"]),
        version=row["version"],
    )
