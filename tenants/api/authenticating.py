"""Who asks, and for which tenant: from the Authorization and Koppelpunt-Tenant headers of a request."""

from starlette.requests import Request

from tenants.admins import Admin, recognise
from tenants.api.problems import Refused
from tenants.api.routing import TENANT_HEADER, Rooms, Route

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="koppelpunt"'}
_LONGEST = 18


async def authenticate(request: Request, rooms: Rooms) -> Admin:
    """Return whose key or token this is. Raises Refused (401)."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Refused(
            401, "nietIngelogd", "Stuur een beheersleutel mee: 'Authorization: Bearer kpa_…'.", headers=_CHALLENGE
        )
    async with rooms.registry.acquire() as connection:
        admin = await recognise(connection, rooms.identity, secret)
    if admin is None:
        raise Refused(
            401, "onbekendeSleutel", "Deze beheersleutel is onbekend, verlopen of ingetrokken.", headers=_CHALLENGE
        )
    return admin


async def tenant_asked_about(request: Request, route: Route, admin: Admin, rooms: Rooms) -> int | None:
    """The tenant that a request is about; None when it is about none. Raises Refused (400, 403, 404)."""
    named = request.headers.get(TENANT_HEADER)
    if named is None:
        if admin.tenant_id is None and route.of_tenant:
            raise Refused(400, "tenantOntbreekt", f"Noem de tenant in de kopregel {TENANT_HEADER}.")
        return admin.tenant_id
    if not route.of_tenant:
        raise Refused(400, "tenantHoortHierNiet", f"Dit adres kent de kopregel {TENANT_HEADER} niet.")
    tenant_id = int(named) if named.isascii() and named.isdigit() and len(named) <= _LONGEST else 0
    if admin.tenant_id is not None:
        if tenant_id != admin.tenant_id:
            raise Refused(403, "nietVanDezeTenant", "Dit is niet de eigen tenant.")
        return tenant_id
    async with rooms.registry.acquire() as connection:
        found = await connection.fetchval("SELECT 1 FROM registry.tenant WHERE tenant_id = $1", tenant_id)
    if found is None:
        raise Refused(404, "onbekendeTenant", f"De tenant in {TENANT_HEADER} bestaat niet.")
    return tenant_id
