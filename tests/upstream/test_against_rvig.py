"""Token and call together, against the simulator of RvIG: each afnemer as itself, and a refused token replaced once."""

import asyncio
import contextlib
import dataclasses
import time

import orjson
import pytest

from gateway.call import Answered
from gateway.claims import read_claims
from gateway.errors import TokenRefused
from gateway.simulator.app import build_simulator
from gateway.simulator.faults import FaultKind, FaultRule, Match
from gateway.simulator.serve import serving
from gateway.simulator.settings import SimAfnemer, SimulatorSettings
from gateway.token_request import Secrets
from gateway.token_rules import is_refusal
from gateway.tokens import Tokens
from tenants.model import Aansluiting
from tests.upstream import stage
from tests.upstream.stage import BERICHTEN, PERSONEN

QUESTION = orjson.dumps(
    {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": ["999941112"], "fields": ["naam"]}
)


def account_of(aansluiting: Aansluiting) -> SimAfnemer:
    number = aansluiting.tenant_id
    return SimAfnemer(
        afnemer_id=aansluiting.afnemer_id,
        oin=aansluiting.organisation_oin,
        gemeente_code=aansluiting.gemeentecode,
        mailbox_id=aansluiting.mailbox_id,
        client_id=aansluiting.credential.client_id,
        client_secret=f"geheim {number}/%é",
    )


@pytest.fixture
async def rvig(pki, first, second, tmp_path):
    chain, key = pki.issue_server(["localhost"]).save(tmp_path, "rvig")
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(pki.root_pem)
    simulator = build_simulator(SimulatorSettings(afnemers=(account_of(first), account_of(second))))
    async with contextlib.AsyncExitStack() as open_things:
        files = {"certificate_file": chain, "key_file": key, "trust_anchors_file": anchors}
        address = await open_things.enter_async_context(serving(simulator, **files))
        yield simulator, stage.make_environment(f"https://localhost:{address.port}")


@pytest.fixture
async def tokens(wires, keyring):
    made = Tokens(wires, Secrets(keyring))
    yield made
    await made.close()


@pytest.fixture
def ask(rvig, tokens, upstream):
    _, environment = rvig

    async def run(aansluiting, api=PERSONEN, method="POST", subpath="", body=QUESTION):
        async with upstream.reserve(aansluiting, environment):
            token = await tokens.get(aansluiting, environment, api)
            deadline = time.monotonic() + 2
            result = await upstream.send(
                aansluiting, environment, api, method, subpath, "", {}, body, token.value, deadline=deadline
            )
            assert isinstance(result, Answered)
            return token, result

    return run


async def test_each_afnemer_is_seen_with_its_own_certificate_scope_token_and_mailbox(rvig, ask, first, second):
    simulator, _ = rvig
    await asyncio.gather(*(ask(one) for one in (first, second) * 20))
    await asyncio.gather(*(ask(one, BERICHTEN, "GET", "/berichten", b"") for one in (first, second) * 5))
    seen = simulator.seen.all()
    assert len([one for one in seen if one.kind == "token"]) == 4
    for one in seen:
        assert one.status == 200
        if one.kind == "api":
            assert one.certificate_oin == one.token_oin
            assert one.mailbox == f"{one.token_afnemer_id}0"
        else:
            assert one.scope is not None
            assert one.scope.endswith(str(one.certificate_oin))


@pytest.mark.parametrize("authentication", ["body", "basic"])
async def test_both_ways_of_authentication_are_understood(ask, first, authentication):
    credential = dataclasses.replace(first.credential, authentication=authentication)
    token, result = await ask(dataclasses.replace(first, credential=credential))
    assert result.status == 200
    claims = read_claims(token.value)
    assert claims is not None
    assert claims.oins == (first.organisation_oin,)


async def test_an_opaque_token_works_as_well(rvig, ask, first):
    simulator, _ = rvig
    simulator.faults.add(FaultRule(FaultKind.OPAQUE_TOKEN))
    token, result = await ask(first)
    assert (read_claims(token.value), result.status) == (None, 200)


async def test_a_refused_token_is_known_given_up_and_replaced(rvig, ask, tokens, first):
    simulator, environment = rvig
    simulator.faults.add(FaultRule(FaultKind.EXPIRED_TOKEN, times=1))
    used, result = await ask(first)
    assert is_refusal(environment, result)
    assert tokens.invalidate(used)
    again, result = await ask(first)
    assert (again.value != used.value, result.status) == (True, 200)


@pytest.mark.parametrize("claim", ["OIN", "afnemerID", "gemeenteCode", "endpoint"])
async def test_a_token_with_a_claim_of_another_is_never_used(rvig, ask, first, claim):
    simulator, _ = rvig
    simulator.faults.add(FaultRule(FaultKind.WRONG_CLAIMS, match=Match(api="token"), claims={claim: "999999"}))
    with pytest.raises(TokenRefused):
        await ask(first)
    assert [one.kind for one in simulator.seen.all()] == ["token"]


async def test_a_blocked_account_is_no_refusal_of_the_token(rvig, ask, first):
    simulator, environment = rvig
    await ask(first, BERICHTEN, "GET", "/berichten/telling", b"")
    simulator.faults.add(FaultRule(FaultKind.BLOCKED_ACCOUNT))
    _, result = await ask(first, BERICHTEN, "GET", "/berichten/telling", b"")
    assert result.status == 401
    assert not is_refusal(environment, result)
