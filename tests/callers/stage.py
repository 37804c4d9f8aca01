"""A gateway process over TLS, an OIDC server, and three gemeenten whose taaksystemen prove themselves in three ways."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from gateway.idp.assertions import TYPE
from gateway.pki import Issued
from tenants.caller_keys import (
    NewIdp,
    put_idp,
    register_certificate,
    register_idp_client,
    register_signing_client,
    set_required_proofs,
)
from tenants.scope import tenant_scope
from tests.callers.issuers import AUDIENCE, CLIENT, OidcServer, SigningKey, jwks_of, make_key, oidc_server
from tests.databases import Database
from tests.world import GatewayProcess, Member, World, question, world

ISSUER = "https://localhost/nidp/oauth/nam"
PERSONEN = "/api/brp/personen"
TOKEN = "/nidp/oauth/nam/token"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any = field(repr=False)

    @property
    def code(self) -> str:
        return str(self.body.get("code") or self.body.get("error"))


@dataclass(slots=True)
class Stage:
    """`medewerkers` calls with tokens of its IDP, `samen` with API key and certificate, `tekent` by signed assertion."""

    world: World
    gateway: GatewayProcess
    idp: OidcServer
    medewerkers: Member
    samen: Member
    tekent: Member
    certificates: dict[str, Issued]
    own_key: SigningKey
    sessions: dict[str | None, aiohttp.ClientSession] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.gateway.port}"

    def session(self, certificate: str | None) -> aiohttp.ClientSession:
        """The connections over one client certificate, or over none."""
        if certificate not in self.sessions:
            context = ssl.create_default_context(cafile=str(self.world.ground.trust_anchors))
            if certificate is not None:
                context.load_cert_chain(*self.certificates[certificate].save(self.world.ground.directory, certificate))
            connector = aiohttp.TCPConnector(ssl=context, limit=0)
            self.sessions[certificate] = aiohttp.ClientSession(connector=connector)
        return self.sessions[certificate]

    async def call(self, *, certificate: str | None = None, path: str = PERSONEN, **headers: str) -> Answer:
        """Ask about a person, with these credentials."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session(certificate).post(self.url + path, json=question(), headers=sent) as answer:
            return Answer(answer.status, await answer.json(content_type=None))

    async def ask_token(self, *, certificate: str | None = None, **fields: str) -> Answer:
        async with self.session(certificate).post(self.url + TOKEN, data=fields) as answer:
            return Answer(answer.status, await answer.json(content_type=None))

    def user_token(self, **changed: Any) -> str:
        return self.idp.token(**{"afnemerID": self.medewerkers.account.afnemer_id, **changed})

    def assertion(self, **changed: Any) -> str:
        now = int(time.time())
        said = {"iss": "kp-teken", "sub": "kp-teken", "aud": ISSUER, "jti": str(uuid4()), "iat": now, "exp": now + 60}
        return self.own_key.sign({**said, **changed})

    async def signed_token(self, certificate: str | None = "tekent", text: str | None = None) -> Answer:
        return await self.ask_token(
            certificate=certificate,
            grant_type="client_credentials",
            scope=self.tekent.scope,
            client_assertion_type=TYPE,
            client_assertion=text or self.assertion(),
        )


@contextlib.asynccontextmanager
async def stage_of(database: Database, directory: Path, **settings: str) -> AsyncIterator[Stage]:
    """A stage with everything registered. `settings` are the gateway's."""
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(database, directory))
        files = here.ground.directory
        idp = await stack.enter_async_context(oidc_server(files / "gateway.pem", files / "gateway.key"))
        members = await here.add_members(3)
        own_key = make_key("eigen", "PS256")
        names = dict(zip(("medewerkers", "samen", "tekent"), members, strict=True))
        certificates = {n: here.ground.pki.issue_client(m.account.oin, "Taaksysteem") for n, m in names.items()}
        await _register(here, idp, names, certificates, own_key)
        given = {
            "certificate_file": str(files / "gateway.pem"),
            "key_file": str(files / "gateway.key"),
            "client_ca_file": str(here.ground.trust_anchors),
            "client_certificates": "optional",
            "fetch_hosts": idp.url.removeprefix("https://"),
            "fetch_internal_networks": "127.0.0.0/8, ::1/128",
            "fetch_ca_file": str(here.ground.trust_anchors),
            "idp_keys_interval": "1",
            **settings,
        }
        (gateway,) = await stack.enter_async_context(here.gateways(1, **given))
        made = Stage(here, gateway, idp, *_three(members), certificates, own_key)
        try:
            yield made
        finally:
            for session in made.sessions.values():
                await session.close()
            # aiohttp closes its TLS connections a moment after it says so.
            await asyncio.sleep(0.05)


def _three(members: list[Member]) -> tuple[Member, Member, Member]:
    first, second, third = members
    return first, second, third


async def _register(
    here: World, idp: OidcServer, names: dict[str, Member], certificates: dict[str, Issued], own_key: SigningKey
) -> None:
    db = here.tenants
    first, second, third = names.values()
    async with tenant_scope(db, first.tenant_id, actor="test"):
        words = NewIdp("medewerkers", idp.url, f"{idp.url}/jwks", AUDIENCE, claim_user="medewerker",
                       claim_roles="realm_access.roles", claim_afnemer_id="afnemerID")  # fmt: skip
        idp_id, _ = await put_idp(db, first.tenant_id, words)
        await register_idp_client(db, first.tenant_id, first.taaksysteem_id, idp_id=idp_id, client=CLIENT)
    async with tenant_scope(db, second.tenant_id, actor="test"):
        thumbprint = bytes.fromhex(certificates["samen"].fingerprint)
        await register_certificate(db, second.tenant_id, second.taaksysteem_id, thumbprint=thumbprint)
        await set_required_proofs(db, second.tenant_id, second.taaksysteem_id, ["api-key", "certificate"])
    async with tenant_scope(db, third.tenant_id, actor="test"):
        await register_certificate(db, third.tenant_id, third.taaksysteem_id, oin=third.account.oin)
        await register_signing_client(
            db, third.tenant_id, third.taaksysteem_id, jwks=jwks_of(own_key), client_id="kp-teken"
        )
