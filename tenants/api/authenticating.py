"""Who asks, as what, and for which tenant: from the Authorization and Koppelpunt-Tenant headers of a request.

A key or a token proves an administrator, with the roles that it has at home. Which of these counts is for the route to say.
For another tenant somebody acts only by that tenant's mandate, as its beheerder and never as its auditor; the operator may
else only propose, where a route knows that. Everything that is refused is an event of the security log.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request

from tenants.admins import PREFIX, Admin, Role, recognise, scope_of
from tenants.api.problems import Refused
from tenants.api.routing import ACTOR, TENANT_HEADER, Rooms, Route
from tenants.beheer_tokens import TokenRefused
from tenants.beheermandaten import standing_mandaat
from tenants.keysets import KeysUnavailable
from tenants.origin import UNKNOWN, origin_of

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="koppelpunt"'}
_INVALID: Final = {"WWW-Authenticate": 'Bearer realm="koppelpunt", error="invalid_token"'}
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_FIRST: Final[dict[Role, int]] = {"operator": 0, "beheerder": 1, "auditor": 2}
_REASON: Final = "koppelpunt.reden"
"""Where a request keeps why its token was refused: for the security log, and never for who asks."""
log = structlog.get_logger("koppelpunt.beveiliging")


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who was let in, and which tenant the request is about; None when it is about none."""

    admin: Admin
    tenant: int | None


async def admit(request: Request, route: Route, rooms: Rooms) -> Admitted:
    """Return who may ask this, as what. Raises Refused: 401, 403, 400 and 404 for the tenant, 503 without an IDP's keys."""
    try:
        return await _admit(request, route, rooms)
    except Refused as refusal:
        # By the fields of BIO2, as the gateway's; never what was presented.
        log.warning(
            "veiligheid",
            actie=route.name,
            object=route.path,
            resultaat=refusal.code,
            status=refusal.status,
            reden=request.scope.get(_REASON, ""),
            oorsprong=origin_of(None if request.client is None else request.client.host),
            onderdeel="tenants",
            actor=request.scope.get(ACTOR, UNKNOWN),
        )
        raise


async def authenticate(request: Request, rooms: Rooms) -> list[Admin]:
    """Whose key or token this is: one Admin for each of its roles. Raises Refused (401, 403, 503)."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Refused(
            401,
            "nietIngelogd",
            "Stuur een beheersleutel of een token mee: 'Authorization: Bearer …'.",
            headers=_CHALLENGE,
        )
    if not secret.startswith(PREFIX) and secret.count(".") == 2:
        return await _of_token(request, rooms, secret)
    async with rooms.registry.acquire() as connection:
        admin = await recognise(connection, rooms.identity, secret)
    if admin is None:
        raise Refused(
            401, "onbekendeSleutel", "Deze beheersleutel is onbekend, verlopen of ingetrokken.", headers=_INVALID
        )
    return [admin]


async def _of_token(request: Request, rooms: Rooms, token: str) -> list[Admin]:
    try:
        admins = await rooms.tokens.read(rooms.registry, token)
    except TokenRefused as refused:
        request.scope[_REASON] = refused.code
        raise Refused(
            401,
            "ongeldigToken",
            "Dit token laat niemand binnen: van wie, voor wie of tot wanneer klopt niet.",
            headers=_INVALID,
        ) from None
    except KeysUnavailable:
        raise Refused(
            503,
            "idpOnbereikbaar",
            "De sleutels van de identiteitsvoorziening zijn niet of te lang niet gelezen.",
            headers={"Retry-After": "5"},
        ) from None
    if not admins:
        raise Refused(403, "geenBeheerder", "Wie dit token noemt is hier geen beheerder, of niet meer.")
    return admins


async def _admit(request: Request, route: Route, rooms: Rooms) -> Admitted:
    admins = await authenticate(request, rooms)
    # Whoever is refused from here on is known: the log says who it was.
    request.scope[ACTOR] = admins[0].actor
    opened = [one for one in admins if one.routes is None or (route.name in one.routes and not route.geen_sleutel)]
    if not opened:
        raise Refused(403, "sleutelMagDitNiet", "Deze sleutel is niet voor dit adres.")
    named = request.headers.get(TENANT_HEADER)
    if named is None:
        return _at_home(route, opened)
    if not route.of_tenant:
        _fitting(route, opened)
        raise Refused(400, "tenantHoortHierNiet", f"Dit adres kent de kopregel {TENANT_HEADER} niet.")
    tenant_id = int(named) if _NUMBER.fullmatch(named) is not None else 0
    own = [one for one in opened if one.tenant_id == tenant_id]
    if own:
        return Admitted(_fitting(route, own), tenant_id)
    return await _for_another(route, opened, tenant_id, rooms)


def _at_home(route: Route, admins: Iterable[Admin]) -> Admitted:
    """Without the header it is the own tenant; an operator has none, and may do without it only where that means something."""
    admin = _fitting(route, admins)
    if admin.tenant_id is None and route.of_tenant and not (route.ook_operator and admin.role in route.roles):
        raise Refused(400, "tenantOntbreekt", f"Noem de tenant in de kopregel {TENANT_HEADER}.")
    return Admitted(admin, admin.tenant_id)


async def _for_another(route: Route, admins: Iterable[Admin], tenant_id: int, rooms: Rooms) -> Admitted:
    """By a mandate as beheerder, else the operator as itself; everybody else may not."""
    # An auditor has no mandate: nobody else's register is its business.
    acting = next((one for one in admins if one.role != "auditor"), None)
    if acting is None:
        raise Refused(403, "nietVanDezeTenant", "Dit is niet de eigen tenant.")
    async with rooms.registry.acquire() as connection, scope_of(connection, acting.tenant_id, actor=acting.actor):
        exists = await connection.fetchval("SELECT 1 FROM registry.tenant WHERE tenant_id = $1", tenant_id)
        mandaat_id = await standing_mandaat(connection, tenant_id, acting.tenant_id)
    operates = (
        acting.role == "operator" and "operator" in route.roles and not route.voorstelbaar and not route.ook_operator
    )
    if operates and exists:
        return Admitted(acting, tenant_id)
    if mandaat_id is not None and "beheerder" in route.roles and not route.eigen:
        return Admitted(acting.for_tenant(tenant_id, mandaat_id), tenant_id)
    if acting.role != "operator":
        raise Refused(
            403, "nietVanDezeTenant", "Dit is niet de eigen tenant, en die gaf geen mandaat om dit voor haar te doen."
        )
    if not (operates or route.voorstelbaar):
        _fitting(route, [acting])
        raise Refused(403, "alleenDeTenant", "Alleen een beheerder van de tenant zelf mag dit.")
    if not exists:
        raise Refused(404, "onbekendeTenant", f"De tenant in {TENANT_HEADER} bestaat niet.")
    return Admitted(acting, tenant_id)


def _fitting(route: Route, admins: Iterable[Admin]) -> Admin:
    """The role that this route is for: who has two is what the route asks, and a beheerder before an auditor."""
    found = sorted(admins, key=lambda one: _FIRST[one.role])
    for one in found:
        if one.role in route.roles or (one.role == "operator" and route.voorstelbaar):
            return one
    raise Refused(403, "rolMagDitNiet", f"De rol {found[0].role} mag dit niet.")
