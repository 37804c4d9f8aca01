"""How callers prove themselves, in the registry: what can be registered, and that withdrawing it ends calls at the opening."""

import asyncio
import json
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gateway.errors import RegisterUnavailable
from gateway.idp.assertions import Use
from gateway.idp.used import UsedAssertions
from gateway.pki import make_pki
from gateway.registry_rows import read_parts
from tenants.caller_keys import (
    NewIdp,
    check_public_keys,
    end_idp,
    put_idp,
    register_certificate,
    register_idp_client,
    register_signing_client,
    replace_public_keys,
    set_required_proofs,
)
from tenants.callers import withdraw_key
from tenants.faults import InputRefused, NotFound
from tenants.onboarding import apply
from tenants.scope import tenant_scope
from tests.callers.issuers import SigningKey, jwks_of, make_key
from tests.callers.standing import keys_of
from tests.db.calls import Writer
from tests.worlds import Keyrings, World, make_world

PKI, KEYRINGS = make_pki(), Keyrings()
IDP = NewIdp("medewerkers", "https://idp.example", "https://idp.example/jwks", "https://koppelpunt.example")


@pytest.fixture
async def connect(database):
    opened = []

    async def connect(role: str = "tenants") -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database.url(role)))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
async def registrar(connect) -> asyncpg.Connection:
    return await connect()


@pytest.fixture
async def world(registrar) -> World:
    return await make_world(registrar, PKI, KEYRINGS)


@pytest.fixture
async def writer(connect) -> Writer:
    connection = await connect("gateway")
    return Writer(connection, "register", await connection.fetchval("SELECT register.begin_writer('test')"))


def within(registrar: asyncpg.Connection, world: World) -> AbstractAsyncContextManager[None]:
    return tenant_scope(registrar, world.tenant_id, actor="test")


async def key_id_of(registrar, world, kind: str) -> int:
    async with within(registrar, world):
        number: int = await registrar.fetchval(
            "SELECT key_id FROM registry.taaksysteem_key WHERE kind = $1 AND state = 'active'", kind
        )
    return number


async def register_all(registrar, world) -> dict[str, int]:
    """One key of every new kind; their numbers by kind."""
    async with within(registrar, world):
        idp_id, _ = await put_idp(registrar, world.tenant_id, IDP)
        await register_idp_client(registrar, world.tenant_id, world.taaksysteem_id, idp_id=idp_id, client="zaken")
        await register_certificate(registrar, world.tenant_id, world.taaksysteem_id, oin=world.oin)
        await register_signing_client(registrar, world.tenant_id, world.taaksysteem_id, jwks=jwks_of(make_key("a")))
    return {kind: await key_id_of(registrar, world, kind) for kind in ("idp", "certificate", "private-key-jwt")}


async def test_what_is_registered_is_what_the_gateway_reads(registrar, world, connect):
    key = make_key("a")
    async with within(registrar, world):
        changed = replace(IDP, algorithms=("ES256",), clock_skew=5, claim_user="uid", claim_roles="r.s")
        idp_id, done = await put_idp(registrar, world.tenant_id, IDP)
        again = await put_idp(registrar, world.tenant_id, IDP)
        third = await put_idp(registrar, world.tenant_id, changed)
        await register_idp_client(registrar, world.tenant_id, world.taaksysteem_id, idp_id=idp_id, client="zaken")
        await register_certificate(registrar, world.tenant_id, world.taaksysteem_id, thumbprint=world.fingerprint)
        await register_certificate(registrar, world.tenant_id, world.taaksysteem_id, oin=world.oin)
        client_id = await register_signing_client(
            registrar, world.tenant_id, world.taaksysteem_id, jwks=jwks_of(key), client_id="kp-teken"
        )
        await set_required_proofs(registrar, world.tenant_id, world.taaksysteem_id, ["certificate", "api-key"])
    assert (done, again, third) == ("made", (idp_id, "same"), (idp_id, "changed"))
    gateway = await connect("gateway")
    async with gateway.transaction():
        part = (await read_parts(gateway, [world.tenant_id]))[world.tenant_id]
    (idp,) = part.idps
    assert (idp.issuer, idp.algorithms, idp.clock_skew, idp.claim_user, idp.claim_roles, idp.claim_afnemer_id) == (
        "https://idp.example", frozenset({"ES256"}), 5, "uid", "r.s", None,
    )  # fmt: skip
    assert part.taaksystemen[0].requires == frozenset({"certificate", "api-key"})
    kept = {(one.kind, one.idp_client, one.thumbprint, one.oin, one.client_id) for one in part.taaksysteem_keys}
    assert kept == {
        ("api-key", None, None, None, None),
        ("idp", "zaken", None, None, None),
        ("certificate", None, world.fingerprint, None, None),
        ("certificate", None, None, world.oin, None),
        ("private-key-jwt", None, None, None, client_id),
    }
    (signing,) = (one for one in part.taaksysteem_keys if one.kind == "private-key-jwt")
    assert json.loads(signing.jwks or "") == jwks_of(key)


