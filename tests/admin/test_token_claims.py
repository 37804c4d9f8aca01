"""What a token must say to name somebody: audience, times, subject and an address that was verified. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tenants.beheer_tokens import LONGEST_SECONDS, TokenRefused, read_subject
from tenants.beheerders import BeheerIdp

AUDIENCE = "koppelpunt-beheer"
NOW = 1_800_000_000.0
PROVIDER = BeheerIdp(1, "Entra", "https://idp.example", "https://idp.example/jwks", AUDIENCE, ("RS256",), 30, "sub")
GOOD = {"aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 300, "sub": "j.jansen"}


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("sub", {}), ("sub", {"aud": ["anders", AUDIENCE]}), ("sub", {"nbf": NOW + 29}), ("sub", {"iat": NOW - 90, "exp": NOW - 29}),
        ("sub", {"iat": NOW + 29, "exp": NOW + 60}),
        ("email", {"email": "j.jansen", "email_verified": True}),
        ("sub", {"iat": NOW - 10, "exp": NOW - 10 + LONGEST_SECONDS}),
    ],
)  # fmt: skip
def test_a_token_that_is_as_it_must_be_names_somebody(claim: str, changed: Mapping[str, Any]):
    assert read_subject({**GOOD, **changed}, replace(PROVIDER, claim_subject=claim), NOW) == "j.jansen"


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("audience", {"aud": "koppelpunt"}), ("audience", {"aud": []}), ("audience", {"aud": None}),
        ("audience", {"aud": {AUDIENCE: 1}}), ("tijden", {"iat": NOW - 90, "exp": NOW - 31}), ("tijden", {"exp": None}),
        ("tijden", {"iat": None}), ("tijden", {"iat": NOW + 31, "exp": NOW + 90}), ("tijden", {"nbf": NOW + 31}),
        ("tijden", {"nbf": "nu"}), ("tijden", {"exp": "9999999999"}), ("tijden", {"exp": True}),
        ("tijden", {"exp": float("inf")}), ("tijden", {"exp": NOW - 10 + LONGEST_SECONDS + 1}),
        ("tijden", {"iat": NOW + 5, "exp": NOW + 5}), ("subject", {"sub": None}), ("subject", {"sub": ""}),
        ("subject", {"sub": 7}), ("subject", {"sub": "x" * 201}), ("subject", {"sub": "a\nb"}),
        ("subject", {"sub": ["j.jansen"]}), ("bevestiging", {"cnf": {"x5t#S256": "x"}}),
    ],
)  # fmt: skip
def test_a_token_that_is_not_names_nobody(code: str, changed: Mapping[str, Any]):
    with pytest.raises(TokenRefused) as refused:
        read_subject({**GOOD, **changed}, PROVIDER, NOW)
    assert refused.value.code == code


@pytest.mark.parametrize("said", [{"email_verified": one} for one in (False, None, "true", 1)] + [{}])
def test_an_address_that_the_provider_does_not_say_it_verified_names_nobody(said: Mapping[str, Any]):
    by_mail = replace(PROVIDER, claim_subject="email")
    with pytest.raises(TokenRefused):
        read_subject({**GOOD, "email": "j.jansen", **said}, by_mail, NOW)
