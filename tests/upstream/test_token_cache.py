"""One request for a token however many wait; early renewal; and a refused tenant does not hammer RvIG."""

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import orjson
import pytest

from gateway.call import Answered
from gateway.catalogue import TokenTexts
from gateway.errors import IdentityUnavailable, TokenRefused, TokenUnavailable
from gateway.token_request import Secrets, fill_scope, make_ask
from gateway.token_rules import TokenTimes, is_refusal, may_be_refusal
from gateway.tokens import Tokens
from tenants.keyring import make_keyring
from tenants.model import AfnemerId
from tests.upstream import stage
from tests.upstream.stage import BERICHTEN, HANG, PERSONEN, Request


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Endpoint:
    """What the token endpoint answers: a document (or bytes) and a status, to be changed by the test."""

    status: str = "200 OK"
    change: dict[str, Any] = field(default_factory=dict)
    claims: Callable[[Request], dict[str, Any]] | None = None
    raw: bytes | None = None
    issued: int = 0

    def __call__(self, request: Request) -> bytes:
        self.issued += 1
        document = {"access_token": f"opaak-{self.issued}", "token_type": "bearer", "expires_in": 600}
        if self.claims is not None:
            payload = base64.urlsafe_b64encode(orjson.dumps(self.claims(request))).rstrip(b"=").decode()
            document["access_token"] = f"e30.{payload}.{self.issued}"
        body = self.raw if self.raw is not None else orjson.dumps(document | self.change)
        return stage.answer(body, "Content-Type: application/json", status=self.status)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def endpoint(server):
    server.react = Endpoint()
    return server.react


@pytest.fixture
def heard():
    return []


@pytest.fixture
async def tokens(wires, keyring, clock, heard):
    made = Tokens(
        wires,
        Secrets(keyring),
        clock=clock,
        jitter=lambda: 0.5,
        notice=lambda event, aansluiting: heard.append((event, aansluiting.tenant_id)),
    )
    yield made
    await made.close()


def form_of(request: Request) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(request.body.decode(), strict_parsing=True).items()}


async def test_the_request_is_rvigs_and_goes_over_the_aansluitings_own_identity(
    tokens, endpoint, server, environment, first
):
    token = await tokens.get(first, environment, PERSONEN)
    request = server.requests[0]
    assert (request.method, request.target, request.oin) == (
        "POST",
        "/nidp/oauth/nam/token",
        first.organisation_oin,
    )
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert form_of(request) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": "geheim 1/%é",
        "scope": f"000001-{first.organisation_oin}",
        "resourceServer": "ResourceServer01",
    }
    assert token.value == "opaak-1"
    assert "opaak-1" not in repr(token)


async def test_basic_authentication_is_encoded_as_rfc_6749_says(tokens, endpoint, server, environment, first):
    basic = dataclasses.replace(first, credential=dataclasses.replace(first.credential, authentication="basic"))
    await tokens.get(basic, environment, PERSONEN)
    kind, _, encoded = server.requests[0].headers["authorization"].partition(" ")
    assert kind == "Basic"
    name, _, secret = base64.b64decode(encoded).decode().partition(":")
    assert (unquote_plus(name), unquote_plus(secret)) == ("client-1", "geheim 1/%é")
    assert secret.isascii()
    assert form_of(server.requests[0]).keys().isdisjoint({"client_id", "client_secret"})


async def test_scope_resource_server_and_extra_fields_are_data(tokens, endpoint, server, first):
    environment = stage.make_environment(
        server.url, token_fields={"audience": "rvig", "scope": "x"}, scope_template="{oin}"
    )
    await tokens.get(first, environment, BERICHTEN)
    own = dataclasses.replace(first, scope_template="acc-bba-{mailbox_id}", resource_server="Eigen")
    await tokens.get(own, environment, BERICHTEN)
    reis = PERSONEN.model_copy(update={"scope_template": "RDMREIS", "resource_server": "REISLAP"})
    await tokens.get(first, environment, reis)
    seen = [form_of(request) for request in server.requests]
    assert [(one["scope"], one["resourceServer"], one["audience"]) for one in seen] == [
        (first.organisation_oin, "ResourceServer02", "rvig"),
        ("acc-bba-0000010", "Eigen", "rvig"),
        ("RDMREIS", "REISLAP", "rvig"),
    ]


