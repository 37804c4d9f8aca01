"""From an HTTP request to a route's answer: who asks, may that role, and what exactly is asked.

A route without roles does not exist: every one names its roles, or says that it is public. The order of checks is
401 → 403 → 415 → 413 → 400. The application is made from the table of routes alone, and so is the OpenAPI document.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tenants.admins import Admin, Role, recognise
from tenants.api.problems import Refused, fault, unreadable
from tenants.keyring import Keyring

BODY_LIMIT: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
ACTOR: Final = "koppelpunt.actor"
"""Where the request's scope tells the log who asked."""

PUBLIC: Final[frozenset[Role]] = frozenset()
"""The roles of a route that needs none. Written out at the route, never a default."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes work with. `inzage` is a pool of the role that reads the register, `registry` of the other one."""

    registry: asyncpg.Pool
    inzage: asyncpg.Pool
    identity: Keyring
    register: Keyring
    grace_seconds: float
    openapi: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers. `body` None is an empty answer; bytes are a file of `media_type`."""

    status: int
    body: BaseModel | Mapping[str, Any] | bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as its route sees it: authenticated, permitted, and read by the route's shapes."""

    rooms: Rooms
    admin: Admin | None
    path: Mapping[str, str]
    query: Any = field(repr=False)
    body: Any = field(repr=False)

    @property
    def by(self) -> Admin:
        """Who asks. A public route has nobody, and may not ask."""
        if self.admin is None:
            raise RuntimeError("A public route knows no administrator.")
        return self.admin

    @property
    def tenant_id(self) -> int:
        """The tenant of who asks. Raises RuntimeError for the operator, who has none: a route must not come here."""
        if self.by.tenant_id is None:
            raise RuntimeError("The operator has no tenant.")
        return self.by.tenant_id


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `answers` are the shapes of its successes by status; every refusal is a Probleem.

    `files` are the other media types in which the same success can be asked for.
    """

    method: str
    path: str
    name: str
    summary: str
    roles: frozenset[Role]
    endpoint: Callable[[Asked], Awaitable[Answer]]
    answers: Mapping[int, type[BaseModel] | None]
    refusals: frozenset[int] = frozenset()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    files: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        return not self.roles


async def answer(route: Route, request: Request, rooms: Rooms) -> Response:
    """Serve one request. Raises Refused, and what the database raises."""
    admin = None if route.public else await _authenticate(request, rooms)
    if admin is not None:
        request.scope[ACTOR] = admin.actor
    if admin is not None and admin.role not in route.roles:
        raise Refused(403, "rolMagDitNiet", f"De rol {admin.role} mag dit niet.")
    body = None if route.body is None else await _read_body(request, route.body)
    query = _read_query(request, route.query)
    made = await route.endpoint(Asked(rooms, admin, request.path_params, query, body))
    if made.body is None:
        return Response(status_code=made.status, headers=dict(made.headers))
    return Response(
        content=_written(made.body),
        status_code=made.status,
        headers=dict(made.headers),
        media_type=made.media_type,
    )


async def _authenticate(request: Request, rooms: Rooms) -> Admin:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": 'Bearer realm="koppelpunt"'}
    if scheme.lower() != "bearer" or not secret:
        raise Refused(
            401, "nietIngelogd", "Stuur een beheersleutel mee: 'Authorization: Bearer kpa_…'.", headers=challenge
        )
    async with rooms.registry.acquire() as connection:
        admin = await recognise(connection, rooms.identity, secret)
    if admin is None:
        raise Refused(
            401, "onbekendeSleutel", "Deze beheersleutel is onbekend, verlopen of ingetrokken.", headers=challenge
        )
    return admin


async def _read_body(request: Request, shape: type[BaseModel]) -> BaseModel:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or parameters.strip().lower() not in {"", "charset=utf-8"}:
        raise Refused(415, "geenJson", "Stuur het verzoek als application/json in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "gecodeerd", "Stuur het verzoek zonder Content-Encoding.")
    text = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                text += chunk
                if len(text) > BODY_LIMIT:
                    raise Refused(413, "teGroot", f"Het verzoek mag hoogstens {BODY_LIMIT} bytes zijn.")
    except TimeoutError:
        raise Refused(408, "teTraag", f"Het verzoek kwam niet binnen {BODY_SECONDS:g} seconden.") from None
    try:
        return shape.model_validate_json(bytes(text))
    except ValidationError as error:
        raise unreadable(error, "body") from None


def _read_query(request: Request, shape: type[BaseModel] | None) -> BaseModel | None:
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults = [fault("query", name, "twice", "Deze parameter staat er meer dan eens.") for name in twice]
        raise Refused(400, "ongeldigVerzoek", "Het verzoek klopt niet; 'errors' zegt wat en waar.", faults=faults)
    if shape is None:
        if given:
            faults = [fault("query", name, "extra_forbidden", "Deze parameter is onbekend.") for name in names]
            raise Refused(400, "ongeldigVerzoek", "Dit adres heeft geen parameters.", faults=faults)
        return None
    try:
        return shape.model_validate(dict(given))
    except ValidationError as error:
        raise unreadable(error, "query") from None


def _written(body: BaseModel | Mapping[str, Any] | bytes) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True).encode()
    return orjson.dumps(body)
