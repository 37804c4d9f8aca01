"""Keeps as a voorstel what is asked of how a register is kept: the operator decides nothing of it. In the tenant's scope.

What keeps less, or for a shorter time, the tenant's auditor grants; what keeps more its beheerder does.
"""

import json
from dataclasses import dataclass
from typing import Final

import asyncpg

from tenants.register_presets import is_weaker, years_kept
from tenants.voorstellen import Accepts, Request, propose

ROUTE: Final = "wijzigTenant"
_VASTLEGGING: Final = {"whole": "volledig", "rubrieken": "rubrieken"}


@dataclass(frozen=True, slots=True)
class RegisterAsked:
    """A voorstel about the register that stands: its number, who decides, and the change that it asks (JSON of the API)."""

    number: int
    accepts: Accepts
    body: str


async def ask_for_register(
    connection: asyncpg.Connection, tenant_id: int, content: str | None, years: int | None
) -> RegisterAsked | None:
    """Ask what differs of how the register is kept now; the voorstel. None when nothing does. What is None is not asked.

    The same as anybody asked already is that voorstel.
    """
    row = await connection.fetchrow(
        "SELECT kind, record_content, retention_years, version FROM registry.tenant WHERE tenant_id = $1", tenant_id
    )
    kept = row["record_content"], years_kept(row["kind"], row["retention_years"])
    wanted: dict[str, str | int] = {}
    if content not in {None, kept[0]}:
        wanted["vastlegging"] = _VASTLEGGING[content or kept[0]]
    if years not in {None, kept[1]}:
        wanted["bewaartermijnJaren"] = years or kept[1]
    if not wanted:
        return None
    body = json.dumps(wanted)
    accepts: Accepts = "auditor" if is_weaker(content, years, kept) else "beheerder"
    asked: int | None = await connection.fetchval(
        "SELECT voorstel_id FROM registry.voorstel WHERE tenant_id = $1 AND state = 'open' AND now() < valid_until "
        "AND accepts = $2 AND route = $3 AND version_seen = $4 AND body::jsonb = $5::jsonb LIMIT 1",
        tenant_id, accepts, ROUTE, row["version"], body,
    )  # fmt: skip
    if asked is None:
        request = Request(ROUTE, "PATCH", f"/v1/tenants/{tenant_id}", body, row["version"])
        asked = await propose(connection, tenant_id, request, accepts)
    return RegisterAsked(asked, accepts, body)
