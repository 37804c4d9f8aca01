"""What goes wrong on demand goes wrong for the calls it was asked for, as often as asked, and is recorded first."""

import asyncio
import gzip
import json
import time

import aiohttp
import jwt
import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Faults, Match, Subject, parse_rule
from tests.simulator.stage import GEMEENTE, HANNA, PERSONEN, WATERSCHAP

QUESTION = {
    "type": "RaadpleegMetBurgerservicenummer",
    "burgerservicenummer": [HANNA],
    "fields": ["burgerservicenummer"],
}


async def test_a_slow_answer_comes_late_but_whole(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.SLOW, times=1, seconds=0.2))
    started = time.monotonic()
    assert (await gemeente.ask(QUESTION))[0] == 200
    assert time.monotonic() - started >= 0.2


async def test_a_hanging_call_is_recorded_and_never_answered(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.HANG, Match(api="personen")))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gemeente.ask(QUESTION), 0.2)
    (seen,) = stage.simulator.seen.api_calls()
    assert (seen.faults, seen.status) == (("hang",), None)


async def test_a_hang_can_end_in_a_reset(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.HANG, Match(api="personen"), seconds=0.1))
    with pytest.raises(aiohttp.ClientOSError):
        await gemeente.ask(QUESTION)


async def test_a_connection_is_reset_after_the_whole_request_was_read(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.RESET, times=1))
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await gemeente.ask(QUESTION)
    assert isinstance(caught.value, ConnectionResetError | aiohttp.ClientOSError)
    (seen,) = stage.simulator.seen.api_calls()
    assert (seen.faults, seen.status) == (("reset",), None)
    assert seen.headers["content-length"] == str(len(json.dumps(QUESTION)))
    assert (await gemeente.ask(QUESTION))[0] == 200


@pytest.mark.parametrize(
    ("method", "repeats", "calls"),
    [("POST", True, 1), ("GET", True, 2), ("DELETE", True, 2), ("GET", False, 1), ("DELETE", False, 1)],
)
async def test_every_call_that_was_read_is_counted_also_one_that_a_client_repeats_by_itself(
    stage, gemeente, method, repeats, calls
):
    token = await gemeente.token("ResourceServer02")
    stage.simulator.faults.add(FaultRule(FaultKind.RESET, Match(api="berichten", method=method)))
    url = f"{gemeente.base}/lap/api/brp/berichten/v1/berichten/b8c1f2de-4f0c-4a8e-9d8a-1f2bfcd0abd6"
    connector = aiohttp.TCPConnector(ssl=stage.context(gemeente.issued), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        # aiohttp repeats idempotent methods once, on a fresh connection too, unless this is off.
        session._retry_connection = repeats
        with pytest.raises(aiohttp.ClientOSError):
            await session.request(method, url, headers={"Authorization": f"Bearer {token}"})
    assert [one.method for one in stage.simulator.seen.api_calls()] == [method] * calls


async def test_a_kept_alive_connection_is_reset_and_a_fresh_one_is_not(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.RESET_KEPT_ALIVE))
    with pytest.raises(aiohttp.ClientOSError):
        await gemeente.ask(QUESTION)
    connector = aiohttp.TCPConnector(ssl=stage.context(gemeente.issued))
    async with aiohttp.ClientSession(connector=connector) as session:
        headers = {"Authorization": f"Bearer {await gemeente.token()}"}
        async with session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.WRONG_LENGTH])
async def test_an_answer_can_be_shorter_than_promised(stage, gemeente, kind):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(kind, times=1))
    with pytest.raises(aiohttp.ClientPayloadError):
        await gemeente.ask(QUESTION)
    assert (await gemeente.ask(QUESTION))[0] == 200


async def test_an_answer_can_be_huge(stage, gemeente):
    headers = {"Authorization": f"Bearer {await gemeente.token()}", "Accept-Encoding": "identity"}
    stage.simulator.faults.add(FaultRule(FaultKind.HUGE, size=3_000_000, times=1))
    async with gemeente.session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer:
        assert len(await answer.read()) == 3_000_000
        assert isinstance(await answer.json(), dict)


