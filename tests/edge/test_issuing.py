"""The gateway's own token endpoint: RvIG's shape, the letter of RFC 6749, and exactly one aansluiting per token."""

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import pytest
import structlog

from gateway.call import Outgoing
from gateway.caller import Authenticator, Failures
from gateway.edge import check_shape, make_edge
from gateway.errors import RegisterUnavailable, TooMany
from gateway.issued import SigningKeysError, TokenMint, make_signing_keys, read_signing_keys
from gateway.issuing import Watch, issuing_routes
from gateway.metrics import make_metrics
from gateway.rates import Rates
from gateway.unknown_callers import UnknownCallers
from tests import values
from tests.edge.serving import Answer, ask, request, running
from tests.edge.test_caller import CLIENT_ID, ISSUER, KEYRING, SECRET, client_key, registry
from tests.values import CATALOGUE, NOW

SCOPE = "000001-00000001000000001000"
FIELDS = {
    "grant_type": "client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": SECRET,
    "scope": SCOPE,
    "resourceServer": "ResourceServer01",
}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def mint(tmp_path) -> TokenMint:
    path = tmp_path / "token.keys"
    path.write_text(make_signing_keys())
    return TokenMint(read_signing_keys(path), ISSUER)


async def no_limit(_taaksysteem) -> list[tuple[bytes, bytes]]:
    return []


class Endpoint:
    """A running edge with the endpoint on it, and an exchange behind it that says who called."""

    def __init__(self, mint: TokenMint, snapshot=None, limit=no_limit, **limits) -> None:
        self.snapshot = snapshot or registry(client_key())
        failures = Failures(**limits)
        self.authenticator = Authenticator(self.snapshot, KEYRING, mint, NOW.timestamp, failures)
        self.metrics = make_metrics()
        watch = Watch(self.metrics, limit, UnknownCallers(count=lambda code: self.metrics.security(code).inc()))
        self.routes = issuing_routes(self.authenticator, mint, self.snapshot, watch, clock=NOW.timestamp)

    async def exchange(self, bevraging):
        caller = self.authenticator.authenticate(bevraging)
        check_shape(bevraging)
        return Outgoing(200, [], json.dumps(caller.bound).encode())

    async def ask(self, *requests: bytes) -> list[Answer]:
        async with running(make_edge(self.exchange, CATALOGUE, routes=self.routes)) as port:
            return [await ask(port, data) for data in requests]

    def counted(self) -> dict[tuple[str, str], float]:
        """How often each outcome was counted for each tenant."""
        return {
            (sample.labels["tenant"], sample.labels["outcome"]): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "koppelpunt_own_tokens_total"
        }


def asking(fields=None, *, headers=(), media: str = FORM, method: str = "POST", **changed) -> bytes:
    given = {**(FIELDS if fields is None else fields), **changed}
    body = urlencode({name: value for name, value in given.items() if value is not None}).encode()
    return request(
        method,
        "/nidp/oauth/nam/token",
        body,
        headers=(("Content-Type", media), *headers),
        without=("Content-Type", "X-API-KEY"),
    )


def basic(client_id: str = CLIENT_ID, secret: str = SECRET) -> tuple[tuple[str, str]]:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
    return (("Authorization", "Basic " + base64.b64encode(pair).decode()),)


async def test_a_token_is_issued_in_rvigs_shape_and_opens_the_apis(mint):
    endpoint = Endpoint(mint)
    (answer,) = await endpoint.ask(asking())
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    token = answer.json.pop("access_token")
    assert answer.json | {"access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 600,
        "scope": SCOPE,
    }
    (used,) = await endpoint.ask(
        request(body=b"{}", headers=(("Authorization", f"Bearer {token}"),), without=("X-API-KEY",))
    )
    assert (used.status, used.json) == (200, [1, 1])


async def test_the_token_is_es256_verifiable_by_the_published_keys(mint):
    get = request("GET", "/nidp/oauth/nam/jwks")
    answer, published = await Endpoint(mint).ask(asking(), get)
    token = answer.json["access_token"]
    (key,) = jwt.PyJWKSet.from_dict(published.json).keys
    payload = jwt.decode(token, key, ["ES256"], audience=CLIENT_ID, issuer=ISSUER, options={"verify_exp": False})
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": key.key_id, "typ": "at+jwt"}
    assert payload["exp"] - payload["iat"] == 600
    assert payload["iat"] - payload["nbf"] == 30
    assert payload["sub"] == payload["aud"] == CLIENT_ID
    assert payload["scope"] == [SCOPE]
    assert payload["claims"] == ["OIN=00000001000000001000", "afnemerID=000001", "gemeenteCode=0001"]
    assert (payload["omgeving"], payload["taaksysteem"], payload["aansluiting"]) == ("productie", "1/1", "1/1")
    assert "d" not in published.json["keys"][0]