@pytest.mark.parametrize(
    "template", ["{oins}", "{oin.__class__}", "{oin!r}", "{oin:>30}", "{0}", "{}", "{oin", "}", "{mailbox_id}"]
)
def test_a_scope_template_with_anything_unknown_is_refused(first, template):
    with pytest.raises(IdentityUnavailable):
        fill_scope(template, dataclasses.replace(first, mailbox_id=None))


async def test_a_thousand_first_calls_make_one_request(tokens, endpoint, server, environment, first):
    found = await asyncio.gather(*(tokens.get(first, environment, PERSONEN) for _ in range(1000)))
    assert len({id(token) for token in found}) == 1
    assert len(server.requests) == 1


async def test_who_stops_waiting_does_not_end_the_request(tokens, endpoint, server, environment, first):
    waiting = [asyncio.create_task(tokens.get(first, environment, PERSONEN)) for _ in range(10)]
    await asyncio.sleep(0)
    for one in waiting[:9]:
        one.cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True] * 9 + [False]
    assert len(server.requests) == 1


async def test_a_thousand_waiters_hear_of_one_refusal_each_by_their_own(tokens, endpoint, server, environment, first):
    endpoint.status = "400 Bad Request"
    done = await asyncio.gather(
        *(tokens.get(first, environment, PERSONEN) for _ in range(1000)), return_exceptions=True
    )
    assert {type(one) for one in done} == {TokenRefused}
    assert len({id(one) for one in done}) == 1000
    assert len(server.requests) == 1


BENT_ASKS = [
    ("secret", lambda one: dataclasses.replace(one, credential=dataclasses.replace(one.credential, version=2))),
    ("credential", lambda one: dataclasses.replace(one, credential=dataclasses.replace(one.credential, credential_id=9))),
    ("method", lambda one: dataclasses.replace(one, credential=dataclasses.replace(one.credential, authentication="basic"))),
    ("certificate", lambda one: dataclasses.replace(one, certificate=dataclasses.replace(one.certificate, fingerprint=b"x" * 32))),
    ("afnemer", lambda one: dataclasses.replace(one, afnemer_id=AfnemerId("999999"))),
    ("resource server", lambda one: dataclasses.replace(one, resource_server="Ander")),
    ("scope", lambda one: dataclasses.replace(one, scope_template="{oin}")),
    ("mailbox", lambda one: dataclasses.replace(one, mailbox_id="1")),
    ("gemeentecode", lambda one: dataclasses.replace(one, gemeentecode=None)),
]  # fmt: skip


@pytest.mark.parametrize("bend", [bend for _, bend in BENT_ASKS], ids=[name for name, _ in BENT_ASKS])
def test_whatever_could_change_the_answer_is_in_the_key(environment, first, bend):
    assert make_ask(bend(first), environment, PERSONEN).key != make_ask(first, environment, PERSONEN).key


def test_what_cannot_change_the_answer_is_not_in_the_key(environment, first):
    newer = dataclasses.replace(first, version=99)
    assert make_ask(newer, environment, PERSONEN).key == make_ask(first, environment, PERSONEN).key


def test_url_extra_fields_and_endpoint_are_in_the_key(server, environment, first):
    others = [
        make_ask(first, stage.make_environment(server.url, token_url=server.url + "/ander"), PERSONEN),
        make_ask(first, stage.make_environment(server.url, token_fields={"a": "b"}), PERSONEN),
        make_ask(first, environment, PERSONEN.model_copy(update={"endpoint": "ander"})),
        make_ask(first, environment, PERSONEN),
    ]
    assert len({one.key for one in others}) == 4


async def test_apis_that_ask_for_the_same_token_share_it(tokens, endpoint, server, environment, first):
    bewoningen = PERSONEN.model_copy(update={"name": "bewoningen", "path": "/lap/api/bewoning/bewoningen"})
    assert await tokens.get(first, environment, PERSONEN) is await tokens.get(first, environment, bewoningen)
    assert len(server.requests) == 1


