"""Routes of who administers: beheerders by token, keys for machines, and the providers that name beheerders.

A tenant's beheerder names its people; the operator names its own, and of a tenant it only proposes. Whoever becomes an
auditor, or is one no more, is for an auditor to accept: else the beheerder would choose who looks on.
"""

from datetime import timedelta
from typing import cast

import asyncpg

from tenants import admins, beheerders
from tenants.admins import KeySeen, Role
from tenants.api import beheer_shapes as shapes
from tenants.api.problems import Refused, fault
from tenants.api.proposing import eyes_for_auditor
from tenants.api.resources import Bladzijde
from tenants.api.routing import Answer, Asked
from tenants.beheerders import Beheerder, BeheerIdp
from tenants.versions import hold_version
from tenants.voorstellen import Accepts


async def list_beheerders(asked: Asked) -> Answer:
    """GET: who administers here."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await beheerders.list_beheerders(connection, asked.tenant, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    return Answer(
        200,
        shapes.Beheerders(beheerders=[_beheerder(one) for one in shown], volgende=_next(found, query, shown)),
    )


async def show_beheerder(asked: Asked) -> Answer:
    """GET: one of them."""
    async with asked.scope() as connection:
        found = await beheerders.find_beheerder(connection, asked.tenant, asked.number())
    return Answer(200, _beheerder(found), version=found.version)


async def name_beheerder(asked: Asked) -> Answer:
    """POST: let somebody administer whom a provider names."""
    new = cast("shapes.NieuweBeheerder", asked.body)
    _role_must_fit(asked, new.rol)
    async with asked.scope() as connection:
        made = Beheerder(0, new.idp, new.kenmerk, new.rol, new.naam, new.geldig_tot)
        number = await beheerders.add_beheerder(connection, asked.tenant, made)
        found = await beheerders.find_beheerder(connection, asked.tenant, number)
    return Answer(201, _beheerder(found), {"Location": f"/v1/beheerders/{number}"}, version=found.version)


async def withdraw_beheerder(asked: Asked) -> Answer:
    """DELETE: let somebody administer no more."""
    number = asked.number()
    async with asked.scope() as connection:
        found = await beheerders.find_beheerder(connection, asked.tenant, number)
        _auditor_ends_auditors(asked, found.role)
        await hold_version(connection, "beheerder", asked.tenant, number, asked.version)
        await beheerders.withdraw_beheerder(connection, asked.tenant, number)
    return Answer(204, None)


async def list_keys(asked: Asked) -> Answer:
    """GET: the keys of here, without their secrets."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await admins.list_admin_keys(connection, asked.tenant, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    return Answer(
        200, shapes.Beheersleutels(beheersleutels=[_key(one) for one in shown], volgende=_next(found, query, shown))
    )


async def show_key(asked: Asked) -> Answer:
    """GET: one key, without its secret."""
    async with asked.scope() as connection:
        found = await admins.find_admin_key(connection, asked.tenant, asked.number())
    return Answer(200, _key(found), version=found.version)


async def make_key(asked: Asked) -> Answer:
    """POST: make a key. Its secret is in this answer, and nowhere else."""
    new = cast("shapes.NieuweBeheersleutel", asked.body)
    _role_must_fit(asked, new.rol)
    _routes_must_be(new.rol, new.routes)
    async with asked.scope() as connection:
        number, secret = await admins.make_admin_key(
            connection, asked.rooms.identity, role=new.rol, tenant_id=asked.tenant, name=new.naam,
            valid_for=timedelta(days=new.dagen), routes=new.routes, actor=asked.actor,
        )  # fmt: skip
        found = await admins.find_admin_key(connection, asked.tenant, number)
    made = shapes.GemaakteBeheersleutel(**_key(found).model_dump(), geheim=secret)
    return Answer(201, made, {"Location": f"/v1/beheersleutels/{number}"}, version=found.version, shows_secret=True)


async def withdraw_key(asked: Asked) -> Answer:
    """DELETE: let a key open nothing more."""
    number = asked.number()
    async with asked.scope() as connection:
        found = await admins.find_admin_key(connection, asked.tenant, number)
        _auditor_ends_auditors(asked, found.role)
        await hold_version(connection, "admin_key", asked.tenant, number, asked.version)
        await admins.withdraw_admin_key(connection, number, tenant_id=asked.tenant, actor=asked.actor)
    return Answer(204, None)


async def list_idps(asked: Asked) -> Answer:
    """GET: the providers of here."""
    query = cast("Bladzijde", asked.query)
    async with asked.scope() as connection:
        found = await beheerders.list_beheer_idps(connection, asked.tenant, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    return Answer(200, shapes.BeheerIdps(beheer_idps=[_idp(one) for one in shown], volgende=_next(found, query, shown)))


async def show_idp(asked: Asked) -> Answer:
    """GET: one provider."""
    async with asked.scope() as connection:
        found = await beheerders.find_beheer_idp(connection, asked.tenant, asked.number())
    return Answer(200, _idp(found), version=found.version)


async def add_idp(asked: Asked) -> Answer:
    """POST: register a provider. It names nobody until beheerders are named by it."""
    new = cast("shapes.NieuweBeheerIdp", asked.body)
    made = BeheerIdp(
        0, new.naam, new.issuer, new.jwks_url, new.audience, tuple(new.algoritmen), new.klokverschil, new.claim
    )
    async with asked.scope() as connection:
        number = await beheerders.add_beheer_idp(connection, asked.tenant, made)
        found = await beheerders.find_beheer_idp(connection, asked.tenant, number)
    return Answer(201, _idp(found), {"Location": f"/v1/beheer-idps/{number}"}, version=found.version)


async def end_idp(asked: Asked) -> Answer:
    """DELETE: a provider lets nobody in any more."""
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "beheer_idp", asked.tenant, number, asked.version)
        await beheerders.end_beheer_idp(connection, asked.tenant, number)
    return Answer(204, None)


