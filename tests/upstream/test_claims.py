"""A token of another afnemer is seen before it is used; a token that cannot be read proves nothing and refuses nothing."""

import base64
import dataclasses

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.claims import FOREIGN_GEMEENTECODE, Claims, check_claims, read_claims
from tenants.model import Aansluiting
from tests import values

AANSLUITING = dataclasses.replace(values.aansluiting(3, environment="proef"), mailbox_id="0000030")
SCOPE = f"000003-{values.oin(3)}"
AGREEING = [
    f"mailboxid={AANSLUITING.mailbox_id}",
    "endpoint=brp-lap",
    f"OIN={values.oin(3)}",
    "afnemerID=000003",
    "gemeenteCode=0003",
]


def make_token(payload: object) -> str:
    parts = [base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in ({"alg": "RS256"}, payload)]
    return f"{parts[0]}.{parts[1]}.handtekening"


def check(
    claims: list[str],
    scope: object = SCOPE,
    aansluiting: Aansluiting = AANSLUITING,
    endpoint: str | None = "brp-lap",
) -> tuple[str, ...]:
    read = read_claims(make_token({"claims": claims, "scope": [scope], "iat": 100, "exp": 700}))
    assert read is not None
    return check_claims(read, aansluiting, endpoint=endpoint, scope=SCOPE)


def test_rvigs_own_sample_is_read():
    sample = {
        "iss": "https://auth.npr.idm.diginetwerk.net/nidp/oauth/nam",
        "aud": "ABC",
        "sub": "ABC",
        "iat": 1_700_000_000,
        "nbf": 1_699_999_970,
        "exp": 1_700_000_600,
        "scope": ["999903-00000001822100824000"],
        "claims": ["mailboxid=9999030", "endpoint=brp-berichten-lap", "OIN=00000001822100824000"],
    }
    assert read_claims(make_token(sample)) == Claims(
        oins=("00000001822100824000",),
        endpoints=("brp-berichten-lap",),
        mailbox_ids=("9999030",),
        scopes=("999903-00000001822100824000",),
        seconds=600.0,
    )


def test_a_token_of_the_aansluiting_itself_agrees():
    assert check(AGREEING) == ()


@given(st.sets(st.sampled_from(AGREEING)))
def test_a_missing_claim_contradicts_nothing(claims):
    assert check(sorted(claims)) == ()


@pytest.mark.parametrize(
    ("bent", "contradiction"),
    [
        (f"OIN={values.oin(4)}", "oin"),
        ("afnemerID=000004", "afnemerId"),
        ("gemeenteCode=0004", "gemeentecode"),
        ("mailboxid=0000040", "mailbox"),
    ],
)
def test_each_claim_of_another_afnemer_is_a_contradiction_alone_and_beside_the_right_one(bent, contradiction):
    name = bent.partition("=")[0]
    replaced = [bent if one.startswith(f"{name}=") else one for one in AGREEING]
    assert check(replaced) == (contradiction,)
    assert check([*AGREEING, bent]) == (contradiction,)


def test_a_token_for_another_endpoint_is_a_contradiction_but_one_for_several_is_not():
    others = [one for one in AGREEING if not one.startswith("endpoint")]
    assert check([*others, "endpoint=brp"]) == ("endpoint",)
    assert check([*others, "endpoint=brp", "endpoint=brp-lap"]) == ()
    assert check([*others, "endpoint=brp"], endpoint=None) == ()


def test_another_scope_is_a_contradiction():
    assert check(AGREEING, scope=f"000004-{values.oin(4)}") == ("scope",)


def test_a_gemeentecode_in_the_token_of_a_body_that_is_no_gemeente_is_an_alarm():
    waterschap = dataclasses.replace(AANSLUITING, gemeentecode=None)
    assert check(AGREEING, aansluiting=waterschap) == (FOREIGN_GEMEENTECODE,)
    assert check(AGREEING[:-1], aansluiting=waterschap) == ()


def test_a_leading_zero_too_many_is_no_contradiction():
    claims = [f"OIN=0{values.oin(3)}", "afnemerID=3", "gemeenteCode=3"]
    assert check(claims, scope=f"000003-0{values.oin(3)}") == ()


def test_a_mailbox_in_the_token_of_an_afnemer_without_one_is_no_contradiction():
    assert check(AGREEING, aansluiting=dataclasses.replace(AANSLUITING, mailbox_id=None)) == ()


@pytest.mark.parametrize(
    "token",
    ["", "opaak", "a.b", "a.b.c.d.e", "a.é.c", "a.!!!.c", make_token([1]), make_token("tekst"), make_token(None),
     f"a.{'A' * 70_000}.c", "a." + base64.b64encode(b"[" * 5_000).decode().rstrip("=") + ".c"],
)  # fmt: skip
def test_what_is_no_readable_token_gives_no_claims(token):
    assert read_claims(token) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text() | st.builds(lambda one: f"x.{one}.y", st.text(alphabet="ABCabc0189-_=+/")))
def test_no_text_breaks_the_reading(token):
    assert read_claims(token) is None or isinstance(read_claims(token), Claims)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("claims", "scope", "exp", "iat"), json_values)))
def test_no_payload_breaks_the_checking(payload):
    claims = read_claims(make_token(payload))
    assert claims is not None
    assert isinstance(check_claims(claims, AANSLUITING, endpoint="brp-lap", scope=SCOPE), tuple)


@given(st.integers(0, 999_999).filter(lambda number: number != 3))
def test_no_other_afnemer_agrees(number):
    assert "afnemerId" in check([f"afnemerID={number:06d}"])
    assert "oin" in check([f"OIN={values.oin(number)}"])
    assert "scope" in check([], scope=f"{number:06d}-{values.oin(number)}")
