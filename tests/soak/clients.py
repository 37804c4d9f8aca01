"""Who calls: each a tenant with one application, which proves itself in one of four ways and remembers what it may."""

import contextlib
import contextvars
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tenants.caller_keys import (
    NewIdp,
    put_idp,
    register_certificate,
    register_idp_client,
    set_required_proofs,
)
from tenants.delivery.places import PlaceKind, add_place
from tenants.scope import tenant_scope
from tests.callers.issuers import AUDIENCE, CLIENT, OidcServer
from tests.world import Member, World

PROOFS = ("idp", "certificate", "token", "token", "token", "api-key", "api-key", "api-key", "api-key", "api-key")
"""How the clients prove themselves, in turn. `certificate` is shown beside an API key, and both are required."""
ACTOR = "test"
KEPT_SECONDS = 3.0
"""How long callers keep an idle connection: shorter than a gateway that ends waits for one more request over it."""


@dataclass(slots=True)
class Passage:
    """The connection of one call: its port at the caller's side, when it was there, and what broke it.

    `used` says how many seconds before the connection had been taken by another call; None for a new one.
    """

    port: int = 0
    at: float = 0.0
    used: float | None = None
    error: str = ""

    def __str__(self) -> str:
        if not self.port:
            return f"no connection ({self.error})"
        how = "new" if self.used is None else f"used {self.used:.2f} s before"
        return f"port {self.port}, {how}, taken at {self.at:.2f} ({self.error})"


CALLING: contextvars.ContextVar[Passage] = contextvars.ContextVar("CALLING")
"""The passage of the call that this task makes."""


class WatchedConnector(aiohttp.TCPConnector):
    """Notes of every call which connection it got."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._taken: dict[int, float] = {}

    async def connect(self, *asked: Any, **settings: Any) -> Any:
        made = await super().connect(*asked, **settings)
        passage = CALLING.get(None)
        if passage is not None and made.transport is not None:
            passage.port, passage.at = made.transport.get_extra_info("sockname")[1], time.time()
            before = self._taken.get(passage.port)
            passage.used = None if before is None else passage.at - before
            self._taken[passage.port] = passage.at
        return made


@dataclass(slots=True, eq=False)
class Client:
    """One application. `unsettled` are periods (Unix times) in which something of it was being changed or blocked."""

    member: Member
    proof: str
    session: aiohttp.ClientSession = field(repr=False)
    issuer: str = ""
    token: str | None = field(default=None, repr=False)
    unsettled: list[tuple[float, float]] = field(default_factory=list)
    changing: float | None = None
    answered: int = 0

    @contextlib.contextmanager
    def disturbed(self) -> Iterator[None]:
        """While something of it is changed a call of it may be refused."""
        self.changing = time.time()
        try:
            yield
        finally:
            self.unsettled.append((self.changing, time.time()))
            self.changing = None

    def was_settled(self, began: float, ended: float) -> bool:
        """Whether nothing of it was being changed at any moment of a period."""
        return all(ended < since or until < began for since, until in self.unsettled)


async def make_clients(
    here: World, tenants: int, idp: OidcServer, inbox: int, stack: contextlib.AsyncExitStack
) -> list[Client]:
    """Register so many tenants, each with its proof and with a place for its checkpoints."""
    plain = await stack.enter_async_context(_session(here, None))
    made = []
    for number, member in enumerate(await here.add_members(tenants)):
        proof = PROOFS[number % len(PROOFS)]
        session = await stack.enter_async_context(_session(here, member)) if proof == "certificate" else plain
        client = Client(member, proof, session, f"{idp.url}/{member.number}")
        await _register(here, client, idp, inbox)
        made.append(client)
    return made


async def _register(here: World, client: Client, idp: OidcServer, inbox: int) -> None:
    member, db = client.member, here.tenants
    kind: PlaceKind = "http" if member.number % 2 else "file"
    place = f"https://localhost:{inbox}/{member.account.oin}" if kind == "http" else member.account.oin
    async with tenant_scope(db, member.tenant_id, actor=ACTOR):
        await add_place(db, member.tenant_id, kind, place, every_seconds=60)
        if client.proof == "idp":
            words = NewIdp(
                "medewerkers", client.issuer, f"{idp.url}/jwks", AUDIENCE, claim_user="medewerker",
                claim_roles="realm_access.roles", claim_afnemer_id="afnemerID",
            )  # fmt: skip
            idp_id, _ = await put_idp(db, member.tenant_id, words)
            await register_idp_client(db, member.tenant_id, member.taaksysteem_id, idp_id=idp_id, client=CLIENT)
        if client.proof == "certificate":
            thumbprint = bytes.fromhex(member.issued.fingerprint)
            await register_certificate(db, member.tenant_id, member.taaksysteem_id, thumbprint=thumbprint)
            await set_required_proofs(db, member.tenant_id, member.taaksysteem_id, ["api-key", "certificate"])


def _session(here: World, member: Member | None) -> aiohttp.ClientSession:
    """Connections over the certificate of a member, or over none. Nothing is sent twice."""
    context = ssl.create_default_context(cafile=str(here.ground.trust_anchors))
    if member is not None:
        # The certificate that it was registered with at first, for as long as it runs.
        context.load_cert_chain(*member.issued.save(here.ground.directory, f"client-{member.number}"))
    made = aiohttp.ClientSession(
        connector=WatchedConnector(ssl=context, limit=0, keepalive_timeout=KEPT_SECONDS),
        timeout=aiohttp.ClientTimeout(total=60),
    )
    # A GET on a connection that was closed meanwhile would be sent again, and would count twice in the ledgers.
    made._retry_connection = False
    return made
