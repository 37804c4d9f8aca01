"""Routes of the registry: which tenants there are, and who changed what."""

from typing import cast

from tenants.api.routing import Answer, Asked
from tenants.api.shapes import Tenant, Tenants, TenantsVraag, Wijziging, Wijzigingen, WijzigingenVraag
from tenants.overviews import TenantSeen, list_tenants, list_wijzigingen
from tenants.scope import tenant_scope

_VASTLEGGING = {"whole": "volledig", "rubrieken": "rubrieken"}
_TOESTAND = {"active": "actief", "ended": "beeindigd"}


async def show_tenants(asked: Asked) -> Answer:
    """GET: all tenants for the operator, for others their own."""
    query = cast("TenantsVraag", asked.query)
    async with asked.rooms.registry.acquire() as connection:
        found = await list_tenants(connection, only=asked.by.tenant_id, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    tenants = [shape_of_tenant(one) for one in shown]
    return Answer(200, Tenants(tenants=tenants, volgende=shown[-1].tenant_id if len(found) > len(shown) else None))


def shape_of_tenant(one: TenantSeen) -> Tenant:
    return Tenant.model_validate(
        {
            "tenantId": one.tenant_id,
            "oin": one.oin,
            "naam": one.name,
            "soort": one.kind,
            "vastlegging": _VASTLEGGING[one.record_content],
            "bewaartermijnJaren": one.retention_years,
            "toestand": _TOESTAND[one.state],
            "aangemaaktOp": one.created_at,
        }
    )


async def show_wijzigingen(asked: Asked) -> Answer:
    """GET: the own tenant's history, newest first."""
    query, tenant_id = cast("WijzigingenVraag", asked.query), asked.tenant_id
    async with (
        asked.rooms.registry.acquire() as connection,
        tenant_scope(connection, tenant_id, actor=asked.by.actor),
    ):
        found = await list_wijzigingen(connection, tenant_id, before=query.voor, limit=query.aantal + 1)
    shown = found[: query.aantal]
    wijzigingen = [
        Wijziging.model_validate(
            {
                "nummer": one.number,
                "op": one.at,
                "door": one.actor,
                "actie": one.action,
                "object": one.object,
                "voor": one.before,
                "na": one.after,
            }
        )
        for one in shown
    ]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, Wijzigingen(wijzigingen=wijzigingen, volgende=volgende))
