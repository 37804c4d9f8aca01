"""Callers of three kinds at once, over TLS, against a real gateway process and a real OIDC server."""

import asyncio
import base64
from collections import Counter

import aiohttp
import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tenants.callers import withdraw_key
from tenants.scope import tenant_scope
from tests.callers.issuers import make_key
from tests.callers.stage import Answer, Stage, stage_of
from tests.e2e.ledgers import until


@pytest.fixture
async def stage(database, tmp_path):
    async with stage_of(database, tmp_path / "world") as made:
        yield made


async def bearer(stage: Stage) -> dict[str, str]:
    answer = await stage.signed_token()
    assert answer.status == 200, answer.body
    return {"Authorization": f"Bearer {answer.body['access_token']}"}


async def test_three_kinds_of_callers_at_once_each_leave_with_their_own_identity(stage, database):
    token = await bearer(stage)
    calls = []
    for _ in range(20):
        calls += [
            stage.call(Authorization=f"Bearer {stage.user_token()}"),
            stage.call(certificate="samen", X_API_KEY=stage.samen.api_key),
            stage.call(certificate="tekent", **token),
        ]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status for answer in answers) == {200: 60}
    seen = stage.world.seen()
    members = (stage.medewerkers, stage.samen, stage.tekent)
    assert Counter((one.token_afnemer_id, one.certificate_oin) for one in seen) == {
        (member.account.afnemer_id, member.account.oin): 20 for member in members
    }
    assert not [name for one in seen for name in one.headers if name in {"x-api-key", "client-cert"}]
    admin = await asyncpg.connect(database.url("admin"))
    try:
        rows = await admin.fetch("SELECT tenant_id, user_index IS NOT NULL AS has_user FROM register.opening")
    finally:
        await admin.close()
    # Only the token of an IDP names an employee.
    assert Counter((row["tenant_id"], row["has_user"]) for row in rows) == {
        (member.tenant_id, member is stage.medewerkers): 20 for member in members
    }


async def test_no_mixture_of_their_credentials_gets_any_of_them_further(stage):
    token = await bearer(stage)
    user = {"Authorization": f"Bearer {stage.user_token()}"}
    other = {"Authorization": f"Bearer {stage.user_token(afnemerID=stage.samen.account.afnemer_id)}"}
    attempts = [
        (401, "legitimatieOntbreekt", stage.call(X_API_KEY=stage.samen.api_key)),
        (401, "legitimatieOntbreekt", stage.call(certificate="samen")),
        (401, "legitimatiesTegenstrijdig", stage.call(certificate="tekent", X_API_KEY=stage.samen.api_key)),
        (401, "legitimatiesTegenstrijdig", stage.call(certificate="samen", **user)),
        (401, "legitimatiesTegenstrijdig", stage.call(X_API_KEY=stage.tekent.api_key, **user)),
        (401, "tokenGebonden", stage.call(**token)),
        (401, "tokenGebonden", stage.call(certificate="samen", **token)),
        (401, "tokenGebonden", stage.call(certificate="samen", X_API_KEY=stage.samen.api_key, **token)),
        (401, "authentication", stage.call(Authorization=f"Bearer {stage.user_token(aud='een-ander')}")),
        (401, "authentication", stage.call(Authorization=f"Bearer {stage.user_token(azp='een-ander')}")),
        (403, "aansluitingNietToegestaan", stage.call(**other)),
        (401, "authentication", stage.call(certificate="medewerkers")),
    ]
    for status, code, attempt in attempts:
        answer = await attempt
        assert (answer.status, answer.code) == (status, code)
    assert stage.world.seen() == []


async def test_an_assertion_opens_the_token_endpoint_once(stage):
    text = stage.assertion()
    answers = await asyncio.gather(*(stage.signed_token(text=text) for _ in range(8)))
    assert Counter((answer.status, answer.body.get("error")) for answer in answers) == {
        (200, None): 1,
        (401, "invalid_client"): 7,
    }
    assert (await stage.signed_token(certificate="samen")).code == "invalid_client"
    unbound = await stage.signed_token(certificate=None)
    assert unbound.status == 200
    call = {"Authorization": f"Bearer {unbound.body['access_token']}"}
    assert (await stage.call(**call)).status == 200


