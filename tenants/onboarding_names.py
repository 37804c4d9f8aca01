"""Finds what a document names: tenants by OIN, taaksystemen by name, aansluitingen by their afnemer, mandates by both sides.

Names of a tenant are read once for all that one step looks up; who makes new ones in between asks anew.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from tenants.faults import InputRefused
from tenants.onboarding_work import Work
from tenants.scope import tenant_scope

Place = tuple[str, str, str]
"""AfnemerID, environment and pattern."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one step of an onboarding has looked up, by tenant."""

    work: Work
    _aansluitingen: dict[int, dict[Place, int]] = field(default_factory=dict)
    _taaksystemen: dict[int, dict[tuple[str, str], list[int]]] = field(default_factory=dict)
    _mandates: dict[tuple[int, int], int | None] = field(default_factory=dict)

    async def aansluitingen(self, tenant_id: int) -> dict[Place, int]:
        if tenant_id not in self._aansluitingen:
            async with tenant_scope(self.work.connection, tenant_id, actor=self.work.actor):
                rows = await self.work.connection.fetch(
                    "SELECT afnemer_id, environment, pattern, aansluiting_id FROM registry.aansluiting "
                    "WHERE tenant_id = $1 AND state <> 'beeindigd'",
                    tenant_id,
                )
            self._aansluitingen[tenant_id] = {(row[0], row[1], row[2]): row[3] for row in rows}
        return self._aansluitingen[tenant_id]

    async def taaksystemen(self, tenant_id: int) -> dict[tuple[str, str], list[int]]:
        if tenant_id not in self._taaksystemen:
            found: dict[tuple[str, str], list[int]] = defaultdict(list)
            async with tenant_scope(self.work.connection, tenant_id, actor=self.work.actor):
                for row in await self.work.connection.fetch(
                    "SELECT name, environment, taaksysteem_id FROM registry.taaksysteem "
                    "WHERE tenant_id = $1 AND state = 'active' ORDER BY taaksysteem_id",
                    tenant_id,
                ):
                    found[row["name"], row["environment"]].append(row["taaksysteem_id"])
            self._taaksystemen[tenant_id] = found
        return self._taaksystemen[tenant_id]

    async def mandate(self, tenant_id: int, to_tenant_id: int) -> int | None:
        key = (tenant_id, to_tenant_id)
        if key not in self._mandates:
            self._mandates[key] = await find_mandate(self.work, tenant_id, to_tenant_id)
        return self._mandates[key]


async def find_tenant(work: Work, oin: str) -> int:
    """The number of a tenant, of the document or not. Raises InputRefused."""
    if oin not in work.tenants:
        found = await work.connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", oin)
        if found is None:
            raise InputRefused([f"There is no tenant with OIN {oin}."])
        work.tenants[oin] = found
    return work.tenants[oin]


async def find_taaksysteem(names: Named, tenant_id: int, name: str, environment: str) -> int | None:
    """The active taaksysteem of that name; None when there is none. Raises InputRefused when there are several."""
    found = (await names.taaksystemen(tenant_id)).get((name, environment), [])
    if len(found) > 1:
        raise InputRefused([f"There are {len(found)} taaksystemen {name!r} in {environment}; which one is meant?"])
    return found[0] if found else None


async def find_aansluiting(names: Named, tenant_id: int, place: Place) -> int:
    """Raises InputRefused when there is none."""
    number = (await names.aansluitingen(tenant_id)).get(place)
    if number is None:
        afnemer_id, environment, pattern = place
        raise InputRefused([f"Afnemer {afnemer_id} has no aansluiting {pattern} in {environment}."])
    return number


async def find_mandate(work: Work, tenant_id: int, to_tenant_id: int) -> int | None:
    """The oldest mandate that stands, of one tenant to the other."""
    number: int | None = await work.connection.fetchval(
        "SELECT mandate_id FROM registry.mandate WHERE tenant_id = $1 AND to_tenant_id = $2 AND withdrawn_at IS NULL "
        "AND valid_until > now() ORDER BY mandate_id LIMIT 1",
        tenant_id, to_tenant_id,
    )  # fmt: skip
    return number