async def test_a_huge_answer_packs_small(stage, gemeente):
    headers = {"Authorization": f"Bearer {await gemeente.token()}", "Accept-Encoding": "gzip"}
    stage.simulator.faults.add(FaultRule(FaultKind.HUGE, size=3_000_000, times=1))
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=stage.context(gemeente.issued)), auto_decompress=False
        ) as session,
        session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer,
    ):
        packed = await answer.read()
    assert len(packed) < 50_000
    assert len(gzip.decompress(packed)) == 3_000_000


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_a_status_can_be_forced(stage, gemeente, status):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.STATUS, status=status, times=1))
    got, problem = await gemeente.ask(QUESTION)
    assert (got, problem["status"]) == (status, status)
    assert (await gemeente.ask(QUESTION))[0] == 200


async def test_a_token_can_be_refused_once_by_the_gateway_of_rvig(stage, gemeente):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.TOKEN_INVALID, times=1))
    status, document = await gemeente.ask(QUESTION)
    assert (status, document["detail"]) == (401, "APIGW: client-access_token is not valid")
    # The token that was refused stays refused; a new one works.
    assert (await gemeente.ask(QUESTION))[0] == 401
    gemeente.tokens.clear()
    assert (await gemeente.ask(QUESTION))[0] == 200


async def test_the_token_endpoint_can_refuse_fail_and_hang(stage, gemeente):
    only = Match(api="token")
    stage.simulator.faults.add(FaultRule(FaultKind.TOKEN_REFUSED, error="unauthorized_client", times=1))
    stage.simulator.faults.add(FaultRule(FaultKind.STATUS, only, times=1, status=503))
    stage.simulator.faults.add(FaultRule(FaultKind.HANG, only, times=1))
    status, document = await gemeente.ask_token()
    assert (status, document) == (400, {"error": "unauthorized_client"})
    async with gemeente.session.post(f"{gemeente.base}/nidp/oauth/nam/token") as answer:
        assert answer.status == 503
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gemeente.ask_token(), 0.2)
    assert (await gemeente.ask_token())[0] == 200


async def test_a_token_can_be_opaque_for_one_afnemer(stage, gemeente, waterschap):
    stage.simulator.faults.add(FaultRule(FaultKind.OPAQUE_TOKEN, Match(afnemer_id=GEMEENTE.afnemer_id)))
    assert "." not in await gemeente.token()
    assert (await waterschap.token()).count(".") == 2
    assert (await gemeente.ask(QUESTION))[0] == 200


async def test_a_token_can_carry_wrong_claims_while_rvig_knows_whose_it_is(stage, gemeente):
    claims = {"OIN": WATERSCHAP.oin, "gemeenteCode": ""}
    stage.simulator.faults.add(FaultRule(FaultKind.WRONG_CLAIMS, claims=claims, times=1))
    carried = jwt.decode(await gemeente.token(), options={"verify_signature": False})["claims"]
    assert f"OIN={WATERSCHAP.oin}" in carried
    assert not [one for one in carried if one.startswith("gemeenteCode")]
    await gemeente.ask(QUESTION)
    assert stage.simulator.seen.api_calls()[0].token_oin == GEMEENTE.oin


async def test_a_token_can_be_dead_on_arrival(stage, gemeente):
    stage.simulator.faults.add(FaultRule(FaultKind.EXPIRED_TOKEN, times=1))
    status, document = await gemeente.ask(QUESTION)
    assert (status, document["detail"]) == (401, "APIGW: client-access_token is not valid")


async def test_an_account_can_be_blocked_for_some_calls(stage, gemeente):
    await gemeente.token()
    await gemeente.token("ResourceServer02")
    stage.simulator.faults.add(FaultRule(FaultKind.BLOCKED_ACCOUNT, Match(client_id="duinwijk")))
    status, problem = await gemeente.berichten("GET", "")
    assert (status, problem["type"][-14:]) == (401, "/BBA-AUTH-F002")
    status, problem = await gemeente.ask(QUESTION)
    assert (status, problem["code"], problem["detail"]) == (401, "authentication", "Het account is geblokkeerd.")
    assert (await gemeente.ask_token())[0] == 401


