"""How many calls a tenant or a taaksysteem of it may make: kept by the operator, read by the gateway.

For the role `koppelpunt_tenants`, inside the tenant's scope; the gateway reads all. A limit is a bucket: `burst` calls at once, and
`per_second` after that, over all gateways together. Without taaksysteem it is that of all the tenant's taaksystemen together.
"""

from collections import defaultdict

import asyncpg

from tenants.limits import RateLimit

_LIMITS = """SELECT tenant_id, taaksysteem_id, per_second::double precision, burst
  FROM registry.rate_limit WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1))"""


async def read_rate_limits(
    connection: asyncpg.Connection, tenant_ids: list[int] | None
) -> dict[int, tuple[RateLimit, ...]]:
    """By tenant: of these tenants, or of all that are visible."""
    found: dict[int, list[RateLimit]] = defaultdict(list)
    for row in await connection.fetch(_LIMITS, tenant_ids):
        found[row["tenant_id"]].append(RateLimit(**row))
    return {tenant_id: tuple(those) for tenant_id, those in found.items()}


async def add_rate_limit(
    connection: asyncpg.Connection, tenant_id: int, taaksysteem_id: int | None, per_second: float, burst: int
) -> int:
    """Set a limit where there is none. Raises what PostgreSQL raises for a second one or an unknown taaksysteem."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.rate_limit (tenant_id, taaksysteem_id, per_second, burst) "
        "VALUES ($1, $2, ($3::double precision)::numeric, $4) RETURNING rate_limit_id",
        tenant_id, taaksysteem_id, per_second, burst,
    )  # fmt: skip
    return number
