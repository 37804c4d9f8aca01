"""From request to roll-back over the admin API; and what it refuses, in words, all at once."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from gateway.mtls import Identities
from tenants.admins import make_admin_key
from tenants.certificates_life import MOST_REQUESTS
from tenants.config import TenantsConfig
from tenants.keyring import dump, public_half
from tenants.model import Certificate, Oin
from tests.admin.conftest import Api, Reply, running
from tests.certificates.authorities import OTHER_OIN, Leaf, Tree, make_tree
from tests.databases import Database
from tests.worlds import Keyrings, World, make_world

TREE = make_tree("ec")
OIN = "00000001001234567000"
EGRESS = "egress.koppelpunt.example"


@pytest.fixture
def config(database: Database, keyrings: Keyrings, tmp_path: Path) -> TenantsConfig:
    identity, register, anchors = tmp_path / "identity.json", tmp_path / "register.json", tmp_path / "anchors"
    identity.write_text(dump(public_half(keyrings.identity)))
    register.write_text(dump(keyrings.register))
    anchors.mkdir()
    (anchors / "productie.pem").write_bytes(TREE.root.certificate.public_bytes(Encoding.PEM))
    return TenantsConfig(
        database_url=database.url("tenants"), inzage_url=database.url("inzage"), identity_public_file=identity,
        register_keyring_file=register, bind="127.0.0.1:0", metrics_bind="127.0.0.1:0", grace_timeout=0.5,
        connections=4, certificate_anchors_directory=anchors, egress_host_names=f"{EGRESS}, elders.example",
    )  # fmt: skip


@pytest.fixture
async def api(
    config: TenantsConfig, registrar: asyncpg.Connection, world: World, keyrings: Keyrings
) -> AsyncIterator[Api]:
    _, key = await make_admin_key(
        registrar, public_half(keyrings.identity), role="beheerder", tenant_id=world.tenant_id, name="b",
        valid_for=timedelta(days=1),
    )  # fmt: skip
    async with running(config) as (port, observed), aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", {"beheerder": key}, session)


async def ask(api: Api, method: str, path: str, body: Any = None, *, version: str | None = None) -> Reply:
    headers = {} if version is None else {"If-Match": version}
    options = {} if body is None else {"json": body}
    return await api.ask(method, f"/v1/certificaten{path}", by="beheerder", headers=headers, **options)


async def do(api: Api, number: int, what: str, body: Any = None, *, method: str = "POST") -> Reply:
    """Change what was just seen."""
    seen = await ask(api, "GET", f"/{number}")
    return await ask(api, method, f"/{number}/{what}", body, version=seen.headers["ETag"])


NOW = {"aansluitingen": "alle", "reden": "Het oude eindigt vannacht"}


def pair(leaf: Leaf, tree: Tree = TREE, **more: Any) -> dict[str, Any]:
    return {"oin": OIN, "certificaten": tree.chain_pem(leaf).decode(), "sleutel": leaf.key_pem.decode(), **more}


async def imported(api: Api) -> int:
    made = await ask(api, "POST", "/pem", pair(TREE.leaf(OIN)))
    assert made.status == 201, made.text
    return int(made.json["nummer"])


async def tried(admin: asyncpg.Connection, world: World, number: int, *, hours_ago: int = 0) -> None:
    """A verbindingstest that a gateway did, over the aansluiting with this certificate."""
    await admin.execute(
        "INSERT INTO registry.verbindingstest (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, fingerprint, "
        "  credential_id, secret_digest, apis, asked_by, state, take, taken_by, beat_at, ended_at) "
        "SELECT a.tenant_id, a.aansluiting_id, c.tenant_id, c.certificate_id, c.fingerprint, a.credential_id, "
        "  sha256('x'), ARRAY['personen'], 'beheerder/1', 'geslaagd', gen_random_uuid(), 'gateway', now(), "
        "  now() - make_interval(hours => $3) FROM registry.aansluiting a, registry.certificate c "
        "WHERE a.aansluiting_id = $1 AND c.certificate_id = $2",
        world.aansluiting_id, number, hours_ago,
    )  # fmt: skip


def codes(reply: Reply) -> set[str]:
    return {one["code"] for one in reply.json["errors"]}


async def state(api: Api, number: int) -> str:
    return str((await ask(api, "GET", f"/{number}")).json["toestand"])


@pytest.mark.parametrize("kind", ["rsa3072", "rsa4096", "p256", "p384"])
async def test_a_key_is_made_inside_and_only_the_gateway_opens_it(api: Api, admin, world: World, keyrings, kind: str):
    made = await ask(api, "POST", "/aanvragen", {"oin": OIN, "sleutel": kind, "organisatie": "Gemeente Élders"})
    assert (made.status, made.json["toestand"], made.json["herkomst"]) == (201, "aangevraagd", "aanvraag")
    number = made.json["nummer"]
    csr = x509.load_pem_x509_csr((await ask(api, "GET", f"/{number}/csr")).text.encode())
    assert csr.is_signature_valid
    said = {one.oid: one.value for one in csr.subject}
    assert said == {
        NameOID.COUNTRY_NAME: "NL", NameOID.ORGANIZATION_NAME: "Gemeente Élders", NameOID.SERIAL_NUMBER: OIN,
        NameOID.COMMON_NAME: EGRESS,
    }  # fmt: skip
    issued = TREE.leaf(OIN, public=csr.public_key())
    done = await do(api, number, "keten", {"certificaten": TREE.chain_pem(issued).decode()}, method="PUT")
    assert (done.status, done.json["toestand"]) == (200, "klaargezet"), done.text
    row = await admin.fetchrow("SELECT * FROM registry.certificate WHERE certificate_id = $1", number)
    certificate = Certificate(
        world.tenant_id, number, Oin(OIN), row["fingerprint"], row["chain_pem"], row["key_sealed"], row["not_before"],
        row["not_after"], "active", made_inside=row["made_inside"],
    )  # fmt: skip
    # The gateway opens the key and OpenSSL takes it with the certificate; nobody else can.
    Identities(keyrings.identity, {"productie": TREE.root.certificate.public_bytes(Encoding.PEM).decode()}).get(
        certificate, "productie"
    )
    assert "PRIVATE" not in done.text + made.text
    history = await admin.fetch("SELECT before, after FROM registry.wijziging WHERE object = 'certificate'")
    assert all("PRIVATE" not in str(row) and "key_sealed" not in str(row) for row in history)


async def test_a_certificate_that_was_issued_for_another_key_is_no_answer_to_the_request(api: Api):
    made = await ask(api, "POST", "/aanvragen", {"oin": OIN, "sleutel": "p256"})
    body = {"certificaten": TREE.chain_pem(TREE.leaf(OIN)).decode()}
    reply = await do(api, made.json["nummer"], "keten", body, method="PUT")
    assert (reply.status, codes(reply)) == (400, {"sleutelPastNiet"})
    assert await state(api, made.json["nummer"]) == "aangevraagd"


@pytest.mark.parametrize("password", [None, b"geheim"])
async def test_a_pkcs12_is_taken_with_its_password(api: Api, password: bytes | None):
    leaf = TREE.leaf(OIN)
    sealing = NoEncryption() if password is None else BestAvailableEncryption(password)
    content = pkcs12.serialize_key_and_certificates(b"x", leaf.key, leaf.certificate, list(TREE.between), sealing)
    body = {"oin": OIN, "bestand": base64.b64encode(content).decode()}
    if password is not None:
        wrong = await ask(api, "POST", "/pkcs12", {**body, "wachtwoord": "ander"})
        assert (wrong.status, codes(wrong)) == (400, {"pkcs12OpentNiet"})
        assert "ander" not in wrong.text
        body["wachtwoord"] = password.decode()
    made = await ask(api, "POST", "/pkcs12", body)
    assert (made.status, made.json["toestand"]) == (201, "klaargezet"), made.text
    assert made.json["vingerafdruk"] is not None
    chain = (await ask(api, "GET", f"/{made.json['nummer']}/keten")).text
    assert x509.load_pem_x509_certificates(chain.encode()) == [leaf.certificate, *TREE.between]


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_kept(api: Api, admin: asyncpg.Connection):
    before = await admin.fetchval("SELECT count(*) FROM registry.certificate")
    leaf = TREE.leaf(OTHER_OIN, without=(x509.ExtendedKeyUsage,), valid=(timedelta(-9), timedelta(-1)))
    reply = await ask(api, "POST", "/pem", pair(leaf))
    assert codes(reply) == {"oinVanAnder", "geenClientAuth", "certificaatVerlopen"}
    reply = await ask(api, "POST", "/pem", {"oin": OIN, "certificaten": "x", "sleutel": "y"})
    assert codes(reply) == {"certificaatOnleesbaar", "sleutelOnleesbaar"}
    reply = await ask(api, "POST", "/pem", pair(TREE.leaf(OTHER_OIN), oin=OTHER_OIN))
    assert codes(reply) == {"organisatieOnbekend"}
    assert await admin.fetchval("SELECT count(*) FROM registry.certificate") == before


async def test_a_public_key_is_taken_once_whoever_has_it(api: Api, registrar, pki, keyrings, world, admin):
    leaf = TREE.leaf(OIN)
    assert (await ask(api, "POST", "/pem", pair(leaf))).status == 201
    renewed = TREE.leaf(OIN, key=leaf.key)
    reply = await ask(api, "POST", "/pem", pair(renewed))
    assert reply.status == 409
    assert "nieuw sleutelpaar" in reply.json["detail"]
    other = await make_world(registrar, pki, keyrings, oin=OTHER_OIN, afnemer_id="990002")
    key = load_pem_private_key(other.issued.key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    stolen = TREE.leaf(OIN, key=key)
    assert (await ask(api, "POST", "/pem", pair(stolen))).status == 409


async def test_staged_active_overlap_back_again_and_retired(api: Api, world: World, admin: asyncpg.Connection):
    number = await imported(api)
    assert await state(api, number) == "klaargezet"
    await tried(admin, world, number)
    done = await do(api, number, "activering", {"aansluitingen": "alle"})
    assert (done.status, done.json["veranderd"]) == (200, [world.aansluiting_id]), done.text
    assert (await state(api, number), await state(api, world.certificate_id)) == ("actief", "uitlopend")
    using = "SELECT certificate_id FROM registry.aansluiting WHERE aansluiting_id = $1"
    assert await admin.fetchval(using, world.aansluiting_id) == number
    refused = await do(api, number, "uitfasering")
    assert (refused.status, codes(refused)) == (409, {"nogInGebruik"})
    # One step back.
    back = await do(api, number, "terugdraaiing")
    assert (back.status, back.json["veranderd"]) == (200, [world.aansluiting_id]), back.text
    assert await admin.fetchval(using, world.aansluiting_id) == world.certificate_id
    assert (await state(api, number), await state(api, world.certificate_id)) == ("uitlopend", "actief")
    assert codes(await do(api, number, "terugdraaiing")) == {"nietsTerugTeDraaien"}
    # And forward again; then the old one may end, and there is no way back any more.
    assert (await do(api, number, "activering", {"aansluitingen": [world.aansluiting_id]})).status == 200
    ended = await do(api, world.certificate_id, "uitfasering")
    assert (ended.status, ended.json["certificaat"]["toestand"]) == (200, "uitgefaseerd")
    assert ended.json["certificaat"]["uitgefaseerdOp"] is not None
    assert codes(await do(api, number, "terugdraaiing")) == {"vorigeNietBruikbaar"}
    assert codes(await do(api, world.certificate_id, "activering", {"aansluitingen": "alle"})) >= {"nietKlaargezet"}


async def test_an_activation_that_cannot_be_is_refused_with_every_reason(api: Api, world: World):
    number = await imported(api)
    # That one leads to no anchor of its environment: it was brought in before there were any.
    body = {"aansluitingen": [world.aansluiting_id, 77, 78], "reden": "Het moet"}
    reply = await do(api, world.certificate_id, "activering", body)
    assert (reply.status, codes(reply)) == (409, {"aansluitingOnbekend", "stamcertificaatVanAndereOmgeving"})
    assert len(reply.json["errors"]) == 3
    assert await state(api, number) == "klaargezet"


async def test_two_who_change_the_same_certificate_do_not_undo_each_other(api: Api):
    number = await imported(api)
    seen = (await ask(api, "GET", f"/{number}")).headers["ETag"]
    assert (await ask(api, "POST", f"/{number}/activering", NOW, version=seen)).status == 200
    assert (await ask(api, "POST", f"/{number}/intrekking", {"reden": "x"}, version=seen)).status == 412
    assert (await ask(api, "POST", f"/{number}/intrekking", {"reden": "x"})).status == 428


async def test_what_a_tenant_revokes_itself_is_stopped_for_ever(api: Api, admin: asyncpg.Connection):
    number = await imported(api)
    assert (await do(api, number, "activering", NOW)).status == 200
    done = await do(api, number, "intrekking", {"reden": "Sleutel gelekt"})
    assert (done.status, done.json["toestand"]) == (200, "ingetrokken"), done.text
    assert done.json["intrekking"] == "Eigen melding: Sleutel gelekt"
    assert codes(await do(api, number, "intrekking", {"reden": "Nog eens"})) == {"nietInTeTrekken"}
    # The way back is open: that certificate was not revoked.
    assert (await do(api, number, "terugdraaiing")).status == 200


async def test_a_request_that_is_given_up_ends_without_certificate(api: Api):
    made = await ask(api, "POST", "/aanvragen", {"oin": OIN, "sleutel": "p256"})
    number = made.json["nummer"]
    assert (await do(api, number, "uitfasering")).json["certificaat"]["toestand"] == "uitgefaseerd"
    assert (await ask(api, "GET", f"/{number}/keten")).status == 404


async def test_certificates_are_listed_by_number_and_page(api: Api, world: World):
    numbers = [world.certificate_id] + [await imported(api) for _ in range(2)]
    first = (await ask(api, "GET", "?aantal=2")).json
    assert [one["nummer"] for one in first["certificaten"]] == numbers[:2]
    rest = (await ask(api, "GET", f"?na={first['volgende']}")).json
    assert ([one["nummer"] for one in rest["certificaten"]], rest["volgende"]) == (numbers[2:], None)
    assert "PRIVATE" not in json.dumps([first, rest])
    assert first["certificaten"][0]["aansluitingen"] == [world.aansluiting_id]


async def test_what_is_wrong_with_a_host_name_is_said_whenever_the_certificate_is_shown(api: Api):
    made = await ask(api, "POST", "/pem", pair(TREE.leaf(OIN, names=["ander.example"])))
    assert made.status == 201
    one, page = await ask(api, "GET", f"/{made.json['nummer']}"), await ask(api, "GET", "")
    for shown in (made.json, one.json, page.json["certificaten"][-1]):
        assert {one["code"] for one in shown["waarschuwingen"]} >= {"hostnaamVanAnder"}


async def test_without_host_names_of_the_operator_it_is_said_that_nobody_looked(
    config: TenantsConfig, api: Api, world: World
):
    number = await imported(api)
    unnamed = config.model_copy(update={"egress_host_names": ""})
    async with running(unnamed) as (port, _), aiohttp.ClientSession() as session:
        reply = await ask(Api(f"http://127.0.0.1:{port}", "", api.keys, session), "GET", f"/{number}")
    assert {one["code"] for one in reply.json["waarschuwingen"]} >= {"hostnaamNietNagegaan"}


async def test_in_productie_a_certificate_is_tried_before_it_is_activated(api: Api, world: World, admin):
    number = await imported(api)
    everything: dict[str, Any] = {"aansluitingen": "alle"}
    refused = await do(api, number, "activering", everything)
    assert (refused.status, codes(refused)) == (409, {"nietGetest"})
    # Neither that of another certificate counts, nor one of the day before yesterday.
    await tried(admin, world, world.certificate_id)
    await tried(admin, world, number, hours_ago=25)
    assert codes(await do(api, number, "activering", everything)) == {"nietGetest"}
    assert await state(api, number) == "klaargezet"
    await tried(admin, world, number)
    done = await do(api, number, "activering", everything)
    assert (done.status, done.json["certificaat"]["activeringsreden"]) == (200, None), done.text


async def test_who_cannot_wait_for_a_test_says_why_and_the_history_keeps_it(api: Api, world: World, admin):
    number = await imported(api)
    done = await do(api, number, "activering", NOW)
    assert (done.status, done.json["certificaat"]["activeringsreden"]) == (200, NOW["reden"]), done.text
    kept = await admin.fetch("SELECT after ->> 'activation_reason' AS why FROM registry.wijziging ORDER BY number")
    assert NOW["reden"] in {row["why"] for row in kept}


async def test_a_tried_certificate_with_another_host_name_is_activated_for_a_reason_only(api: Api, world: World, admin):
    made = await ask(api, "POST", "/pem", pair(TREE.leaf(OIN, names=["ander.example"])))
    number = made.json["nummer"]
    await tried(admin, world, number)
    refused = await do(api, number, "activering", {"aansluitingen": "alle"})
    assert (refused.status, codes(refused)) == (409, {"hostnaamVanAnder"})
    assert (await do(api, number, "activering", NOW)).status == 200


async def test_requests_that_wait_have_a_most(api: Api, world: World, admin):
    await admin.execute(
        "INSERT INTO registry.certificate (tenant_id, state, organisation_oin, oin, public_key_hash, key_sealed, csr_pem, made_inside) "
        "SELECT $1, 'requested', $2, $2, sha256(n::text::bytea), 'x', 'x', true FROM generate_series(1, $3) n",
        world.tenant_id, OIN, MOST_REQUESTS - 1,
    )  # fmt: skip
    asked = [await ask(api, "POST", "/aanvragen", {"oin": OIN, "sleutel": "p256"}) for _ in range(2)]
    assert [one.status for one in asked] == [201, 409]
    assert codes(asked[1]) == {"teVeelAanvragen"}
