"""Ends what nothing uses any more: an afnemer, an own header profile. For good; they stay in the registry and its history.

Scope, role and errors as in `tenants.registry`. Refuses while something uses it, and names all of that; PostgreSQL refuses it
too, whoever asks, and lets nothing new use what has ended. What ended already is left as it is.
"""

import asyncpg

from tenants.faults import NotFound, RegistryError


class StillUsed(RegistryError):
    """Something uses it: `users` are their numbers, of the kind `kind` (a noun of the registry)."""

    def __init__(self, kind: str, users: tuple[int, ...]) -> None:
        self.kind, self.users = kind, users
        super().__init__(f"It is used by {kind} {', '.join(map(str, users))}: end these first.")


async def end_afnemer(connection: asyncpg.Connection, tenant_id: int, afnemer_id: str) -> bool:
    """End an afnemer; return whether it had not ended yet. Raises NotFound, StillUsed with its aansluitingen."""
    users = await connection.fetch(
        "SELECT aansluiting_id FROM registry.aansluiting WHERE tenant_id = $1 AND afnemer_id = $2 AND state <> 'beeindigd' "
        "ORDER BY 1",
        tenant_id, afnemer_id,
    )  # fmt: skip
    state = await connection.fetchval(
        "SELECT state FROM registry.afnemer WHERE tenant_id = $1 AND afnemer_id = $2", tenant_id, afnemer_id
    )
    if state is None:
        raise NotFound(f"There is no afnemer {afnemer_id} here.")
    if users:
        raise StillUsed("aansluiting", tuple(row[0] for row in users))
    if state == "ended":
        return False
    await connection.execute(
        "UPDATE registry.afnemer SET state = 'ended' WHERE tenant_id = $1 AND afnemer_id = $2", tenant_id, afnemer_id
    )
    return True


async def end_header_profile(connection: asyncpg.Connection, tenant_id: int, name: str) -> bool:
    """End an own header profile; return whether it had not ended yet. Raises NotFound, StillUsed with its taaksystemen."""
    users = await connection.fetch(
        "SELECT taaksysteem_id FROM registry.taaksysteem WHERE tenant_id = $1 AND header_profile = $2 AND state = 'active' "
        "ORDER BY 1",
        tenant_id, name,
    )  # fmt: skip
    state = await connection.fetchval(
        "SELECT state FROM registry.header_profile WHERE tenant_id = $1 AND name = $2", tenant_id, name
    )
    if state is None:
        raise NotFound(f"There is no header profile {name!r} here.")
    if users:
        raise StillUsed("taaksysteem", tuple(row[0] for row in users))
    if state == "ended":
        return False
    await connection.execute(
        "UPDATE registry.header_profile SET state = 'ended' WHERE tenant_id = $1 AND name = $2", tenant_id, name
    )
    return True
