"""Writes and reads header profiles: a tenant's own ones, and which one a taaksysteem has.

Scope, role and errors as in `tenants.registry`. What a profile may say stands in `tenants.header_profiles`.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import structlog

from tenants.faults import InputRefused, NotFound
from tenants.header_profiles import PROFILES, HeaderProfile, read_profile

log = structlog.get_logger("koppelpunt.registry")


async def put_header_profile(
    connection: asyncpg.Connection, tenant_id: int, name: str, document: Mapping[str, Any]
) -> bool:
    """Make or change an own profile; return whether anything changed. Raises InputRefused.

    A change holds for every taaksysteem that has it, from the next call on.
    """
    if name in PROFILES:
        raise InputRefused([f"{name!r} is a profile of the product itself; give an own one another name."])
    read_profile(name, document)
    state = "SELECT state FROM registry.header_profile WHERE tenant_id = $1 AND name = $2"
    if await connection.fetchval(state, tenant_id, name) == "ended":
        raise InputRefused([f"Header profile {name!r} has ended; it never comes back."])
    status = await connection.execute(
        "INSERT INTO registry.header_profile (tenant_id, name, headers) VALUES ($1, $2, $3::jsonb) "
        "ON CONFLICT (tenant_id, name) DO UPDATE SET headers = EXCLUDED.headers "
        "WHERE header_profile.headers IS DISTINCT FROM EXCLUDED.headers",
        tenant_id, name, json.dumps(document),
    )  # fmt: skip
    return bool(status == "INSERT 0 1")


async def set_header_profile(connection: asyncpg.Connection, tenant_id: int, taaksysteem_id: int, name: str) -> None:
    """Give a taaksysteem a profile: one that the product knows, or an own one. Raises NotFound."""
    if name not in PROFILES:
        query = "SELECT 1 FROM registry.header_profile WHERE tenant_id = $1 AND name = $2 AND state = 'active'"
        if await connection.fetchval(query, tenant_id, name) is None:
            raise NotFound(f"There is no header profile {name!r} here.")
    found = await connection.fetchval(
        "UPDATE registry.taaksysteem SET header_profile = $3 WHERE tenant_id = $1 AND taaksysteem_id = $2 "
        "RETURNING taaksysteem_id",
        tenant_id, taaksysteem_id, name,
    )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no taaksysteem {taaksysteem_id} here.")


async def read_header_profiles(
    connection: asyncpg.Connection, tenant_ids: Sequence[int] | None
) -> dict[int, tuple[HeaderProfile, ...]]:
    """The own profiles of these tenants, or of all that are visible.

    One that can no longer be read is left out, which refuses the calls of its taaksystemen.
    """
    found: dict[int, list[HeaderProfile]] = defaultdict(list)
    rows = await connection.fetch(
        "SELECT tenant_id, name, headers FROM registry.header_profile "
        "WHERE $1::bigint[] IS NULL OR tenant_id = ANY ($1)",
        tenant_ids,
    )
    for row in rows:
        try:
            found[row["tenant_id"]].append(read_profile(row["name"], json.loads(row["headers"])))
        except InputRefused:
            log.warning("header_profile_not_read", tenant=row["tenant_id"])
    return {tenant_id: tuple(profiles) for tenant_id, profiles in found.items()}
