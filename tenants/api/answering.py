"""From an HTTP request to a route's answer: who asks, may that role, about which tenant, and what exactly is asked.

The order of checks is 401 → 403 → 400 (tenant) → 428 → 415 → 413 → 400. What the registry refuses becomes a refusal of
the API here, and nowhere else.
"""

import asyncpg
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tenants.api.authenticating import admit
from tenants.api.proposing import propose
from tenants.api.refusals import refusal_of
from tenants.api.repeating import answer_once, read_key
from tenants.api.requests import parse_body, read_body, read_query, read_version, refuse
from tenants.api.routing import ACTOR, Answer, Asked, Rooms, Route, as_bytes
from tenants.api.shapes import Fout
from tenants.faults import RegistryError


async def answer(route: Route, request: Request, rooms: Rooms) -> Response:
    """Serve one request. Raises Refused, and what the database raises when it cannot be reached."""
    admin, tenant = None, None
    rooms = rooms.urgently() if route.voorrang else rooms
    if not route.public:
        admitted = await admit(request, route, rooms)
        admin, tenant = admitted.admin, admitted.tenant
        request.scope[ACTOR] = admin.actor
    version = read_version(request) if route.demands_version else None
    document = b"" if route.body is None else await read_body(request)
    faults: list[Fout] = []
    key = read_key(request, route, faults)
    body = None if route.body is None else parse_body(document, route.body, faults)
    query = read_query(request, route.query, faults)
    refuse(faults)
    actor = "" if admin is None else admin.actor
    accept = request.headers.get("accept", "") if route.files else ""
    asked = Asked(rooms, admin, request.path_params, query, body, tenant, version, actor, accept=accept)
    return _written(await _answered(route, asked, document, key))


async def _answered(route: Route, asked: Asked, document: bytes, key: str | None) -> Answer:
    if key is not None:
        return await answer_once(route, asked, document, key, perform)
    return await perform(route, asked)


async def perform(route: Route, asked: Asked) -> Answer:
    """Let a route do what it is asked, or make a voorstel of it when another must decide. Raises Refused."""
    try:
        proposed = await propose(route, asked)
    except (RegistryError, asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        raise refusal_of(error) from None
    return await run(route, asked) if proposed is None else proposed


async def run(route: Route, asked: Asked) -> Answer:
    """Let a route do what it is asked, by whoever may ask it. Raises Refused."""
    try:
        return await route.endpoint(asked)
    except (RegistryError, asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        raise refusal_of(error) from None


def _written(made: Answer) -> Response:
    headers = dict(made.headers)
    if made.version is not None:
        headers["ETag"] = f'"{made.version}"'
    if made.lines is not None:
        return StreamingResponse(made.lines, made.status, headers, made.media_type)
    if made.body is None:
        return Response(status_code=made.status, headers=headers)
    return Response(content=as_bytes(made.body), status_code=made.status, headers=headers, media_type=made.media_type)