async def test_basic_authentication_gives_the_same(mint):
    fields = {"grant_type": "client_credentials", "scope": SCOPE}
    named = fields | {"client_id": CLIENT_ID}
    answers = await Endpoint(mint).ask(asking(fields, headers=basic()), asking(named, headers=basic()))
    assert [answer.status for answer in answers] == [200, 200]


WITHOUT_CLIENT = {"grant_type": "client_credentials", "scope": SCOPE}


@pytest.mark.parametrize(
    ("name", "data", "status", "error"),
    [
        ("a wrong secret", asking(client_secret="fout"), 401, "invalid_client"),
        ("an unknown client", asking(client_id="kp-onbekend"), 401, "invalid_client"),
        ("no secret", asking(client_secret=None), 401, "invalid_client"),
        ("an empty secret", asking(client_secret=""), 401, "invalid_client"),
        ("no client", asking(WITHOUT_CLIENT), 401, "invalid_client"),
        ("a wrong secret in Basic", asking(WITHOUT_CLIENT, headers=basic(secret="fout")), 401, "invalid_client"),
        ("Bearer", asking(WITHOUT_CLIENT, headers=(("Authorization", "Bearer a"),)), 401, "invalid_client"),
        (
            "Basic without base64",
            asking(WITHOUT_CLIENT, headers=(("Authorization", "Basic é"),)),
            401,
            "invalid_client",
        ),
        (
            "Basic without a colon",
            asking(WITHOUT_CLIENT, headers=(("Authorization", "Basic YQ=="),)),
            401,
            "invalid_client",
        ),
        ("body and Basic at once", asking(headers=basic()), 400, "invalid_request"),
        (
            "two client-IDs",
            asking(WITHOUT_CLIENT | {"client_id": "kp-ander"}, headers=basic()),
            400,
            "invalid_request",
        ),
        ("no grant type", asking(grant_type=None), 400, "invalid_request"),
        ("another grant type", asking(grant_type="password"), 400, "unsupported_grant_type"),
        ("no scope", asking(scope=None), 400, "invalid_scope"),
        ("an OIN alone", asking(scope="00000001000000001000"), 400, "invalid_scope"),
        ("another tenant's scope", asking(scope="000002-00000001000000002000"), 400, "invalid_scope"),
        ("two scopes", asking(scope=f"{SCOPE} {SCOPE}"), 400, "invalid_scope"),
        ("a scope with a space", asking(scope=f"{SCOPE} "), 400, "invalid_scope"),
        ("JSON", asking(media="application/json"), 400, "invalid_request"),
        (
            "a repeated parameter",
            request(
                path="/nidp/oauth/nam/token",
                body=urlencode(FIELDS).encode() + b"&scope=x",
                headers=(("Content-Type", FORM),),
                without=("Content-Type",),
            ),
            400,
            "invalid_request",
        ),
        (
            "a parameter in the URL",
            request(
                path="/nidp/oauth/nam/token?scope=x",
                body=urlencode(FIELDS).encode(),
                headers=(("Content-Type", FORM),),
                without=("Content-Type",),
            ),
            400,
            "invalid_request",
        ),
        (
            "no form",
            request(
                path="/nidp/oauth/nam/token",
                body=b"\xff\x00&&;",
                headers=(("Content-Type", FORM),),
                without=("Content-Type",),
            ),
            400,
            "invalid_request",
        ),
        ("forty parameters", asking({**FIELDS, **{str(n): "a" for n in range(40)}}), 400, "invalid_request"),
    ],
)
async def test_refusals_are_in_the_words_of_rfc_6749(mint, name, data, status, error):
    (answer,) = await Endpoint(mint).ask(data)
    assert (answer.status, answer.json["error"]) == (status, error), name
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert all(0x20 <= ord(sign) <= 0x7E and sign not in '"\\' for sign in answer.json["error_description"])
    assert SECRET not in answer.body.decode()


async def test_unknown_and_empty_parameters_are_passed_over(mint):
    (answer,) = await Endpoint(mint).ask(asking(FIELDS | {"iets": "anders", "leeg": ""}))
    assert answer.status == 200


