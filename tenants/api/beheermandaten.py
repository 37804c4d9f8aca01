"""Routes of delegated beheer: a tenant lets the operator, or another tenant's beheerders, administer for it.

Given and ended by the tenant's own beheerder, for two years at most. By it nobody becomes auditor, accepts a voorstel, names
beheerders or gives another mandate: routes that are `eigen` are closed to it, and the tables refuse it too.
"""

from datetime import UTC, datetime
from typing import cast

from tenants import beheermandaten as mandaten
from tenants.api import beheer_shapes as shapes
from tenants.api.problems import Refused, fault
from tenants.api.resources import Bladzijde
from tenants.api.routing import Answer, Asked
from tenants.beheermandaten import Mandaat
from tenants.versions import hold_version


async def list_mandaten(asked: Asked) -> Answer:
    """GET: what was given, and what was got."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await mandaten.list_mandaten(connection, asked.tenant, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    volgende = shown[-1].number if len(found) > len(shown) else None
    return Answer(200, shapes.Beheermandaten(beheermandaten=[_shape(one) for one in shown], volgende=volgende))


async def show_mandaat(asked: Asked) -> Answer:
    """GET: one, given or got."""
    async with asked.scope() as connection:
        found = await mandaten.find_mandaat(connection, asked.tenant, asked.number())
    return Answer(200, _shape(found), version=found.version)


async def give_mandaat(asked: Asked) -> Answer:
    """POST: let another administer."""
    new = cast("shapes.NieuwBeheermandaat", asked.body)
    if new.geldig_tot <= datetime.now(UTC):
        words = "Een mandaat eindigt in de toekomst."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("body", "/geldigTot", "geweigerd", words)])
    async with asked.scope() as connection:
        number = await mandaten.give_mandaat(
            connection, asked.tenant_id, to_tenant_id=new.aan, reason=new.reden, valid_until=new.geldig_tot
        )
        found = await mandaten.find_mandaat(connection, asked.tenant_id, number)
    return Answer(201, _shape(found), {"Location": f"/v1/beheermandaten/{number}"}, version=found.version)


async def end_mandaat(asked: Asked) -> Answer:
    """DELETE: end one that was given, from now on."""
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "beheermandaat", asked.tenant_id, number, asked.version)
        await mandaten.end_mandaat(connection, asked.tenant_id, number)
    return Answer(204, None)


def _shape(one: Mandaat) -> shapes.Beheermandaat:
    return shapes.Beheermandaat(
        nummer=one.number,
        tenant_id=one.tenant_id,
        aan=one.to_tenant_id,
        reden=one.reason,
        gegeven_door=one.given_by,
        geldig_van=one.valid_from,
        geldig_tot=one.valid_until,
        ingetrokken_op=one.withdrawn_at,
        toestand=shapes.toestand(one.valid_until, one.withdrawn_at),
    )