async def test_a_certificate_can_be_shut_out_for_some_calls(stage, gemeente, waterschap):
    await gemeente.token()
    stage.simulator.faults.add(FaultRule(FaultKind.REVOKED_OIN, Match(certificate_oin=GEMEENTE.oin)))
    assert (await gemeente.ask(QUESTION))[0] == 401
    assert (await gemeente.ask_token())[0] == 401
    assert (await waterschap.ask(QUESTION))[0] == 200


async def test_a_canned_answer_still_needs_a_token(stage, gemeente):
    rule = FaultRule(
        FaultKind.ANSWER, status=418, body=b"thee", headers={"Content-Type": "text/plain", "warning": "299"}
    )
    stage.simulator.faults.add(rule)
    headers = {"Authorization": "Bearer onbekend"}
    async with gemeente.session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer:
        assert answer.status == 401
    stage.simulator.faults.clear()
    headers = {"Authorization": f"Bearer {await gemeente.token()}"}
    stage.simulator.faults.add(rule)
    async with gemeente.session.post(gemeente.base + PERSONEN, data=b"wat dan ook", headers=headers) as answer:
        assert (answer.status, await answer.text(), answer.headers["warning"]) == (418, "thee", "299")


async def test_headers_can_be_added_to_an_answer(stage, gemeente):
    headers = {"Authorization": f"Bearer {await gemeente.token()}"}
    stage.simulator.faults.add(FaultRule(FaultKind.HEADERS, headers={"X-Rate-Limit-Remaining": "3"}, times=1))
    stage.simulator.faults.add(FaultRule(FaultKind.STATUS, status=429, times=1))
    async with gemeente.session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as answer:
        assert (answer.status, answer.headers["X-Rate-Limit-Remaining"]) == (429, "3")


SUBJECT = Subject("personen", PERSONEN, "POST", "910101", "duinwijk", GEMEENTE.oin, kept_alive=False)


def test_a_rule_acts_as_often_as_it_says():
    faults = Faults()
    number = faults.add(FaultRule(FaultKind.STATUS, times=2))
    assert [len(faults.take(SUBJECT)) for _ in range(3)] == [1, 1, 0]
    assert faults.remaining(number) == 0
    assert not faults.any


@pytest.mark.parametrize(
    "match",
    [
        Match(api="berichten"),
        Match(path="/elders"),
        Match(method="GET"),
        Match(afnemer_id="000000"),
        Match(client_id="ander"),
        Match(certificate_oin="0"),
    ],
)
def test_a_rule_leaves_other_calls_alone(match):
    faults = Faults()
    faults.add(FaultRule(FaultKind.STATUS, match))
    assert faults.take(SUBJECT) == ()


def test_only_the_first_deciding_rule_is_spent():
    faults = Faults()
    faults.add(FaultRule(FaultKind.RESET, times=1))
    left = faults.add(FaultRule(FaultKind.STATUS, times=1))
    faults.add(FaultRule(FaultKind.SLOW, times=1))
    assert [one.kind for one in faults.take(SUBJECT)] == [FaultKind.RESET, FaultKind.SLOW]
    assert faults.remaining(left) == 1


@pytest.mark.parametrize(
    "value",
    [
        3,
        {},
        {"kind": "onbekend"},
        {"kind": "slow", "seconds": "lang"},
        {"kind": "slow", "tijden": 3},
        {"kind": "slow", "match": {"bsn": "1"}},
    ],
)
def test_a_rule_in_a_wrong_form_is_refused(value):
    with pytest.raises(ValueError, match=r"fault|is not a valid"):
        parse_rule(value)


def test_a_rule_that_never_acts_is_refused():
    with pytest.raises(ValueError, match="times"):
        Faults().add(FaultRule(FaultKind.SLOW, times=0))