async def test_a_scope_that_fits_two_aansluitingen_is_refused(mint):
    snapshot = registry(client_key())
    other = replace(snapshot.aansluitingen[1, 1], aansluiting_id=7, pattern="koppelpunt")
    snapshot.aansluitingen[1, 7] = other
    snapshot.machtigingen[1, 1][1, 7] = replace(values.machtiging(1), machtiging_id=7, aansluiting_id=7)
    (answer,) = await Endpoint(mint, snapshot).ask(asking())
    assert answer.json["error"] == "invalid_scope"


async def test_a_scope_without_a_machtiging_that_stands_is_refused(mint):
    snapshot = registry(client_key())
    snapshot.machtigingen[1, 1][1, 1] = replace(values.machtiging(1), withdrawn_at=NOW)
    (answer,) = await Endpoint(mint, snapshot).ask(asking())
    assert answer.json["error"] == "invalid_scope"


async def test_too_many_wrong_secrets_of_one_client_get_a_429_and_other_clients_none(mint):
    snapshot = registry(client_key(), client_key(2, "kp-twee", "geheim"))
    endpoint = Endpoint(mint, snapshot, by_credential=Rates(burst=2, per_second=0.01, most=10))
    wrong = asking(client_secret="fout")
    second = asking(client_id="kp-twee", client_secret="geheim", scope="000002-00000001000000002000")
    answers = await endpoint.ask(wrong, wrong, wrong, asking(), second)
    assert [answer.status for answer in answers] == [401, 401, 429, 429, 200]
    assert int(answers[2].headers["retry-after"]) > 0


async def test_each_request_for_a_token_has_a_line_and_is_counted_without_a_word_of_the_caller(mint, capfdbinary):
    endpoint = Endpoint(mint)
    asked = [
        asking(), asking(client_secret="mijn-verkeerde-geheim"), asking(scope="999999333-00000001000000001000"),
        asking(grant_type="999999333"), asking(client_id="999999333"),
    ]  # fmt: skip
    answers = await endpoint.ask(*asked)
    written = capfdbinary.readouterr().out
    lines = [json.loads(line) for line in written.splitlines() if b'"tokenverzoek"' in line and b'"ms"' in line]
    assert [(line["status"], line["resultaat"], line["code"], line["tenant"], line["taaksysteem"]) for line in lines] == [
        (200, "uitgegeven", "", 1, "1/1"), (401, "geweigerd", "authentication", 0, None),
        (400, "geweigerd", "invalid_scope", 1, "1/1"), (400, "geweigerd", "unsupported_grant_type", 1, "1/1"),
        (401, "geweigerd", "authentication", 0, None),
    ]  # fmt: skip
    assert [line["transactie"] for line in lines] == [answer.headers["x-transactie-id"] for answer in answers]
    assert (lines[0]["aansluiting"], lines[1]["trace"]) == (1, None)
    assert endpoint.counted() == {
        ("1", "uitgegeven"): 1, ("0", "authentication"): 2, ("1", "invalid_scope"): 1, ("1", "unsupported_grant_type"): 1,
    }  # fmt: skip
    for sent in (b"verkeerde", b"999999333", SECRET.encode(), answers[0].json["access_token"].encode()):
        assert sent not in written


async def test_guessing_secrets_and_asking_for_anothers_aansluiting_stand_in_the_security_log_with_their_source(mint):
    endpoint = Endpoint(mint)
    with structlog.testing.capture_logs() as logs:
        await endpoint.ask(
            asking(client_secret="fout"), asking(scope="000002-00000001000000002000"), asking(media="application/json")
        )
    events = [log for log in logs if log["event"] == "veiligheid"]
    fields = ("actie", "object", "resultaat", "oorsprong", "actor")
    assert [tuple(log[name] for name in fields) for log in events] == [
        ("tokenverzoek", "tokens", "authentication", "127.0.0.1", "onbekend"),
        ("tokenverzoek", "tokens", "invalid_scope", "127.0.0.1", "1/1"),
    ]