async def test_an_opening_names_a_key_of_any_kind_and_ends_with_it(registrar, world, writer):
    for key_id in (await register_all(registrar, world)).values():
        answer, _ = await writer.open(world, key_id=key_id, taaksysteem_version=await version_of(registrar, world))
        assert answer.verdict is None
        async with within(registrar, world):
            await withdraw_key(registrar, world.tenant_id, key_id)
        answer, _ = await writer.open(world, key_id=key_id, taaksysteem_version=await version_of(registrar, world))
        assert answer.verdict == "ingetrokken"


async def version_of(registrar, world) -> int:
    async with within(registrar, world):
        version: int = await registrar.fetchval(
            "SELECT version FROM registry.taaksysteem WHERE taaksysteem_id = $1", world.taaksysteem_id
        )
    return version


async def test_a_key_that_the_opening_does_not_name_ends_what_rests_on_it_all_the_same(registrar, world, writer):
    keys = await register_all(registrar, world)
    version = await version_of(registrar, world)
    assert (await writer.open(world, taaksysteem_version=version))[0].verdict is None
    async with within(registrar, world):
        await withdraw_key(registrar, world.tenant_id, keys["certificate"])
    # Named is the API key, which stands; but whoever was let in by it and the certificate must be let in anew.
    assert (await writer.open(world, taaksysteem_version=version))[0].verdict == "gewijzigd"
    now = await version_of(registrar, world)
    assert (now, (await writer.open(world, taaksysteem_version=now))[0].verdict) == (version + 1, None)


@pytest.mark.parametrize("how", ["ended", "changed"])
async def test_an_idp_that_ends_or_changes_ends_what_rests_on_it(registrar, world, writer, how):
    keys = await register_all(registrar, world)
    version = await version_of(registrar, world)
    async with within(registrar, world):
        idp_id = await registrar.fetchval("SELECT idp_id FROM registry.idp")
        if how == "ended":
            await end_idp(registrar, world.tenant_id, idp_id)
        else:
            await put_idp(registrar, world.tenant_id, replace(IDP, audience="een-ander"))
    verdict = (await writer.open(world, key_id=keys["idp"], taaksysteem_version=version))[0].verdict
    assert verdict == ("ingetrokken" if how == "ended" else "gewijzigd")
    async with within(registrar, world):
        with pytest.raises(NotFound):
            await end_idp(registrar, world.tenant_id, 999)


async def test_an_issuer_belongs_to_one_tenant(registrar, world):
    other = await make_world(registrar, PKI, KEYRINGS, oin="00000001007654321000", afnemer_id="990002")
    async with within(registrar, world):
        first, _ = await put_idp(registrar, world.tenant_id, IDP)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with within(registrar, other):
            await put_idp(registrar, other.tenant_id, replace(IDP, name="ook"))
    async with within(registrar, world):
        await end_idp(registrar, world.tenant_id, first)
    async with within(registrar, other):
        _, done = await put_idp(registrar, other.tenant_id, IDP)
    assert done == "made"


async def test_one_client_of_an_idp_is_one_taaksysteem(registrar, world):
    async with within(registrar, world):
        idp_id, _ = await put_idp(registrar, world.tenant_id, IDP)
        await register_idp_client(registrar, world.tenant_id, world.taaksysteem_id, idp_id=idp_id, client="zaken")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with within(registrar, world):
            await register_idp_client(registrar, world.tenant_id, world.taaksysteem_id, idp_id=idp_id, client="zaken")


async def test_an_idp_of_another_tenant_cannot_vouch_for_a_taaksysteem(registrar, world):
    other = await make_world(registrar, PKI, KEYRINGS, oin="00000001007654321000", afnemer_id="990002")
    async with within(registrar, world):
        idp_id, _ = await put_idp(registrar, world.tenant_id, IDP)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with within(registrar, other):
            await register_idp_client(registrar, other.tenant_id, other.taaksysteem_id, idp_id=idp_id, client="zaken")


