"""Administrators by token: whose issuer, whose keys, for whom, until when; and everything else lets nobody in."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.pki import Pki
from tenants.admins import scope_of
from tenants.api.routing import TENANT_HEADER
from tenants.beheer_tokens import BeheerTokens, TokenRefused
from tenants.beheerders import (
    Beheerder,
    BeheerIdp,
    add_beheer_idp,
    add_beheerder,
    end_beheer_idp,
    withdraw_beheerder,
)
from tenants.config import TenantsConfig
from tenants.keysets import KeySets, KeyTimes
from tests.admin.conftest import Api, Reply, running
from tests.callers.issuers import OidcServer, jwks_of, make_key, oidc_server
from tests.databases import Database
from tests.worlds import World

AUDIENCE = "koppelpunt-beheer"
NOW = 1_800_000_000.0
PROVIDER = BeheerIdp(1, "Entra", "https://idp.example", "https://idp.example/jwks", AUDIENCE, ("RS256",), 30, "sub")
GOOD = {"aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 300, "sub": "j.jansen"}


@dataclass(frozen=True, slots=True)
class Desk:
    """The admin API over tokens: the tenant's provider and the other tenant's."""

    api: Api
    idp: OidcServer
    other_idp: OidcServer
    number: int

    async def ask(self, token: str, path: str = "/v1/wijzigingen", **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return await self.api.ask(options.pop("method", "GET"), path, headers=headers, **options)

    async def code(self, token: str, path: str = "/v1/wijzigingen", **options: Any) -> tuple[int, str]:
        reply = await self.ask(token, path, **options)
        return reply.status, "" if reply.status < 400 else reply.json["code"]


def token(idp: OidcServer, sub: str = "j.jansen", **changed: Any) -> str:
    return idp.token(**{"sub": sub, "aud": AUDIENCE, **changed})


@pytest.fixture
async def desk(
    config: TenantsConfig,
    keys: dict[str, str],
    registrar: asyncpg.Connection,
    world: World,
    other: World,
    pki: Pki,
    tmp_path: Path,
) -> AsyncIterator[Desk]:
    server = pki.issue_server(["localhost"])
    certificate, key, root = (tmp_path / name for name in ("idp.pem", "idp.key", "root.pem"))
    certificate.write_bytes(server.chain_pem)
    key.write_bytes(server.key_pem)
    root.write_bytes(pki.root_pem)
    async with (
        oidc_server(certificate, key, make_key("een", "RS256")) as idp,
        oidc_server(certificate, key, make_key("ander", "ES256")) as other_idp,
    ):
        number = await register(registrar, world.tenant_id, idp, ("j.jansen", "beheerder"), ("a.auditor", "auditor"))
        await register(registrar, other.tenant_id, other_idp, ("j.jansen", "beheerder"))
        hosts = ",".join(one.url.removeprefix("https://") for one in (idp, other_idp))
        fetching = {"fetch_hosts": hosts, "fetch_internal_networks": "127.0.0.0/8,::1/128", "fetch_ca_file": root}
        async with serving(config.model_copy(update=fetching), keys) as api:
            yield Desk(api, idp, other_idp, number)


async def register(
    registrar: asyncpg.Connection, tenant_id: int | None, idp: OidcServer, *people: tuple[str, Any]
) -> int:
    made = replace(PROVIDER, issuer=idp.url, jwks_url=f"{idp.url}/jwks", algorithms=("RS256", "ES256"))
    async with scope_of(registrar, tenant_id, actor="test"):
        number = await add_beheer_idp(registrar, tenant_id, made)
        for subject, role in people:
            await add_beheerder(registrar, tenant_id, Beheerder(0, number, subject, role, subject, None))
    return number


@asynccontextmanager
async def serving(config: TenantsConfig, keys: dict[str, str]) -> AsyncIterator[Api]:
    async with running(config) as (port, observed), aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", keys, session)


async def test_a_token_opens_what_the_role_of_whom_it_names_opens(desk: Desk, world: World):
    beheerder, auditor = token(desk.idp), token(desk.idp, "a.auditor")
    assert await desk.code(beheerder) == (200, "")
    search = {"reden": "Controle", "periode": {"van": "2020-01-01T00:00:00Z", "tot": "2100-01-01T00:00:00Z"}}
    asked = {"method": "POST", "json": search}
    assert await desk.code(beheerder, "/v1/protocolregels/zoekvraag", **asked) == (403, "rolMagDitNiet")
    assert await desk.code(auditor, "/v1/protocolregels/zoekvraag", **asked) == (200, "")
    tenants = await desk.ask(beheerder, "/v1/tenants")
    assert [one["tenantId"] for one in tenants.json["tenants"]] == [world.tenant_id]
    assert await desk.code(token(desk.idp, "onbekend")) == (403, "geenBeheerder")
    # The keys were fetched once for all of them.
    assert desk.idp.fetched == 1


async def test_who_is_named_by_another_tenants_issuer_is_of_that_tenant(desk: Desk, world: World, other: World):
    theirs = token(desk.other_idp)
    tenants = await desk.ask(theirs, "/v1/tenants")
    assert [one["tenantId"] for one in tenants.json["tenants"]] == [other.tenant_id]
    header = {TENANT_HEADER: str(world.tenant_id)}
    assert await desk.code(theirs, "/v1/beheerders", headers=header) == (403, "nietVanDezeTenant")
    # Signed with the other one's key, it is nobody's token.
    forged = desk.other_idp.keys[0].sign(claims_of(token(desk.idp)))
    assert await desk.code(forged) == (401, "ongeldigToken")


async def test_what_is_no_good_token_lets_nobody_in_and_is_an_event(desk: Desk):
    good, now = token(desk.idp), time.time()
    claims = claims_of(good)
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    body = good.split(".")[1]
    same_name = replace(make_key("een", "RS256"))
    bad = {
        "none": f"{header}.{body}.",
        "none with a signature": f"{header}.{body}.{good.split('.')[2]}",
        "another key of the same name": same_name.sign(claims),
        "another issuer": token(desk.idp, iss="https://elders.example"),
        "no issuer": token(desk.idp, iss=None),
        "another audience": token(desk.idp, aud="https://koppelpunt.example"),
        "over": token(desk.idp, iat=int(now) - 900, exp=int(now) - 60),
        "not yet": token(desk.idp, nbf=int(now) + 300),
        "too long": token(desk.idp, exp=int(now) + 7 * 3600),
        "another type": desk.idp.keys[0].sign(claims, typ="logout+jwt"),
        "a critical header": desk.idp.keys[0].sign(claims, crit=["x"], x=1),
        "changed": f"{good.split('.')[0]}.{body[:-4]}AAAA.{good.split('.')[2]}",
        "padding": good + "=",
    }
    for name, one in bad.items():
        with capture_logs() as logs:
            assert await desk.code(one) == (401, "ongeldigToken"), name
        (event,) = [log for log in logs if log["event"] == "veiligheid"]
        told = {name: event[name] for name in ("actie", "object", "resultaat", "status", "onderdeel", "actor")}
        assert told == {
            "actie": "wijzigingen", "object": "/v1/wijzigingen", "resultaat": "ongeldigToken", "status": 401,
            "onderdeel": "tenants", "actor": "onbekend",
        }, name  # fmt: skip
        assert ip_address(event["oorsprong"]).is_loopback
        assert event["reden"], name
        assert one not in str(logs)
        assert "j.jansen" not in str(logs)
    assert await desk.code(good) == (200, "")


async def test_who_is_withdrawn_ended_or_of_an_ended_provider_is_out_at_once(
    desk: Desk, world: World, registrar, admin
):
    mine = token(desk.idp)
    assert await desk.code(mine) == (200, "")
    await admin.execute("UPDATE registry.beheerder SET valid_until = now() WHERE subject = 'a.auditor'")
    assert await desk.code(token(desk.idp, "a.auditor")) == (403, "geenBeheerder")
    number = await admin.fetchval("SELECT beheerder_id FROM registry.beheerder WHERE beheer_idp_id = $1 "
                                  "AND subject = 'j.jansen'", desk.number)  # fmt: skip
    async with scope_of(registrar, world.tenant_id, actor="beheerder/1"):
        await withdraw_beheerder(registrar, world.tenant_id, number)
    assert await desk.code(mine) == (403, "geenBeheerder")
    async with scope_of(registrar, world.tenant_id, actor="beheerder/1"):
        await end_beheer_idp(registrar, world.tenant_id, desk.number)
    assert await desk.code(mine) == (401, "ongeldigToken")


async def test_of_an_ended_tenant_the_auditors_alone_are_left(desk: Desk, world: World, admin: asyncpg.Connection):
    await admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", world.tenant_id)
    assert await desk.code(token(desk.idp)) == (403, "geenBeheerder")
    assert await desk.code(token(desk.idp, "a.auditor")) == (200, "")


async def test_keys_that_rotate_are_fetched_again_and_not_more_often_than_they_may(desk: Desk):
    assert await desk.code(token(desk.idp)) == (200, "")
    old = token(desk.idp)
    desk.idp.rotate(make_key("twee", "ES256"))
    # Whatever names are presented, the provider is asked once in its interval.
    for _ in range(3):
        assert await desk.code(token(desk.idp)) == (401, "ongeldigToken")
    assert desk.idp.fetched == 1
    assert await desk.code(old) == (200, "")


async def test_after_a_rotation_the_new_key_counts_and_the_old_one_does_not(
    database: Database, registrar, world: World
):
    old, new = make_key("oud"), make_key("nieuw")
    published = [old]

    async def fetch(_: str) -> bytes:
        return json.dumps(jwks_of(*published)).encode()

    async with scope_of(registrar, world.tenant_id, actor="test"):
        idp = await add_beheer_idp(registrar, world.tenant_id, replace(PROVIDER, algorithms=("ES256",)))
        await add_beheerder(registrar, world.tenant_id, Beheerder(0, idp, "j.jansen", "beheerder", "J", None))
    tokens = BeheerTokens(KeySets(fetch, KeyTimes(interval=0.0)), clock=lambda: NOW)
    said = {**GOOD, "iss": PROVIDER.issuer}
    async with asyncpg.create_pool(database.url("tenants"), min_size=0, max_size=2) as pool:
        assert [one.role for one in await tokens.read(pool, old.sign(said))] == ["beheerder"]
        published[:] = [new]
        assert [one.tenant_id for one in await tokens.read(pool, new.sign(said))] == [world.tenant_id]
        with pytest.raises(TokenRefused) as refused:
            await tokens.read(pool, old.sign(said))
    assert refused.value.code == "sleutel"


async def test_without_its_provider_nobody_comes_and_nobody_is_called_a_liar(desk: Desk):
    desk.idp.status = 500
    assert await desk.code(token(desk.idp)) == (503, "idpOnbereikbaar")
    assert await desk.code(token(desk.other_idp)) == (200, "")


async def test_an_issuer_is_one_sides_whatever_it_is_used_for(
    registrar: asyncpg.Connection, world: World, other: World
):
    taken = [(None, "https://operator.example"), (world.tenant_id, "https://een.example")]
    for tenant_id, issuer in taken:
        async with scope_of(registrar, tenant_id, actor="test"):
            await add_beheer_idp(registrar, tenant_id, replace(PROVIDER, issuer=issuer))
    for _, issuer in taken:
        with pytest.raises(asyncpg.UniqueViolationError):
            async with scope_of(registrar, other.tenant_id, actor="test"):
                await add_beheer_idp(registrar, other.tenant_id, replace(PROVIDER, issuer=issuer))
        with pytest.raises(asyncpg.UniqueViolationError) as refused:
            async with scope_of(registrar, other.tenant_id, actor="test"):
                await caller_idp(registrar, other.tenant_id, issuer)
        assert refused.value.constraint_name == "issuer_of_one"
    # The same organisation may use its provider for its taaksystemen too.
    async with scope_of(registrar, world.tenant_id, actor="test"):
        await caller_idp(registrar, world.tenant_id, "https://een.example")
        await caller_idp(registrar, world.tenant_id, "https://twee.example")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with scope_of(registrar, None, actor="test"):
            await add_beheer_idp(registrar, None, replace(PROVIDER, issuer="https://twee.example"))


async def caller_idp(registrar: asyncpg.Connection, tenant_id: int, issuer: str) -> None:
    await registrar.execute(
        "INSERT INTO registry.idp (tenant_id, name, issuer, jwks_url, audience) VALUES ($1, $2, $2, $2, 'x')",
        tenant_id, issuer,
    )  # fmt: skip


async def test_nobody_is_named_by_another_sides_provider(registrar: asyncpg.Connection, world: World, other: World):
    async with scope_of(registrar, world.tenant_id, actor="test"):
        number = await add_beheer_idp(registrar, world.tenant_id, PROVIDER)
    for tenant_id, role in ((other.tenant_id, "beheerder"), (None, "operator")):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with scope_of(registrar, tenant_id, actor="test"):
                await add_beheerder(registrar, tenant_id, Beheerder(0, number, "x", role, "x", None))  # type: ignore[arg-type]


async def test_a_beheerder_that_ends_is_named_with_its_end(registrar: asyncpg.Connection, world: World):
    until = datetime.now(UTC) + timedelta(days=3)
    async with scope_of(registrar, world.tenant_id, actor="test"):
        idp = await add_beheer_idp(registrar, world.tenant_id, PROVIDER)
        number = await add_beheerder(registrar, world.tenant_id, Beheerder(0, idp, "x", "auditor", "x", until))
        assert (
            await registrar.fetchval("SELECT valid_until FROM registry.beheerder WHERE beheerder_id = $1", number)
            == until
        )


def claims_of(text: str) -> dict[str, Any]:
    part = text.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read