async def test_a_rotated_secret_never_meets_the_older_token(tokens, endpoint, server, environment, first):
    before = await tokens.get(first, environment, PERSONEN)
    rotated = dataclasses.replace(first, credential=dataclasses.replace(first.credential, version=2))
    assert (await tokens.get(rotated, environment, PERSONEN)).value != before.value


async def test_a_token_is_renewed_in_the_background_before_it_ends(tokens, endpoint, server, environment, first, clock):
    before = await tokens.get(first, environment, PERSONEN)
    assert before.expires_at == 1000 + 540
    clock.now = 1000 + 540 * 0.74
    assert await tokens.get(first, environment, PERSONEN) is before
    assert len(server.requests) == 1
    clock.now = 1000 + 540 * 0.76
    assert await asyncio.gather(*(tokens.get(first, environment, PERSONEN) for _ in range(10))) == [before] * 10
    server.arrived.clear()
    await server.arrived.wait()
    await asyncio.sleep(0.05)
    assert (await tokens.get(first, environment, PERSONEN)).value == "opaak-2"
    assert len(server.requests) == 2


async def test_a_renewal_that_fails_leaves_the_living_token_in_use_and_is_not_repeated_at_once(
    tokens, endpoint, server, environment, first, clock
):
    before = await tokens.get(first, environment, PERSONEN)
    endpoint.status = "503 Service Unavailable"
    clock.now += 500
    for _ in range(5):
        assert await tokens.get(first, environment, PERSONEN) is before
        await asyncio.sleep(0.02)
    assert len(server.requests) == 2
    clock.now += 40
    with pytest.raises(TokenUnavailable):
        await tokens.get(first, environment, PERSONEN)


@pytest.mark.parametrize(
    ("expires_in", "usable"),
    [(600, 540), (10, 5), (2, 1), (3600, 3540), ("600", 540), (None, 54), (10**9, 86_340), (0.5, 0.25)],
)
async def test_the_margin_is_relative_to_the_life(tokens, endpoint, environment, first, expires_in, usable):
    endpoint.change = {"expires_in": expires_in}
    token = await tokens.get(first, environment, PERSONEN)
    assert token.expires_at - token.issued_at == pytest.approx(usable)


async def test_the_tokens_own_life_counts_when_it_is_shorter(tokens, endpoint, environment, first):
    endpoint.claims = lambda _request: {"iat": 100, "exp": 200}
    token = await tokens.get(first, environment, PERSONEN)
    assert token.expires_at - token.issued_at == 90


async def test_refusals_are_remembered_with_growing_pauses(tokens, endpoint, server, environment, first, clock):
    endpoint.status = "401 Unauthorized"
    endpoint.raw = b'{"error":"invalid_client","error_description":"geheim van RvIG"}'
    asked = []
    for _ in range(900):
        with pytest.raises(TokenRefused) as caught:
            await tokens.get(first, environment, PERSONEN)
        assert "RvIG heeft" not in caught.value.detail
        assert "geheim" not in caught.value.detail
        asked.append(len(server.requests))
        clock.now += 1
    # 5, 10, 20, 40, 80, 160, 300, … seconds apart.
    assert asked[-1] == 8
    endpoint.status, endpoint.raw = "200 OK", None
    clock.now += 400
    assert await tokens.get(first, environment, PERSONEN)


async def test_trouble_that_may_pass_is_tried_again_sooner_and_says_when(
    tokens, endpoint, server, environment, first, clock
):
    endpoint.status = "500 Internal Server Error"
    for _ in range(2):
        with pytest.raises(TokenUnavailable) as caught:
            await tokens.get(first, environment, PERSONEN)
        assert caught.value.retry_after == 1
    assert len(server.requests) == 1
    clock.now += 0.6
    endpoint.status = "200 OK"
    assert await tokens.get(first, environment, PERSONEN)


async def test_a_neighbours_refusal_costs_nobody_else(tokens, endpoint, server, environment, first, second):
    server.react = lambda request: (
        stage.answer(b"{}", status="400 Bad Request") if request.oin == first.organisation_oin else endpoint(request)
    )
    with pytest.raises(TokenRefused):
        await tokens.get(first, environment, PERSONEN)
    assert await tokens.get(second, environment, PERSONEN)