async def test_a_token_is_a_call_of_its_taaksysteem_for_the_limits_and_a_wrong_secret_is_none(mint):
    taken = []

    async def limit(taaksysteem):
        taken.append((taaksysteem.tenant_id, taaksysteem.taaksysteem_id))
        if len(taken) > 1:
            error = TooMany("limietBereikt", "Te veel.", retry_after=3)
            error.headers = [(b"ratelimit", b'"taaksysteem";r=0;t=3')]
            raise error
        return [(b"ratelimit", b'"taaksysteem";r=1;t=3')]

    endpoint = Endpoint(mint, limit=limit)
    wrong, first, second = await endpoint.ask(asking(client_secret="fout"), asking(), asking())
    assert (wrong.status, first.status, second.status, taken) == (401, 200, 429, [(1, 1), (1, 1)])
    assert (first.headers["ratelimit"], second.headers["ratelimit"]) == (
        '"taaksysteem";r=1;t=3', '"taaksysteem";r=0;t=3',
    )  # fmt: skip
    assert (second.headers["retry-after"], "access_token" in second.json) == ("3", False)
    assert endpoint.counted()["1", "limietBereikt"] == 1


async def test_without_the_limits_database_no_token_is_issued(mint):
    async def limit(_taaksysteem):
        raise RegisterUnavailable("limietOnbekend", "Niet nu.", retry_after=1)

    endpoint = Endpoint(mint, limit=limit)
    (answer,) = await endpoint.ask(asking())
    assert (answer.status, "access_token" in answer.json) == (503, False)
    assert endpoint.counted() == {("1", "limietOnbekend"): 1}


async def test_metadata_and_keys_are_published(mint):
    paths = ("/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/nidp/oauth/nam")
    for answer in await Endpoint(mint).ask(*(request("GET", path) for path in paths)):
        assert answer.json["issuer"] == ISSUER
        assert answer.json["token_endpoint"] == "https://koppelpunt.example/nidp/oauth/nam/token"
        assert answer.json["jwks_uri"] == "https://koppelpunt.example/nidp/oauth/nam/jwks"
        assert answer.json["grant_types_supported"] == ["client_credentials"]


async def test_other_methods_are_refused_and_the_right_ones_named(mint):
    token, jwks = await Endpoint(mint).ask(asking(method="GET"), request("POST", "/nidp/oauth/nam/jwks"))
    assert (token.status, token.headers["allow"]) == (405, "POST")
    assert (jwks.status, jwks.headers["allow"]) == (405, "GET, HEAD")


def test_a_new_key_signs_and_the_old_one_still_verifies(tmp_path):
    old, new = make_signing_keys(), make_signing_keys()
    path = tmp_path / "token.keys"
    path.write_text(old)
    before = TokenMint(read_signing_keys(path), ISSUER)
    path.write_text(new + old)
    after = TokenMint(read_signing_keys(path), ISSUER)
    path.write_text(new)
    alone = TokenMint(read_signing_keys(path), ISSUER)
    made = [mint.make(values.taaksysteem(), client_key(), values.aansluiting(), 0) for mint in (before, after)]
    assert [alone.read(token, 1) is not None for token in made] == [False, True]
    assert all(after.read(token, 1) for token in made)
    assert len(after.keys.jwks()["keys"]) == 2


def test_tokens_of_another_issuer_another_algorithm_or_another_kind_are_not_read(tmp_path):
    path = tmp_path / "token.keys"
    path.write_text(make_signing_keys())
    keys = read_signing_keys(path)
    mint = TokenMint(keys, ISSUER)
    good = mint.make(values.taaksysteem(), client_key(), values.aansluiting(), 0)
    payload = jwt.decode(good, options={"verify_signature": False})
    header = {"kid": keys.current, "typ": "at+jwt"}

    def sign(changed: Any = None, algorithm: str = "ES256", key: Any = keys.private, **headers: str) -> str:
        return jwt.encode({**payload, **(changed or {})}, key, algorithm, headers={**header, **headers})

    assert mint.read(sign(), 1) is not None
    assert TokenMint(keys, "https://elders.example").read(good, 1) is None
    assert mint.read(sign({"iss": "https://elders.example"}), 1) is None
    assert mint.read(sign({"aud": "een ander"}), 1) is None
    assert mint.read(sign({"scope": [SCOPE, SCOPE]}), 1) is None
    assert mint.read(sign({"aansluiting": "1"}), 1) is None
    assert mint.read(sign(typ="JWT"), 1) is None
    assert mint.read(sign(kid="een ander"), 1) is None
    assert mint.read(sign(algorithm="none", key=None), 1) is None
    x = keys.jwks()["keys"][0]["x"].encode()
    assert mint.read(sign(algorithm="HS256", key=x + x), 1) is None
    assert mint.read("a" * 10_000, 1) is None


@pytest.mark.parametrize("text", ["", "geen sleutel", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_without_a_usable_key_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "token.keys"
    path.write_text(text)
    with pytest.raises(SigningKeysError) as caught:
        read_signing_keys(path)
    assert "AAAA" not in str(caught.value)