@pytest.mark.parametrize(
    "columns",
    [
        "kind = 'idp'",
        "kind = 'certificate'",
        "kind = 'private-key-jwt'",
        "kind = 'api-key', hash = NULL",
        "thumbprint = decode(repeat('00', 32), 'hex')",
        "oin = '00000001001234567000'",
        "jwks = '{}'",
        "client_id = 'x'",
        "idp_client = 'x'",
        "hash_version = NULL",
    ],
)
async def test_a_key_is_whole_for_its_kind_and_nothing_beside(connect, world, columns):
    admin = await connect("admin")
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(f"UPDATE registry.taaksysteem_key SET {columns}")  # noqa: S608


async def test_a_certificate_is_named_by_thumbprint_or_by_oin(registrar, world):
    for named in ({}, {"thumbprint": bytes(32), "oin": world.oin}):
        async with within(registrar, world):
            with pytest.raises(InputRefused):
                await register_certificate(registrar, world.tenant_id, world.taaksysteem_id, **named)


@pytest.mark.parametrize("kinds", [["token", "idp"], ["wachtwoord"]])
async def test_only_what_can_be_shown_together_can_be_required_together(registrar, world, kinds):
    async with within(registrar, world):
        with pytest.raises(InputRefused):
            await set_required_proofs(registrar, world.tenant_id, world.taaksysteem_id, kinds)
        with pytest.raises(NotFound):
            await set_required_proofs(registrar, world.tenant_id, 999, ["api-key"])


def test_keys_of_a_client_are_public_named_and_strong():
    good = make_key("a").jwk
    check_public_keys({"keys": [good, make_key("b", "RS256").jwk]})
    private = {**good, "d": "geheim-getal"}
    weak = {"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"}
    for keys in ([], [private], [good, good], [{**good, "kid": ""}], [weak], ["x"], [{**good, "x": "AA"}], [good] * 6):
        with pytest.raises(InputRefused) as caught:
            check_public_keys({"keys": keys})
        assert "geheim-getal" not in str(caught.value)


async def test_a_client_rotates_its_keys_and_keeps_its_name(registrar, world):
    old, new = make_key("oud"), make_key("nieuw")
    async with within(registrar, world):
        name = await register_signing_client(registrar, world.tenant_id, world.taaksysteem_id, jwks=jwks_of(old))
        assert await replace_public_keys(registrar, world.tenant_id, name, jwks_of(old, new))
        assert not await replace_public_keys(registrar, world.tenant_id, name, jwks_of(old, new))
        with pytest.raises(NotFound):
            await replace_public_keys(registrar, world.tenant_id, "kp-niemand", jwks_of(new))


async def test_the_history_tells_who_changed_what(registrar, world):
    await register_all(registrar, world)
    async with within(registrar, world):
        rows = await registrar.fetch(
            "SELECT object, action FROM registry.wijziging WHERE object IN ('idp', 'taaksysteem_key') ORDER BY number"
        )
    assert [(row["object"], row["action"]) for row in rows] == [
        ("taaksysteem_key", "insert"), ("idp", "insert"), *[("taaksysteem_key", "insert")] * 3,
    ]  # fmt: skip


def use(jti: bytes = b"j" * 32, seconds: float = 300, number: int = 1) -> Use:
    return Use(keys_of(number)["private-key-jwt"], jti, time.time() + seconds)


async def test_an_assertion_is_used_once_by_however_many_replicas(database):
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database.url("gateway"))

    replicas = [UsedAssertions(connect) for _ in range(4)]
    try:
        for number in range(5):
            jti = bytes([number]) * 32
            answers = await asyncio.gather(*(one.use(use(jti)) for one in replicas for _ in range(5)))
            assert sorted(answers) == [False] * 19 + [True]
        assert await replicas[0].use(use(bytes(32), number=2))
    finally:
        for one in replicas:
            await one.close()


async def test_where_it_cannot_be_known_whether_it_was_used_nobody_is_let_in(database):
    async def refuse() -> asyncpg.Connection:
        raise ConnectionRefusedError

    with pytest.raises(RegisterUnavailable):
        await UsedAssertions(refuse).use(use())


