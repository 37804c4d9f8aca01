"""Clients that sign (private_key_jwt): for this gateway alone, for minutes, and once."""

import json

import jwt
import pytest

from gateway.errors import NotAuthenticated
from gateway.idp.assertions import check_assertion, read_assertion
from tests.callers.issuers import jwks_of, make_key
from tests.callers.standing import (
    AUDIENCES,
    CERTIFICATES,
    ISSUER,
    MOMENT,
    OWN_KEYS,
    STRANGER,
    TOKEN_URL,
    Standing,
)


def ask(standing: Standing, text: str, client_id: str | None = None, certificate=None):
    return standing.authenticator.authenticate_assertion(text, client_id, "192.0.2.1", certificate)


def is_refused(standing: Standing, text: str, client_id: str | None = None, certificate=None) -> bool:
    try:
        ask(standing, text, client_id, certificate)
    except NotAuthenticated:
        return True
    return False


def test_a_client_is_known_by_its_signature(standing):
    caller, use = ask(standing, standing.assertion(2), "kp-teken-2")
    assert (caller.taaksysteem.tenant_id, caller.key.kind) == (2, "private-key-jwt")
    assert (use.key, use.expires) == (caller.key, MOMENT + 90)


@pytest.mark.parametrize("audience", [TOKEN_URL, ISSUER, [TOKEN_URL], [ISSUER]])
def test_it_is_meant_for_the_token_endpoint_or_the_issuer(standing, audience):
    assert ask(standing, standing.assertion(aud=audience))


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elders.example/token"},
        {"aud": [TOKEN_URL, "https://elders.example/token"]},
        {"aud": [TOKEN_URL, ISSUER]},
        {"aud": []},
        {"aud": None},
        {"aud": TOKEN_URL + "/"},
        {"aud": 5},
        {"iss": "kp-teken-2"},
        {"sub": "kp-teken-2"},
        {"iss": "kp-teken-2", "sub": "kp-teken-2"},
        {"iss": "kp-1", "sub": "kp-1"},
        {"iss": None},
        {"sub": None},
        {"exp": None},
        {"exp": MOMENT - 31},
        {"exp": MOMENT + 331},
        {"exp": "straks"},
        {"exp": True},
        {"iat": MOMENT + 31},
        {"iat": "nu"},
        {"nbf": MOMENT + 31},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "j" * 256},
    ],
)
def test_an_assertion_that_does_not_say_what_it_must_is_refused(standing, changed):
    assert is_refused(standing, standing.assertion(**changed))


def test_it_counts_until_it_ends_and_the_skew(standing):
    text = standing.assertion()
    for seconds, refused in ((-31, True), (-30, False), (0, False), (89, False), (90, True)):
        standing.moment = MOMENT + seconds
        assert is_refused(standing, text) == refused


def test_only_the_clients_own_keys_verify_it(standing):
    assert is_refused(standing, standing.assertion(1, by=OWN_KEYS[2]))
    assert is_refused(standing, standing.assertion(1, by=make_key("eigen-1")))
    assert is_refused(standing, standing.assertion(1, by=make_key("eigen-1", "RS256")))


def test_a_client_may_have_two_keys_while_it_rotates(standing):
    new = make_key("nieuw", "PS256")
    standing.change(1, "private-key-jwt", jwks=json.dumps(jwks_of(OWN_KEYS[1], new)))
    assert ask(standing, standing.assertion(by=new))
    assert ask(standing, standing.assertion())
    standing.change(1, "private-key-jwt", jwks=json.dumps(jwks_of(new)))
    assert is_refused(standing, standing.assertion())


def test_an_assertion_that_names_no_key_is_tried_with_the_clients_own(standing):
    text = standing.assertion()
    said = jwt.decode(text, options={"verify_signature": False})
    assert ask(standing, jwt.encode(said, OWN_KEYS[1].private, "ES256"))
    assert is_refused(standing, jwt.encode(said, OWN_KEYS[2].private, "ES256"))


def test_a_client_with_a_secret_does_not_sign_and_one_that_signs_has_no_secret(standing):
    with pytest.raises(NotAuthenticated):
        standing.authenticator.authenticate_client("kp-teken-1", "", "192.0.2.1")
    with pytest.raises(NotAuthenticated):
        standing.authenticator.authenticate_client("kp-teken-1", "geheim-1", "192.0.2.1")
    assert standing.authenticator.authenticate_client("kp-1", "geheim-1", "192.0.2.1")


def test_a_client_id_beside_it_must_be_the_same(standing):
    assert is_refused(standing, standing.assertion(1), "kp-teken-2")


@pytest.mark.parametrize("text", ["", "a.b.c", "geen assertie", "." * 10])
def test_what_is_no_assertion_is_refused(standing, text):
    assert is_refused(standing, text)


def test_a_withdrawn_key_signs_for_nobody(standing):
    text = standing.assertion()
    standing.change(1, "private-key-jwt", state="withdrawn")
    assert is_refused(standing, text)


def test_a_certificate_beside_it_must_be_the_taaksysteems_own(mint):
    standing = Standing(mint)
    assert not is_refused(standing, standing.assertion(), certificate=CERTIFICATES[1])
    for certificate in (CERTIFICATES[2], STRANGER):
        assert is_refused(standing, standing.assertion(), certificate=certificate)
    demanding = Standing(mint, requires=frozenset({"certificate", "token"}))
    assert is_refused(demanding, demanding.assertion())
    assert not is_refused(demanding, demanding.assertion(), certificate=CERTIFICATES[1])


def test_a_token_of_an_idp_is_no_assertion_and_an_assertion_no_token(standing):
    assert is_refused(standing, standing.idp_token())
    assertion = read_assertion(standing.assertion())
    assert assertion is not None
    assert check_assertion(assertion, standing.keys[1]["idp"], AUDIENCES, MOMENT) is None
    assert standing.authenticator.idp_tokens.read(standing.assertion(), MOMENT) is None
    assert standing.mint.read(standing.assertion(), MOMENT) is None
