"""Tokens of IDPs, remembered: never longer than the token, the key, the IDP or its words."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest

from gateway.caller_index import CallerIndex
from gateway.idp.tokens import IdpTokens
from tenants.jws import read_keys
from tenants.keysets import KeyUnknown
from tests.callers.issuers import SigningKey, claims, idp, jwks_of, make_key

NOW = 1_900_000_000.0
RSA, EC = make_key("r", "RS256"), make_key("e", "ES256")
OTHER = make_key("r2", "RS256")


class Keys:
    """The keys of each IDP as they are now."""

    def __init__(self) -> None:
        self.sets = {1: self.of(RSA, EC), 2: self.of(OTHER)}
        self.asked = 0

    @staticmethod
    def of(*keys) -> Any:
        return read_keys(json.dumps(jwks_of(*keys)), {"RS256", "ES256", "PS256"})

    def find(self, asked, kid, algorithm):
        self.asked += 1
        key = self.sets[asked.tenant_id].get((kid, algorithm))
        if key is None:
            raise KeyUnknown(asked)
        return key


class Stage:
    def __init__(self, most_kept: int = 100) -> None:
        self.index, self.keys = CallerIndex(), Keys()
        self.noticed: list[str] = []
        self.index.put_in([idp(1), idp(2)], [])
        self.tokens = IdpTokens(self.index, self.keys, self.noticed.append, most_kept)

    def read(self, token: str, at: float = 0.0):
        return self.tokens.read(token, NOW + at)


def token(key: SigningKey = RSA, headers=None, **changed) -> str:
    return key.sign(claims(NOW, **changed), **(headers or {}))


def test_a_token_names_its_idp_and_whom_it_is_about():
    found = Stage().read(token())
    assert (found.idp.tenant_id, found.identity.user) == (1, "M-0042")


@pytest.mark.parametrize("key", [RSA, EC])
def test_either_kind_of_key_will_do(key):
    assert Stage().read(token(key)) is not None


@pytest.mark.parametrize(
    ("at", "holds"), [(-31, False), (-30, True), (0, True), (329, True), (330, False), (9999, False)]
)
def test_a_token_holds_in_its_time_and_the_skew_fresh_or_remembered(at, holds):
    stage = Stage()
    assert (stage.read(token(), at) is not None) == holds
    stage.read(token())
    assert (stage.read(token(), at) is not None) == holds


def test_a_remembered_token_is_not_verified_again_and_one_that_ended_is_forgotten():
    stage, made = Stage(), token()
    assert stage.read(made) is stage.read(made)
    assert len(stage.tokens) == 1
    assert stage.read(made, 330) is None
    assert len(stage.tokens) == 0


def test_no_more_tokens_are_remembered_than_there_is_room_for():
    stage = Stage(most_kept=3)
    for number in range(5):
        assert stage.read(token(sub=str(number)))
    assert len(stage.tokens) == 3


def test_an_issuer_is_one_tenants_and_only_its_own_keys_verify_for_it():
    stage = Stage()
    assert stage.read(token(OTHER, iss="https://idp2.example")).idp.tenant_id == 2
    forged = replace(OTHER, kid="r")
    assert stage.read(token(forged)) is None
    with pytest.raises(KeyUnknown):
        stage.read(token(OTHER))
    assert stage.read(token(iss="https://onbekend.example")) is None


def test_a_key_that_was_rotated_out_takes_what_it_verified_with_it():
    stage, made = Stage(), token()
    assert stage.read(made)
    stage.keys.sets[1] = Keys.of(EC)
    with pytest.raises(KeyUnknown):
        stage.read(made)


def test_a_key_that_was_replaced_under_its_name_verifies_nothing_of_before():
    stage, made = Stage(), token()
    assert stage.read(made)
    stage.keys.sets[1] = Keys.of(make_key("r", "RS256"))
    assert stage.read(made) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"audience": "een-ander"},
        {"algorithms": frozenset({"ES256"})},
        {"claim_taaksysteem": "client_id"},
        {"issuer": "https://elders.example"},
    ],
)
def test_an_idp_that_was_changed_judges_remembered_tokens_anew(changed):
    stage, made = Stage(), token()
    assert stage.read(made)
    stage.index.take_out([idp(1)], [])
    stage.index.put_in([idp(1, version=2, **changed)], [])
    assert stage.read(made) is None


def test_an_idp_that_ended_lets_nobody_in_any_more():
    stage, made = Stage(), token()
    known = stage.index.idps[1, 1]
    assert stage.read(made)
    stage.index.take_out([known], [])
    assert stage.read(made) is None


def test_a_token_that_names_no_key_is_refused():
    stage = Stage()
    assert stage.read(jwt.encode(claims(NOW), RSA.private, "RS256")) is None
    assert stage.noticed == ["idpKop"]


@pytest.mark.parametrize("headers", [{"typ": "logout+jwt"}, {"typ": "secevent+jwt"}, {"typ": "dpop+jwt"}])
def test_a_token_of_another_kind_is_refused(headers):
    stage = Stage()
    assert stage.read(token(headers=headers)) is None
    assert stage.noticed == ["idpKop"]


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_the_kinds_of_rfc_9068_and_7519_are_read(kind):
    assert Stage().read(token(headers={"typ": kind}))


def test_why_a_token_was_refused_is_told_by_a_code_alone():
    stage = Stage()
    stage.read(token(aud="x"))
    stage.read(token()[:-8] + "AAAAAAAA")
    stage.read(token(), 500)
    assert stage.noticed == ["idpAudience", "idpHandtekening", "idpTijden"]


def test_an_issuer_that_moved_to_another_tenant_stays_there_when_the_first_is_taken_out():
    index = CallerIndex()
    old, new = idp(1), idp(2, issuer="https://idp1.example")
    index.put_in([old], [])
    index.put_in([new], [])
    index.take_out([old], [])
    assert index.idps_by_issuer == {"https://idp1.example": new}