async def test_a_token_endpoint_that_hangs_ends_in_time(tokens, server, first):
    server.react = lambda _request: HANG
    environment = stage.make_environment(server.url, token_timeout=0.2)
    with pytest.raises(TokenUnavailable) as caught:
        await tokens.get(first, environment, PERSONEN)
    assert caught.value.code == "antwoordTeLaat"


@pytest.mark.parametrize(
    "raw",
    [b"", b"geen JSON", b"[]", b"{}", b'{"access_token":""}', b'{"access_token":7}', b'{"access_token":"a b"}',
     b'{"access_token":"a\\r\\nx-y: z"}', b'{"access_token":"a","token_type":"mac"}',
     b'{"access_token":"a","expires_in":0}', b'{"access_token":"a","expires_in":-1}',
     b'{"access_token":"a","expires_in":"nan"}', b'{"access_token":"a","expires_in":[1]}', b"\xff"],
)  # fmt: skip
async def test_an_answer_without_a_usable_token_is_trouble_that_may_pass(tokens, endpoint, environment, first, raw):
    endpoint.raw = raw
    with pytest.raises(TokenUnavailable) as caught:
        await tokens.get(first, environment, PERSONEN)
    assert caught.value.code == "tokenOnbruikbaar"


async def test_a_blocked_account_is_left_alone_for_long(tokens, endpoint, server, environment, first, clock):
    endpoint.status = "401 Unauthorized"
    endpoint.raw = b'{"type":"https://www.rvig.nl/brp/berichten-api/probleem/BBA-AUTH-F002"}'
    for _ in range(3):
        with pytest.raises(TokenRefused) as caught:
            await tokens.get(first, environment, PERSONEN)
        assert caught.value.code == "accountGeblokkeerd"
        clock.now += 250
    assert len(server.requests) == 1


async def test_a_token_of_another_afnemer_is_not_used_and_is_told(tokens, endpoint, environment, first, second, heard):
    endpoint.claims = lambda _request: {"claims": [f"OIN={second.organisation_oin}"]}
    with pytest.raises(TokenRefused) as caught:
        await tokens.get(first, environment, PERSONEN)
    assert caught.value.code == "tokenTegenstrijdig"
    assert second.organisation_oin not in caught.value.detail
    assert heard == [("tokenContradicts", 1), ("tokenFailed", 1)]


async def test_a_gemeentecode_in_the_token_of_a_non_gemeente_is_an_alarm(tokens, endpoint, environment, first, heard):
    endpoint.claims = lambda _request: {"claims": ["gemeenteCode=0518"]}
    with pytest.raises(TokenRefused):
        await tokens.get(dataclasses.replace(first, gemeentecode=None), environment, PERSONEN)
    assert heard[0] == ("gemeentecodeBijNietGemeente", 1)


async def test_an_agreeing_token_is_used(tokens, endpoint, environment, first, heard):
    endpoint.claims = lambda request: {
        "scope": [form_of(request)["scope"]],
        "claims": [f"OIN={first.organisation_oin}", "afnemerID=000001", "endpoint=brp-lap", "mailboxid=0000010"],
    }
    assert await tokens.get(first, environment, PERSONEN)
    assert heard == [("tokenIssued", 1)]


async def test_only_the_token_that_was_refused_is_given_up_and_only_once(tokens, endpoint, server, environment, first):
    used = await tokens.get(first, environment, PERSONEN)
    assert tokens.invalidate(used)
    assert not tokens.invalidate(used)
    renewed = await tokens.get(first, environment, PERSONEN)
    assert renewed.value == "opaak-2"
    assert not tokens.invalidate(used)
    assert await tokens.get(first, environment, PERSONEN) is renewed
    assert len(server.requests) == 2


