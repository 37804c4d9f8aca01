"""Routes of the registry: which tenants there are, and who changed what."""

from collections.abc import Sequence
from typing import Any, cast

from tenants.api.problems import Refused, fault
from tenants.api.routing import Answer, Asked
from tenants.api.shapes import Tenant, Tenants, TenantsVraag, Wijziging, Wijzigingen, WijzigingenVraag
from tenants.overviews import TenantSeen, WijzigingenFilter, list_tenants, list_wijzigingen
from tenants.overviews import Wijziging as Seen
from tenants.register_presets import years_kept
from tenants.scope import tenant_scope
from tenants.words.kolommen import object_of, table_of, told

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
            "bewaartermijnJaren": years_kept(one.kind, one.retention_years),
            "toestand": _TOESTAND[one.state],
            "aangemaaktOp": one.created_at,
        }
    )


async def show_wijzigingen(asked: Asked) -> Answer:
    """GET: the own tenant's history, newest first."""
    tenant_id = asked.tenant_id
    async with (
        asked.rooms.registry.acquire() as connection,
        tenant_scope(connection, tenant_id, actor=asked.by.actor),
    ):
        found = await list_wijzigingen(connection, tenant_id, filter_of(asked))
    return page_of(asked, found)


def filter_of(asked: Asked) -> WijzigingenFilter:
    """What the query asks, and one more to see whether there is a next page. Raises Refused for a period that is none."""
    query = cast("WijzigingenVraag", asked.query)
    if query.van is not None and query.tot is not None and query.van >= query.tot:
        words = "De periode eindigt voor zij begint."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("query", "tot", "periode", words)])
    return WijzigingenFilter(
        query.aantal + 1, query.voor, table_of(query.object) if query.object else None, query.door, query.van, query.tot
    )


def page_of(asked: Asked, found: Sequence[Seen]) -> Answer:
    """A page of changes."""
    shown = found[: cast("WijzigingenVraag", asked.query).aantal]
    wijzigingen = [
        Wijziging(
            nummer=one.number, op=one.at, door=one.actor, actie=cast("Any", one.action), object=object_of(one.object),
            voor=None if one.before is None else told(one.object, one.before),
            na=None if one.after is None else told(one.object, one.after),
        )
        for one in shown
    ]  # fmt: skip
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, Wijzigingen(wijzigingen=wijzigingen, volgende=volgende))