async def test_an_idp_rotates_its_keys_and_nobody_restarts(stage):
    old = stage.user_token()
    assert (await stage.call(Authorization=f"Bearer {old}")).status == 200
    await asyncio.sleep(1.1)
    stage.idp.rotate(make_key("sleutel-2", "ES256"))
    fetched = stage.idp.fetched
    answers = await asyncio.gather(*(stage.call(Authorization=f"Bearer {stage.user_token()}") for _ in range(10)))
    # All wait for one fetch, and are let in by what it brought.
    assert Counter(answer.status for answer in answers) == {200: 10}
    assert stage.idp.fetched == fetched + 1
    # The old key is no longer published: what it signed, and what was remembered of it, counts no more.
    assert (await stage.call(Authorization=f"Bearer {old}")).status == 401


async def test_an_idp_that_is_away_or_floods_with_unknown_keys_stops_nobody(stage):
    good = {"Authorization": f"Bearer {stage.user_token()}"}
    assert (await stage.call(**good)).status == 200
    stage.idp.status = 500
    fetched = stage.idp.fetched
    stranger = make_key("onbekend", "RS256")
    forged = [{"Authorization": f"Bearer {stranger.sign({'iss': stage.idp.url, 'n': n})}"} for n in range(60)]
    answers = await asyncio.gather(*(stage.call(**one) for one in forged), *(stage.call(**good) for _ in range(10)))
    assert [answer.status for answer in answers] == [401] * 60 + [200] * 10
    assert stage.idp.fetched - fetched <= 2
    fresh = {"Authorization": f"Bearer {stage.user_token(sub='een-ander')}"}
    assert (await stage.call(**fresh)).status == 200


async def test_a_certificate_that_is_withdrawn_ends_the_calls_that_rest_on_it(stage):
    async def status() -> int:
        answer: Answer = await stage.call(certificate="samen", X_API_KEY=stage.samen.api_key)
        return answer.status

    assert await status() == 200
    db, tenant_id = stage.world.tenants, stage.samen.tenant_id
    async with tenant_scope(db, tenant_id, actor="test"):
        key_id = await db.fetchval("SELECT key_id FROM registry.taaksysteem_key WHERE kind = 'certificate'")
        await withdraw_key(db, tenant_id, key_id)
    seen = len(stage.world.seen())
    # At once: whether the notice has come or not, no opening passes any more.
    assert await status() == 401
    assert len(stage.world.seen()) == seen


def handed_over(stage: Stage) -> dict[str, str]:
    """What a proxy says for a caller with the certificate of `samen` (RFC 9440)."""
    chain = x509.load_pem_x509_certificates(stage.certificates["samen"].chain_pem)
    leaf, *between = (f":{base64.b64encode(one.public_bytes(Encoding.DER)).decode()}:" for one in chain)
    return {"Client_Cert": leaf, "Client_Cert_Chain": ", ".join(between), "X_Forwarded_For": "198.51.100.7"}


async def test_a_proxy_hands_over_the_certificate_of_its_caller(database, tmp_path):
    proxied = {"trusted_proxies": "127.0.0.1/32", "client_certificates": "off"}
    async with stage_of(database, tmp_path / "world", **proxied) as stage:
        handed, key = handed_over(stage), {"X_API_KEY": stage.samen.api_key}
        assert (await stage.call(**key, **handed)).status == 200
        assert (await stage.call(**key)).code == "legitimatieOntbreekt"
        assert (await stage.call(**key, Client_Cert=handed["Client_Cert"])).code == "certificaatOngeldig"
        assert (await stage.call(**key, Client_Cert="onzin")).code == "clientCertOngeldig"
        sent = {name for one in stage.world.seen() for name in one.headers}
        assert not sent & {"client-cert", "client-cert-chain", "x-forwarded-for", "x-api-key"}


async def test_nobody_but_a_trusted_proxy_hands_over_a_certificate(database, tmp_path):
    async with stage_of(database, tmp_path / "world", trusted_proxies="192.0.2.0/24") as stage:
        answer = await stage.call(X_API_KEY=stage.samen.api_key, **handed_over(stage))
        assert (answer.status, answer.code) == (401, "legitimatieOntbreekt")


async def test_where_certificates_are_required_nobody_connects_without_one(database, tmp_path):
    async with stage_of(database, tmp_path / "world", client_certificates="required") as stage:
        assert (await stage.call(certificate="samen", X_API_KEY=stage.samen.api_key)).status == 200
        with pytest.raises(aiohttp.ClientError):
            await stage.call(Authorization=f"Bearer {stage.user_token()}")


async def test_the_keys_of_an_idp_are_fetched_before_anyone_calls(stage):
    await until(lambda: stage.idp.fetched >= 1)
