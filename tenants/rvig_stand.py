"""What RvIG says of an aansluiting: that it has shut it out. As the registry has it; the gateway writes, the tenant may lift.

For the role `koppelpunt_tenants`, inside the tenant's scope; the gateway reads all.
"""

from collections import defaultdict

import asyncpg

from tenants.faults import NotFound
from tenants.model import RvigStand

_STANDS = """SELECT tenant_id, aansluiting_id, kind, credential_id, fingerprint, place, status, code, seen_at, last_at, times, probe_at
  FROM registry.rvig_stand WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1))"""


async def read_stands(connection: asyncpg.Connection, tenant_ids: list[int] | None) -> dict[int, tuple[RvigStand, ...]]:
    """By tenant: of these tenants, or of all that are visible."""
    found: dict[int, list[RvigStand]] = defaultdict(list)
    for row in await connection.fetch(_STANDS, tenant_ids):
        found[row["tenant_id"]].append(RvigStand(**row))
    return {tenant_id: tuple(those) for tenant_id, those in found.items()}


async def find_stand(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int) -> RvigStand | None:
    row = await connection.fetchrow(f"{_STANDS} AND aansluiting_id = $2", [tenant_id], aansluiting_id)
    return None if row is None else RvigStand(**row)


async def lift_stand(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int) -> None:
    """The tenant knows that RvIG lifted it: the next call goes. Raises NotFound."""
    status = await connection.execute(
        "DELETE FROM registry.rvig_stand WHERE tenant_id = $1 AND aansluiting_id = $2", tenant_id, aansluiting_id
    )
    if status != "DELETE 1":
        raise NotFound(f"RvIG has not shut out aansluiting {aansluiting_id}, as far as is known here.")