async def eyes_for_new(asked: Asked) -> Accepts | None:
    """Who accepts a new beheerder or key."""
    new = cast("shapes.NieuweBeheerder | shapes.NieuweBeheersleutel", asked.body)
    return await eyes_for_auditor(asked) if new.rol == "auditor" else None


async def eyes_for_beheerder(asked: Asked) -> Accepts | None:
    """Who accepts that somebody administers no more."""
    async with asked.scope() as connection:
        found = await beheerders.find_beheerder(connection, asked.tenant, asked.number())
    return await eyes_for_auditor(asked) if found.role == "auditor" and found.withdrawn_at is None else None


async def eyes_for_key(asked: Asked) -> Accepts | None:
    """Who accepts that a key opens nothing more. An auditor's that is nobody's of the tenant the beheerder ends alone."""
    async with asked.scope() as connection:
        found = await admins.find_admin_key(connection, asked.tenant, asked.number())
    looks_on = found.role == "auditor" and found.withdrawn_at is None and found.counts
    return await eyes_for_auditor(asked) if looks_on else None


async def eyes_for_idp(asked: Asked) -> Accepts | None:
    """A provider that names an auditor is one that the auditors end."""
    async with asked.scope() as connection:
        return "auditor" if await _names_auditor(connection, asked.tenant_id, asked.number()) else None


async def _names_auditor(connection: asyncpg.Connection, tenant_id: int, idp: int) -> bool:
    named = await beheerders.list_beheerders(connection, tenant_id, limit=10_000)
    return any(
        one.idp == idp and one.role == "auditor" and shapes.toestand(one.valid_until, one.withdrawn_at) == "geldig"
        for one in named
    )


def _role_must_fit(asked: Asked, role: Role) -> None:
    if (role == "operator") != (asked.tenant is None):
        words = "De rol operator is van de operator zelf; beheerder en auditor zijn van een tenant."
        raise Refused(400, "ongeldigVerzoek", words, faults=[fault("body", "/rol", "geweigerd", words)])


def _auditor_ends_auditors(asked: Asked, role: Role) -> None:
    if asked.by.role == "auditor" and role != "auditor":
        raise Refused(403, "rolMagDitNiet", "Een auditor trekt alleen een auditor in.")


def _routes_must_be(role: Role, names: list[str]) -> None:
    """A key that is for some routes names routes of its role, and none by which administrators are named."""
    from tenants.api.routes import ROUTES  # noqa: PLC0415 - the table is made of these

    open_to = {one.name for one in ROUTES if role in one.roles and not one.geen_sleutel}
    faults = [
        fault(
            "body", f"/routes/{place}", "geweigerd", "Deze route bestaat niet voor deze rol, of niet voor zo'n sleutel."
        )
        for place, name in enumerate(names)
        if name not in open_to
    ]
    if faults:
        raise Refused(400, "ongeldigVerzoek", "Het verzoek klopt niet; 'errors' zegt wat en waar.", faults=faults)


def _next(found: list[Beheerder] | list[KeySeen] | list[BeheerIdp], query: Bladzijde, shown: object) -> int | None:
    return found[query.aantal - 1].number if isinstance(shown, list) and len(found) > len(shown) else None


def _beheerder(one: Beheerder) -> shapes.Beheerder:
    return shapes.Beheerder(
        nummer=one.number,
        idp=one.idp,
        kenmerk=one.subject,
        rol=one.role,
        naam=one.name,
        geldig_tot=one.valid_until,
        ingetrokken_op=one.withdrawn_at,
        toestand=shapes.toestand(one.valid_until, one.withdrawn_at),
    )


def _key(one: KeySeen) -> shapes.Beheersleutel:
    return shapes.Beheersleutel(
        nummer=one.number,
        rol=one.role,
        naam=one.name,
        routes=None if one.routes is None else list(one.routes),
        herkomst=one.origin,
        geldig_tot=one.valid_until,
        ingetrokken_op=one.withdrawn_at,
        toestand=shapes.toestand(one.valid_until, one.withdrawn_at),
    )


def _idp(one: BeheerIdp) -> shapes.BeheerIdp:
    return shapes.BeheerIdp(
        nummer=one.number,
        naam=one.name,
        issuer=one.issuer,
        jwks_url=one.jwks_url,
        audience=one.audience,
        algoritmen=list(one.algorithms),
        klokverschil=one.clock_skew,
        claim=one.claim_subject,
        beeindigd=one.state == "ended",
    )