async def test_a_session_that_was_lost_is_replaced(database, connect):
    async def reconnect() -> asyncpg.Connection:
        return await asyncpg.connect(database.url("gateway"))

    used, admin = UsedAssertions(reconnect), await connect("admin")
    try:
        assert await used.use(use(b"1" * 32))
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND usename LIKE 'test_gateway%'"
        )
        answers = []
        for jti in (b"2" * 32, b"3" * 32):
            try:
                answers.append(await used.use(use(jti)))
            except RegisterUnavailable:
                answers.append(False)
        assert answers[-1]
        assert not await used.use(use(b"1" * 32))
    finally:
        await used.close()


async def test_what_has_ended_is_forgotten_and_what_has_not_is_kept(database, connect):
    gateway, sealer, admin = await connect("gateway"), await connect("sealer"), await connect("admin")
    now = datetime.now(UTC)
    for number, ends in ((1, now - timedelta(minutes=11)), (2, now - timedelta(minutes=9)), (3, now)):
        await gateway.fetchval("SELECT auth.use_jti(1, 1, $1, $2)", bytes([number]) * 32, ends)
    assert await sealer.fetchval("SELECT auth.forget_jtis()") == 1
    assert await admin.fetchval("SELECT count(*) FROM auth.used_jti") == 2


@pytest.mark.parametrize("role", ["gateway", "tenants", "sealer", "inzage"])
async def test_nobody_reads_or_writes_used_assertions_but_through_the_functions(connect, role):
    connection = await connect(role)
    for statement in (
        "SELECT * FROM auth.used_jti",
        "INSERT INTO auth.used_jti VALUES (1, 1, decode(repeat('00', 32), 'hex'), now())",
        "DELETE FROM auth.used_jti",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_an_onboarding_document_says_how_callers_prove_themselves_and_twice_changes_nothing(registrar):
    key, later = make_key("a"), make_key("b")

    def document(*keys: SigningKey, requires=("api-key", "certificate"), audience=IDP.audience) -> dict[str, Any]:
        proofs = {
            "idp_clients": [{"idp": "medewerkers", "client": "zaken"}],
            "certificates": [{"thumbprint": ":".join(["AB"] * 32)}, {"oin": "00000001001234567000"}],
            "signing_clients": [{"client_id": "kp-teken", "jwks": jwks_of(*keys)}],
            "requires": list(requires),
        }
        idp = {
            "name": "medewerkers", "issuer": "https://idp.example", "jwks_url": "https://idp.example/jwks",
            "audience": audience, "claim_user": "uid",
        }  # fmt: skip
        taaksysteem = {"name": "Zaken", "environment": "productie", "proofs": proofs}
        tenant = {"oin": "00000001001234567000", "name": "Gemeente", "kind": "gemeente", "idps": [idp]}
        return {"tenants": [{**tenant, "taaksystemen": [taaksysteem]}]}

    first = await apply(registrar, document(key), KEYRINGS.identity, KEYRINGS.register)
    assert (first.made["idp"], first.made["key"], first.changed["taaksysteem"]) == (1, 4, 1)
    again = await apply(registrar, document(key), KEYRINGS.identity, KEYRINGS.register)
    assert (Counter(again.made), Counter(again.changed)) == (Counter(), Counter())
    changed = document(key, later, requires=("idp",), audience="een-ander")
    outcome = await apply(registrar, changed, KEYRINGS.identity, KEYRINGS.register)
    assert (Counter(outcome.made), Counter(outcome.changed)) == (Counter(), Counter(idp=1, key=1, taaksysteem=1))


@pytest.mark.parametrize(
    ("proofs", "told"),
    [
        ({"certificates": [{}]}, "thumbprint or oin"),
        ({"certificates": [{"thumbprint": "AB"}]}, "SHA-256"),
        ({"requires": ["token", "idp"]}, "one bearer token"),
        ({"requires": ["wachtwoord"]}, "requires.0"),
        ({"signing_clients": [{"client_id": "x", "jwks": {"keys": []}}]}, "one to 5 keys"),
        ({"idp_clients": [{"idp": "geen", "client": "x"}]}, "no IDP"),
    ],
)
async def test_an_onboarding_document_with_proofs_that_cannot_be_is_refused(registrar, proofs, told):
    taaksysteem = {"name": "Zaken", "environment": "productie", "proofs": proofs}
    tenant = {"oin": "00000001001234567000", "name": "Gemeente", "kind": "gemeente", "taaksystemen": [taaksysteem]}
    with pytest.raises(InputRefused) as caught:
        await apply(registrar, {"tenants": [tenant]}, KEYRINGS.identity, KEYRINGS.register)
    assert told in str(caught.value)
