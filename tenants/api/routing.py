"""What a route is, what it is asked and what it answers: the values of the admin API.

A route without roles does not exist: every one names its roles, or says that it is public. The application is made from
the table of routes alone, and so is the OpenAPI document. How a request becomes an answer stands in `tenants.api.answering`.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import asyncpg
import orjson
from pydantic import BaseModel

from tenants.admins import Admin, Role, scope_of
from tenants.api.problems import Refused
from tenants.api.watching import Watching
from tenants.beheer_tokens import BeheerTokens
from tenants.blokkades import Emergency
from tenants.certificates_opening import Opening
from tenants.certificates_trust import Trust
from tenants.heavy_reads import HeavyReads
from tenants.keyring import Keyring
from tenants.notices.signing import NoticeKeys

ACTOR: Final = "koppelpunt.actor"
"""Where the request's scope tells the log who asked."""
TENANT_HEADER: Final = "Koppelpunt-Tenant"
"""Who has no tenant, or acts for another one, names the tenant in this header."""

PUBLIC: Final[frozenset[Role]] = frozenset()
"""The roles of a route that needs none. Written out at the route, never a default."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes work with. `inzage` is a pool of the role that reads the register, `registry` of the other one."""

    registry: asyncpg.Pool
    inzage: asyncpg.Pool
    identity: Keyring
    register: Keyring
    grace_seconds: float
    openapi: Mapping[str, Any] = field(repr=False)
    tokens: BeheerTokens
    trust: Trust = field(default_factory=Trust)
    emergency: Emergency | None = None
    heavy: HeavyReads = field(default_factory=HeavyReads)
    opening: Opening = field(default_factory=Opening)
    watching: Watching = field(default_factory=Watching)

    def urgently(self) -> "Rooms":
        """The same with the connections that are kept for what cannot wait (`Route.voorrang`)."""
        return self if self.emergency is None else replace(self, registry=self.emergency.pool)

    async def wait_until_closed(self) -> None:
        """Wait until nothing of before a block can be let through any more. Raises GraceTimeout."""
        await (self.emergency or Emergency(self.registry)).wait_until_closed(self.grace_seconds)

    notice_keys: NoticeKeys | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers. `body` None is an empty answer; bytes are a file of `media_type`.

    `version` is that of the one thing which is shown, and becomes its ETag. `shows_secret` says that the body holds what
    is shown this once: it is never kept for a repeated request. `lines` go out one by one in place of a body, as they come.
    """

    status: int
    body: BaseModel | Mapping[str, Any] | bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    version: int | None = None
    shows_secret: bool = False
    lines: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as its route sees it: authenticated, permitted, and read by the route's shapes.

    `tenant` is the tenant that it is about: the own one, or the one that was named (`Route.of_tenant`); None for an
    operator's own doings. `version` is what If-Match said. `actor` is who the history says did it. `connection` is there
    when the request is one transaction that is open already. `accept` is the header of that name, for `Route.files`.
    """

    rooms: Rooms
    admin: Admin | None
    path: Mapping[str, str]
    query: Any = field(repr=False)
    body: Any = field(repr=False)
    tenant: int | None = None
    version: int | None = None
    actor: str = ""
    connection: asyncpg.Connection | None = None
    accept: str = ""

    @property
    def by(self) -> Admin:
        """Who asks. A public route has nobody, and may not ask."""
        if self.admin is None:
            raise RuntimeError("A public route knows no administrator.")
        return self.admin

    @property
    def tenant_id(self) -> int:
        """The tenant that this is about. Raises RuntimeError when it is about none: a route must not come here."""
        if self.tenant is None:
            raise RuntimeError("This request is about no tenant.")
        return self.tenant

    def number(self, name: str = "nummer") -> int:
        """A number of the path, written in the one way that it has. What cannot be one is 404: nothing has that number."""
        text = self.path[name]
        if _NUMBER.fullmatch(text) is None or int(text) > _LARGEST:
            raise Refused(404, "nietGevonden", "Dit bestaat hier niet.")
        return int(text)

    @asynccontextmanager
    async def of_register(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the role that reads the register: the one that is open, or one of its pool."""
        if self.connection is not None:
            yield self.connection
            return
        async with self.rooms.inzage.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction of the registry in the scope of the tenant that this is about (or the operator's)."""
        if self.connection is not None:
            async with scope_of(self.connection, self.tenant, actor=self.actor):
                yield self.connection
            return
        async with (
            self.rooms.registry.acquire() as connection,
            scope_of(connection, self.tenant, actor=self.actor),
        ):
            yield connection


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation, equal to none but itself. `answers` are the shapes of its successes by status; every refusal is a Probleem.

    `files` are the other media types in which the same success can be asked for.
    `of_tenant`: it is about one tenant. A beheerder's or auditor's own; whoever has none or acts for another names it in
    the header `Koppelpunt-Tenant`.
    `versioned`: reading gives an ETag, and everything else demands If-Match; the endpoint holds the row to it.
    `idempotent`: a POST takes an Idempotency-Key, and is one transaction.
    `anew`: reads what a POST made, for a request that is sent again. It is of the register: made by the role that reads it,
    and nothing of its answer is kept but where that is.
    `herhaalt_niet`: why a POST cannot be sent again with a key; it refuses one. Others that take none pass over it: they only
    read, or are the same when they are done again.
    `voorstelbaar`: what the operator asks here becomes a voorstel that the tenant accepts (`tenants.api.proposing`).
    `vier_ogen`: says which role must accept what a beheerder asks here, None for nobody: it becomes a voorstel too.
    `eigen`: of the tenant itself; nobody does it by a mandate.
    `geen_sleutel`: no key that is for some routes only opens it, not even when it is named: by it administrators are made.
    `voorrang`: it has connections of its own, for when everything else waits.
    `ook_operator`: without the header an operator asks it of its own; of a tenant it can then only be proposed.
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
    of_tenant: bool = False
    versioned: bool = False
    idempotent: bool = False
    voorstelbaar: bool = False
    vier_ogen: Callable[[Asked], Awaitable[Literal["beheerder", "auditor"] | None]] | None = None
    anew: Callable[[Asked], Awaitable[Answer]] | None = None
    herhaalt_niet: str = ""
    eigen: bool = False
    geen_sleutel: bool = False
    ook_operator: bool = False
    voorrang: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ValueError."""
        if self.idempotent and self.method != "POST":
            raise ValueError(f"{self.name}: only a POST takes an Idempotency-Key.")
        if self.herhaalt_niet and self.idempotent:
            raise ValueError(f"{self.name}: it takes an Idempotency-Key, or refuses it.")
        if self.anew is not None and not self.idempotent:
            raise ValueError(f"{self.name}: only what takes an Idempotency-Key is answered anew.")
        if self.voorstelbaar and not self.of_tenant:
            raise ValueError(f"{self.name}: a voorstel is made to one tenant.")
        if (self.voorstelbaar or self.vier_ogen is not None) and self.query is not None:
            raise ValueError(f"{self.name}: a voorstel keeps no parameters.")

    @property
    def public(self) -> bool:
        return not self.roles

    @property
    def demands_version(self) -> bool:
        return self.versioned and self.method != "GET"


def as_bytes(body: BaseModel | Mapping[str, Any] | bytes) -> bytes:
    """How a body goes over the wire."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True).encode()
    return orjson.dumps(body)