async def test_fresh_tokens_that_are_refused_again_and_again_are_not_asked_for_at_the_pace_of_calls(
    tokens, endpoint, server, environment, first, clock
):
    refused: list[str] = []
    for _ in range(600):
        try:
            tokens.invalidate(await tokens.get(first, environment, PERSONEN))
        except TokenRefused as error:
            refused.append(error.code)
        clock.now += 0.5
    assert len(server.requests) <= 10
    assert set(refused) == {"tokenNietAanvaard"}
    assert len(refused) > 580


async def test_a_token_that_is_taken_in_between_makes_no_row_of_refusals(
    tokens, endpoint, server, environment, first, clock
):
    for _ in range(6):
        refused = await tokens.get(first, environment, PERSONEN)
        assert tokens.invalidate(refused)
        tokens.accept(await tokens.get(first, environment, PERSONEN))
    assert await tokens.get(first, environment, PERSONEN)


async def test_what_was_refused_is_asked_again_at_once_when_it_is_forgiven(
    tokens, endpoint, server, environment, first
):
    endpoint.status = "401 Unauthorized"
    for _ in range(2):
        with pytest.raises(TokenRefused):
            await tokens.get(first, environment, PERSONEN)
    tokens.forgive(first, environment, PERSONEN)
    endpoint.status = "200 OK"
    assert await tokens.get(first, environment, PERSONEN)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("method", "body", "refusal"), [("HEAD", b"", True), ("GET", b"", False), ("HEAD", b"{}", False)]
)
def test_a_dead_token_is_seen_from_the_status_alone_where_an_answer_has_no_words(method, body, refusal):
    environment = stage.make_environment("https://rvig.invalid")
    assert may_be_refusal(environment, Answered(401, {}, body), method) is refusal
    assert not may_be_refusal(environment, Answered(404, {}, body), method)


async def test_a_token_that_worked_for_long_may_be_given_up_without_a_pause(
    tokens, endpoint, server, environment, first, clock
):
    for _ in range(5):
        token = await tokens.get(first, environment, PERSONEN)
        clock.now += 61
        assert tokens.invalidate(token)
    assert len(server.requests) == 5


async def test_a_secret_that_does_not_open_is_the_operators_and_nothing_leaves(wires, server, environment, first):
    tokens = Tokens(wires, Secrets(make_keyring("identity")))
    with pytest.raises(IdentityUnavailable) as caught:
        await tokens.get(first, environment, PERSONEN)
    assert caught.value.code == "secretGesloten"
    assert server.connections == 0


async def test_an_aansluiting_of_another_environment_gets_no_token(tokens, server, first):
    with pytest.raises(IdentityUnavailable):
        await tokens.get(first, stage.make_environment(server.url, "productie"), PERSONEN)
    assert server.connections == 0


async def test_the_cache_is_bounded(wires, keyring, endpoint, environment, first):
    tokens = Tokens(wires, Secrets(keyring), times=TokenTimes(entries=5))
    for number in range(20):
        await tokens.get(dataclasses.replace(first, mailbox_id=str(number)), environment, PERSONEN)
    assert len(tokens) <= 5


@pytest.mark.parametrize(
    ("status", "document", "refusal"),
    [
        (401, {"detail": "APIGW: client-access_token is not valid"}, True),
        (401, {"detail": "apigw: client-access_token is not valid"}, False),
        (401, {"detail": "Er staat: APIGW: client-access_token is not valid"}, False),
        (401, {}, False),
        (403, {"detail": "APIGW: client-access_token is not valid"}, False),
        (200, {"detail": "APIGW: client-access_token is not valid"}, False),
        (401, {"detail": "APIGW: client-access_token is not valid", "code": "BBA-AUTH-F002"}, False),
    ],
)
def test_a_refused_token_is_known_by_the_exact_answer(status, document, refusal):
    environment = stage.make_environment("https://rvig.invalid")
    assert is_refusal(environment, Answered(status, {}, orjson.dumps(document))) is refusal


def test_an_answer_that_cannot_be_read_refuses_by_its_status_only_if_the_table_says_so():
    answered = Answered(401, {}, b"<html>")
    assert not is_refusal(stage.make_environment("https://rvig.invalid"), answered)
    bare = stage.make_environment("https://rvig.invalid", token_refused=(TokenTexts(status=401),))
    assert is_refusal(bare, answered)
