"""Signed tokens and key sets: an algorithm is only the key's own, a key only the one that is named."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tenants.jws import ALGORITHMS, read_keys, read_unverified, verify
from tests.callers.issuers import SigningKey, jwks_of, make_key

RSA = make_key("r", "RS256")
EC = make_key("e", "ES256")
PSS = SigningKey("r", "PS256", RSA.private)
SAID = {"iss": "https://idp1.example", "sub": "x"}


def keys_of(*jwks: dict[str, Any], allowed=ALGORITHMS):
    return read_keys(json.dumps({"keys": list(jwks)}), allowed)


def without_alg(key: SigningKey, **changed) -> dict[str, Any]:
    return {name: value for name, value in key.jwk.items() if name != "alg"} | changed


def verified(token: str, keys) -> object:
    unverified = read_unverified(token)
    if unverified is None or unverified.kid is None:
        return None
    key = keys.get((unverified.kid, unverified.algorithm))
    return None if key is None else verify(unverified, key)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_allowed_algorithm_verifies(algorithm):
    key = make_key("k", algorithm)
    assert verified(key.sign(SAID), keys_of(key.jwk)) == SAID


def test_a_key_verifies_only_with_the_algorithm_that_it_says_it_is_for():
    keys = keys_of(RSA.jwk)
    assert verified(RSA.sign(SAID), keys) == SAID
    assert verified(PSS.sign(SAID), keys) is None


def test_a_key_that_says_no_algorithm_verifies_with_each_that_fits_its_type_and_is_allowed():
    assert verified(PSS.sign(SAID), keys_of(without_alg(RSA))) == SAID
    assert verified(PSS.sign(SAID), keys_of(without_alg(RSA), allowed={"RS256"})) is None
    assert set(keys_of(without_alg(EC))) == {("e", "ES256")}


def test_a_public_key_is_never_taken_for_a_shared_secret():
    pem = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = ({"alg": "HS256", "kid": "r", "typ": "JWT"}, SAID)
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (head, body)]
    signature = base64.urlsafe_b64encode(hmac.digest(pem, b".".join(parts), "sha256")).rstrip(b"=")
    assert read_unverified(b".".join([*parts, signature]).decode()) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", "EdDSA", "", None, 5, ["RS256"]])
def test_no_other_algorithm_is_read(algorithm):
    head = {"alg": algorithm, "kid": "r"}
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, SAID)]
    assert read_unverified(".".join([*parts, "AAAA"])) is None


@pytest.mark.parametrize("headers", [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"kid": 5}, {"typ": 5}])
def test_headers_that_would_change_what_a_signature_means_are_refused(headers):
    head = {"alg": "RS256", "kid": "r", **headers}
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, SAID)]
    assert read_unverified(".".join([*parts, "AAAA"])) is None


def test_a_key_in_the_header_is_not_even_read():
    own = make_key("r", "RS256")
    token = jwt.encode(SAID, own.private, "RS256", headers={"kid": "r", "jwk": own.jwk, "jku": "https://kwaad.example"})
    assert verified(token, keys_of(RSA.jwk)) is None


@pytest.mark.parametrize(
    "bent",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC"},
        {"kid": ""},
        {"kid": 5},
        {"kid": "k" * 201},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"n": ""},
        {"n": 5},
        {"e": None},
    ],
)
def test_a_key_that_is_for_something_else_or_broken_is_passed_over(bent):
    assert set(keys_of({**RSA.jwk, **bent}, EC.jwk)) == {("e", "ES256")}


def test_an_rsa_key_of_less_than_2048_bits_is_passed_over():
    small = SigningKey("s", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - what must be refused
    assert keys_of(small.jwk) == {}


def test_of_two_keys_with_one_name_neither_counts():
    other = make_key("r", "RS256")
    assert keys_of(RSA.jwk, other.jwk) == {}
    assert set(keys_of(RSA.jwk, make_key("r", "ES256").jwk)) == {("r", "RS256"), ("r", "ES256")}


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": {}}', '{"keys": null}', "<html>", "\x00"])
def test_what_is_no_key_set_is_none(document):
    assert read_keys(document, ALGORITHMS) is None


def test_an_empty_key_set_is_a_key_set():
    assert read_keys('{"keys": []}', ALGORITHMS) == {}


def test_more_keys_than_anyone_needs_are_no_key_set():
    assert keys_of(*[{**EC.jwk, "kid": str(number)} for number in range(65)]) is None


@given(
    st.text(max_size=300)
    | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,10}", fullmatch=True)
)
def test_no_text_is_a_token_by_chance(text):
    unverified = read_unverified(text)
    assert unverified is None or verify(unverified, keys_of(RSA.jwk)["r", "RS256"]) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "kid", "alg", "n", "e", "crv", "x", "y", "use", "key_ops"]), json_values
        )
    )
)
def test_no_key_set_breaks_the_reading(listed):
    found = read_keys(json.dumps({"keys": listed}), ALGORITHMS)
    assert found is not None


def test_jwks_of_a_private_key_gives_its_public_half_only():
    whole = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.private)) | {"kid": "e"}
    assert "d" in whole
    key = keys_of(whole)["e", "ES256"]
    assert not hasattr(key.key, "private_numbers")
    assert jwks_of(EC)["keys"][0]["kid"] == "e"
