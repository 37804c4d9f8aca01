"""The token endpoint answers as RvIG's: to the right certificate, with the right secret, for the right scope."""

import base64
import dataclasses
import ssl

import aiohttp
import jwt
import pytest

from tests.simulator.stage import GEMEENTE, PERSONEN, WATERSCHAP

QUESTION = {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": ["999941112"], "fields": ["naam"]}


async def test_a_token_has_the_payload_shape_of_rvig(stage, gemeente, clock):
    status, document = await gemeente.ask_token()
    assert (status, document["token_type"], document["expires_in"]) == (200, "bearer", 600)
    assert document["scope"] == "910101-00000001910100000000"
    key = stage.simulator.tokens.public_key
    payload = jwt.decode(
        document["access_token"], key, ["ES256"], audience="duinwijk", options={"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    )  # fmt: skip
    assert payload["iat"] == int(clock.now)
    assert payload["exp"] - payload["iat"] == 600
    assert payload["iat"] - payload["nbf"] == 30
    assert payload["sub"] == "duinwijk"
    assert payload["iss"].endswith("/nidp/oauth/nam")
    assert payload["scope"] == ["910101-00000001910100000000"]
    assert set(payload["claims"]) == {
        "OIN=00000001910100000000",
        "afnemerID=910101",
        "gemeenteCode=9101",
        "endpoint=brp-lap",
        "mailboxid=9101010",
    }


async def test_who_is_no_gemeente_gets_no_gemeentecode(waterschap):
    _, document = await waterschap.ask_token(resourceServer="ResourceServer02")
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})["claims"]
    assert not [one for one in claims if one.startswith("gemeenteCode")]
    assert "endpoint=brp-berichten-lap" in claims


async def test_credentials_may_come_by_basic_authentication(gemeente):
    credentials = base64.b64encode(b"duinwijk:geheim-duinwijk").decode()
    form = {
        "grant_type": "client_credentials",
        "scope": "910101-00000001910100000000",
        "resourceServer": "ResourceServer01",
    }
    url = f"{gemeente.base}/nidp/oauth/nam/token"
    async with gemeente.session.post(url, data=form, headers={"Authorization": f"Basic {credentials}"}) as answer:
        assert answer.status == 200
    async with gemeente.session.post(url, data=form, headers={"Authorization": "Basic ZHVpbndpams6Zm91dA=="}) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "fout"}, 401, "invalid_client"),
        ({"client_id": "niemand"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": None}, 400, "invalid_scope"),
        ({"scope": "510193-00000001002564440000"}, 400, "invalid_scope"),
        ({"scope": "910101-00000001002564440000"}, 400, "invalid_scope"),
        ({"resourceServer": None}, 400, "invalid_request"),
        ({"resourceServer": "ResourceServer99"}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_request_gets_its_error_of_rfc_6749(gemeente, changes, status, error):
    got, document = await gemeente.ask_token(**changes)
    assert (got, document["error"]) == (status, error)


@pytest.mark.parametrize("scope", ["00000001910100000000", "acc-bba-9101010"])
async def test_the_older_scopes_are_accepted_too(gemeente, scope):
    status, document = await gemeente.ask_token(scope=scope)
    assert (status, document["scope"]) == (200, scope)


async def test_a_certificate_of_another_organisation_gets_no_token(stage):
    stranger = await stage.caller(GEMEENTE, oin=WATERSCHAP.oin)
    status, document = await stranger.ask_token()
    assert (status, document["error"]) == (401, "invalid_client")


async def test_an_afnemer_can_permit_the_certificate_of_its_supplier(stage):
    supplier = "00000003888888880000"
    stage.simulator.afnemers.put(dataclasses.replace(GEMEENTE, certificate_oins=frozenset({supplier})))
    allowed = await stage.caller(GEMEENTE, oin=supplier)
    assert (await allowed.ask_token())[0] == 200
    own = await stage.caller(GEMEENTE)
    assert (await own.ask_token())[0] == 401


async def test_one_client_id_can_open_several_afnemers_and_the_scope_chooses(stage, gemeente):
    stage.simulator.afnemers.put(dataclasses.replace(GEMEENTE, afnemer_id="910102"))
    _, document = await gemeente.ask_token(scope=f"910102-{GEMEENTE.oin}")
    assert "afnemerID=910102" in jwt.decode(document["access_token"], options={"verify_signature": False})["claims"]


async def test_a_rotated_secret_works_beside_the_old_one_until_that_is_dropped(stage, gemeente):
    stage.simulator.afnemers.change("duinwijk", client_secret="nieuw", previous_secrets=frozenset({"geheim-duinwijk"}))
    assert (await gemeente.ask_token())[0] == 200
    assert (await gemeente.ask_token(client_secret="nieuw"))[0] == 200
    stage.simulator.afnemers.change("duinwijk", previous_secrets=frozenset())
    assert (await gemeente.ask_token())[0] == 401


async def test_a_blocked_account_gets_no_token_and_its_tokens_stop_working(stage, gemeente):
    assert (await gemeente.ask(QUESTION))[0] == 200
    stage.simulator.afnemers.change("duinwijk", blocked=True)
    status, document = await gemeente.ask(QUESTION)
    assert (status, document["detail"]) == (401, "Het account is geblokkeerd.")
    status, document = await gemeente.ask_token()
    assert (status, document["error"]) == (401, "invalid_client")


async def test_an_oin_that_is_shut_out_gets_nothing(stage, gemeente, waterschap):
    assert (await gemeente.ask(QUESTION))[0] == 200
    stage.simulator.afnemers.revoked_oins.add(GEMEENTE.oin)
    assert (await gemeente.ask(QUESTION))[0] == 401
    assert (await gemeente.ask_token())[0] == 401
    assert (await waterschap.ask(QUESTION))[0] == 200


async def test_a_token_works_until_it_expires_and_then_the_gateway_of_rvig_says_so(gemeente, clock):
    assert (await gemeente.ask(QUESTION))[0] == 200
    clock.now += 599
    assert (await gemeente.ask(QUESTION))[0] == 200
    clock.now += 1
    status, document = await gemeente.ask(QUESTION)
    assert status == 401
    assert document["detail"] == "APIGW: client-access_token is not valid"


async def test_the_status_of_an_expired_token_is_a_setting(make_stage, clock):
    async with make_stage(expired_status=403, token_seconds=5) as stage:
        caller = await stage.caller(GEMEENTE)
        assert (await caller.ask(QUESTION))[0] == 200
        clock.now += 5
        assert (await caller.ask(QUESTION))[0] == 403


async def test_a_token_is_bound_to_the_certificate_that_asked_for_it(stage, gemeente, waterschap):
    stolen = await gemeente.token()
    status, document = await waterschap.ask(QUESTION, Authorization=f"Bearer {stolen}")
    assert (status, document["code"]) == (401, "authentication")


async def test_a_token_for_berichten_does_not_open_personen(gemeente):
    wrong = await gemeente.token("ResourceServer02")
    assert (await gemeente.ask(QUESTION, Authorization=f"Bearer {wrong}"))[0] == 401


async def test_a_token_of_the_proefomgeving_does_not_open_productie(stage, gemeente):
    assert (await gemeente.ask(QUESTION, PERSONEN))[0] == 200
    assert (await gemeente.ask(QUESTION, "/api/brp/personen"))[0] == 401
    stage.simulator.afnemers.change("duinwijk", environment="productie")
    gemeente.tokens.clear()
    assert (await gemeente.ask(QUESTION, "/api/brp/personen"))[0] == 200
    assert (await gemeente.ask(QUESTION, PERSONEN))[0] == 401


async def test_tokens_can_be_opaque(make_stage):
    async with make_stage(opaque_tokens=True) as stage:
        caller = await stage.caller(GEMEENTE)
        assert "." not in await caller.token()
        assert (await caller.ask(QUESTION))[0] == 200


async def test_without_a_client_certificate_there_is_no_connection(stage, pki):
    context = ssl.create_default_context(cadata=pki.root_pem.decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{stage.address.port}/")
    assert stage.simulator.connection_count == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_served_with_forward_secrecy(stage, gemeente, version):
    context = stage.context(gemeente.issued)
    context.minimum_version = context.maximum_version = version
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.get(f"{gemeente.base}/") as answer:
            assert answer.status == 401
        seen = stage.simulator.seen.all()[-1]
        assert stage.simulator.connections[seen.connection].tls_version == version.name.replace("_", ".").replace(
            "v1", "v1"
        )


async def test_old_cipher_suites_are_refused(stage, gemeente):
    context = stage.context(gemeente.issued)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384:AES256-GCM-SHA384")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{gemeente.base}/")


async def test_two_tokens_in_one_call_are_no_valid_token(gemeente):
    right = await gemeente.token()
    headers = [("Authorization", f"Bearer {right}"), ("Authorization", f"Bearer {right}")]
    async with gemeente.session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer:
        assert answer.status == 401


def test_an_account_without_a_secret_is_refused():
    with pytest.raises(ValueError, match="client_secret"):
        dataclasses.replace(GEMEENTE, client_secret="")
