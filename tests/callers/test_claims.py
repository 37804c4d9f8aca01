"""What a token of an IDP must say, one claim bent at a time, and what it means."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idp.claims import LONGEST_SECONDS, ClaimsRefused, IdpIdentity, read_identity
from tenants.model import AfnemerId
from tests.callers.issuers import AUDIENCE, CLIENT, claims, idp

NOW = 1_900_000_000
THUMBPRINT = bytes(range(32))
BOUND = {"x5t#S256": base64.urlsafe_b64encode(THUMBPRINT).decode().rstrip("=")}


def read(changed=None, **settings) -> IdpIdentity:
    return read_identity(claims(NOW, **(changed or {})), idp(**settings))


def test_a_token_names_taaksysteem_user_roles_and_afnemer():
    found = read()
    assert (found.taaksysteem, found.user, found.roles) == (CLIENT, "M-0042", frozenset({"balie", "inzage"}))
    assert found.afnemer_id == AfnemerId("000001")
    assert (found.not_before, found.expires) == (NOW - 30, NOW + 330)
    assert found.thumbprint is None


def test_nobody_is_shown_when_an_identity_is_printed():
    assert "M-0042" not in repr(read())
    assert "balie" not in repr(read())


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("idpIssuer", {"iss": "https://idp2.example"}),
        ("idpIssuer", {"iss": "https://idp1.example/"}),
        ("idpIssuer", {"iss": None}),
        ("idpAudience", {"aud": "een-ander"}),
        ("idpAudience", {"aud": None}),
        ("idpAudience", {"aud": AUDIENCE + "/"}),
        ("idpAudience", {"aud": [AUDIENCE.upper()]}),
        ("idpAudience", {"aud": {AUDIENCE: True}}),
        ("idpAudience", {"aud": []}),
        ("idpTaaksysteem", {"azp": None}),
        ("idpTaaksysteem", {"azp": ""}),
        ("idpTaaksysteem", {"azp": ["zaaksysteem"]}),
        ("idpTaaksysteem", {"azp": 5}),
        ("idpGebruiker", {"medewerker": ""}),
        ("idpGebruiker", {"medewerker": 42}),
        ("idpGebruiker", {"medewerker": "M\n1"}),
        ("idpGebruiker", {"medewerker": "M" * 201}),
        ("idpRollen", {"realm_access": {"roles": {"balie": True}}}),
        ("idpRollen", {"realm_access": {"roles": ["balie", 5]}}),
        ("idpRollen", {"realm_access": {"roles": ["r"] * 201}}),
        ("idpAfnemerId", {"afnemerID": None}),
        ("idpAfnemerId", {"afnemerID": 1}),
        ("idpAfnemerId", {"afnemerID": "1"}),
        ("idpAfnemerId", {"afnemerID": ["000001"]}),
        ("idpAfnemerId", {"afnemerID": "000001 "}),
        ("idpTijden", {"exp": None}),
        ("idpTijden", {"iat": None}),
        ("idpTijden", {"exp": str(NOW + 300)}),
        ("idpTijden", {"exp": True}),
        ("idpTijden", {"exp": NOW + LONGEST_SECONDS + 1}),
        ("idpTijden", {"exp": NOW}),
        ("idpTijden", {"exp": float("inf")}),
        ("idpTijden", {"exp": 10**40}),
        ("idpTijden", {"nbf": "nu"}),
        ("idpBevestiging", {"cnf": "x"}),
        ("idpBevestiging", {"cnf": {}}),
        ("idpBevestiging", {"cnf": {"jkt": "x"}}),
        ("idpBevestiging", {"cnf": {**BOUND, "jkt": "x"}}),
        ("idpBevestiging", {"cnf": {"x5t#S256": "kort"}}),
        ("idpBevestiging", {"cnf": {"x5t#S256": 5}}),
    ],
)
def test_a_token_that_does_not_say_what_it_must_is_refused(code, changed):
    with pytest.raises(ClaimsRefused) as caught:
        read(changed)
    assert caught.value.code == code


def test_a_confirmation_that_is_null_is_a_confirmation_that_cannot_be_checked():
    with pytest.raises(ClaimsRefused):
        read_identity({**claims(NOW), "cnf": None}, idp())


def test_a_token_may_be_for_others_too_when_it_is_for_this_gateway():
    assert read({"aud": ["account", AUDIENCE]}).taaksysteem == CLIENT


def test_an_azp_beside_the_claim_that_names_the_taaksysteem_must_say_the_same():
    assert read({"client_id": CLIENT}, claim_taaksysteem="client_id").taaksysteem == CLIENT
    assert read({"client_id": CLIENT, "azp": None}, claim_taaksysteem="client_id").taaksysteem == CLIENT
    with pytest.raises(ClaimsRefused):
        read({"client_id": CLIENT, "azp": "een-ander"}, claim_taaksysteem="client_id")


def test_a_machine_has_no_user_and_needs_no_afnemer():
    found = read({"medewerker": None, "afnemerID": None, "realm_access": None})
    assert (found.user, found.afnemer_id, found.roles) == (None, None, frozenset())


def test_claims_that_the_tenant_did_not_name_are_not_looked_at():
    found = read({"afnemerID": 5, "medewerker": 5}, claim_afnemer_id=None, claim_user=None, claim_roles=None)
    assert (found.user, found.afnemer_id, found.roles) == (None, None, frozenset())


def test_a_claim_is_found_by_its_whole_name_before_its_path():
    assert read({"realm_access.roles": "hoofd balie"}).roles == {"hoofd", "balie"}
    assert read({"https://x.example/u": "M1"}, claim_user="https://x.example/u").user == "M1"


def test_the_clock_may_differ_by_the_skew_of_the_idp_and_no_more():
    found = read({"nbf": NOW + 10}, clock_skew=5)
    assert (found.not_before, found.expires) == (NOW + 5, NOW + 305)
    assert read({"nbf": NOW - 500}, clock_skew=0).not_before == NOW


def test_a_token_may_be_bound_to_a_certificate():
    assert read({"cnf": BOUND}).thumbprint == THUMBPRINT


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*sorted(claims(NOW)), "nbf", "cnf"]), values))
def test_whatever_the_claims_are_they_are_an_identity_or_refused(changed):
    try:
        found = read_identity({**claims(NOW), **changed}, idp())
    except ClaimsRefused:
        return
    assert found.taaksysteem == (changed.get("azp", CLIENT))
    assert 0 < found.expires - found.not_before <= LONGEST_SECONDS + 60
