"""What becomes of a request that another must decide on: it is tried, taken back, and kept as a voorstel.

Two kinds of request come here: the operator's, on a route that is *voorstelbaar*, for the tenant's beheerder to accept; and a
beheerder's, on a route for two pairs of eyes, for whom that route says. The trial runs the route's own endpoint in a
transaction that is then taken back, so that no voorstel is kept that could not be done as things stand. What an operator asks
is done at once when all that the trial changed lies in environments of kind proef: judged by what was changed, not by what
was said.

An endpoint that comes here works through `Asked.scope` alone: in trials and acceptances there is one connection and no other.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NoReturn, cast

import asyncpg
from pydantic import AwareDatetime, Field

from tenants.admins import Admin
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.beheerders import has_auditor
from tenants.voorstellen import Accepts, Request, changed_only_proef, find_voorstel
from tenants.voorstellen import propose as keep_voorstel

_PARAMETER: Final = re.compile(r"\{([a-zA-Z]+)\}")


class Voorgesteld(Shape):
    """What was asked is kept as a voorstel, and not done."""

    voorstel: int
    aanvaarder: Accepts = Field(description="De rol van de tenant die beslist.")
    geldig_tot: AwareDatetime


async def propose(route: Route, asked: Asked) -> Answer | None:
    """Return the answer to a request that another decides on (or that is done at once in proef); None for every other.

    Raises Refused, and what the endpoint raises. Inside a transaction that is open already it is part of that.
    """
    accepts = await _accepts(route, asked)
    if accepts is None:
        return None
    if asked.connection is not None:
        return await _propose(route, asked, asked.connection, accepts)
    async with asked.scope() as connection:
        return await _propose(route, replace(asked, connection=connection), connection, accepts)


async def auditor_grants(_: Asked) -> Accepts | None:
    """For `Route.vier_ogen`: what a beheerder asks here an auditor grants, always."""
    return "auditor"


async def eyes_for_auditor(asked: Asked) -> Accepts | None:
    """Who must accept that somebody becomes, or is no longer, an auditor of the tenant; None for nobody.

    An auditor. Without one that stands, another beheerder; the first that there ever is the beheerder names.
    """
    async with asked.scope() as connection:
        if await has_auditor(connection, asked.tenant_id):
            return "auditor"
        return "beheerder" if await has_auditor(connection, asked.tenant_id, ever=True) else None


def as_accepted(asked: Asked, accepts: Accepts, *, number: int, actor: str) -> Asked:
    """The same request by who accepts it, with no other connection than the one that is open."""
    admin = Admin(number, accepts, asked.tenant)
    closed = cast("asyncpg.Pool", _Closed())
    return replace(asked, admin=admin, actor=actor, rooms=replace(asked.rooms, registry=closed, inzage=closed))


def path_of(route: Route, parameters: Mapping[str, str]) -> str:
    """The path of a request."""
    return _PARAMETER.sub(lambda found: parameters[found[1]], route.path)


def parameters_of(route: Route, path: str) -> Mapping[str, str] | None:
    """The parameters in a path; None when it is none of this route."""
    found = re.fullmatch(_PARAMETER.sub(lambda name: f"(?P<{name[1]}>[^/]+)", route.path), path)
    return None if found is None else found.groupdict()


async def _accepts(route: Route, asked: Asked) -> Accepts | None:
    if asked.admin is None or asked.tenant is None:
        return None
    if asked.admin.role == "operator" and route.voorstelbaar:
        return "beheerder"
    if asked.admin.role == "beheerder" and route.vier_ogen is not None:
        return await route.vier_ogen(asked)
    return None


async def _propose(route: Route, asked: Asked, connection: asyncpg.Connection, accepts: Accepts) -> Answer:
    is_proef = await _try(route, asked, connection, accepts)
    if is_proef and asked.by.role == "operator" and route.vier_ogen is None:
        return await route.endpoint(asked)
    request = Request(
        route=route.name,
        method=route.method,
        path=path_of(route, asked.path),
        body=None if asked.body is None else asked.body.model_dump_json(by_alias=True, exclude_unset=True),
        version=asked.version,
    )
    # In a scope of its own: within an acceptance the actor is more than who opened the transaction.
    async with asked.scope():
        number = await keep_voorstel(connection, asked.tenant_id, request, accepts)
        made = await find_voorstel(connection, asked.tenant_id, number)
    shown = Voorgesteld(voorstel=number, aanvaarder=accepts, geldig_tot=made.valid_until)
    return Answer(202, shown, {"Location": f"/v1/voorstellen/{number}"})


async def _try(route: Route, asked: Asked, connection: asyncpg.Connection, accepts: Accepts) -> bool:
    """Do it as nobody in particular and take it back. Tell whether it changed what is proef, and nothing else."""
    trial = connection.transaction()
    await trial.start()
    try:
        await route.endpoint(as_accepted(asked, accepts, number=0, actor=f"{accepts}/0 (voorstel 0)"))
        return await changed_only_proef(connection, asked.tenant_id)
    finally:
        await trial.rollback()


class _Closed:
    """In the place of a pool: a connection of its own could not be taken back."""

    def acquire(self) -> NoReturn:
        raise RuntimeError("A request that may be taken back works through Asked.scope alone.")
