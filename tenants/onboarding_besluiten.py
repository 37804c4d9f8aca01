"""The part of an onboarding that says what afnemers may ask by their autorisatiebesluit. In a tenant's scope."""

from tenants.autorisatie import NewBesluit, put_besluiten
from tenants.onboarding_document import TenantPart
from tenants.onboarding_work import Work


async def apply_besluiten(work: Work, part: TenantPart) -> None:
    """Make the rows that are new, and bring the others to the end and rubrieken that the document says."""
    wanted = [
        NewBesluit(afnemer.afnemer_id, one.start, one.end, one.medium, one.rubrieken)
        for afnemer in part.afnemers
        for one in afnemer.autorisatiebesluiten
    ]
    if not wanted:
        return
    tenant_id = work.tenants[part.oin]
    query = "SELECT count(*) FROM registry.autorisatiebesluit WHERE tenant_id = $1"
    before = await work.connection.fetchval(query, tenant_id)
    touched = await put_besluiten(work.connection, tenant_id, wanted)
    made = await work.connection.fetchval(query, tenant_id) - before
    work.made["autorisatiebesluit"] += made
    work.changed["autorisatiebesluit"] += touched - made
