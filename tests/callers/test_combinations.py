"""Who calls, by whatever is shown: all of it the same taaksysteem, and all of it that is required."""

from dataclasses import replace
from itertools import combinations, product

import pytest

from gateway.call import NamedAansluiting
from gateway.errors import NotAuthenticated
from gateway.proofs import check_required
from tenants.keysets import KeyUnknown
from tenants.model import AfnemerId
from tests import values
from tests.callers.standing import (
    API_KEYS,
    CERTIFICATES,
    OF_THE_ORGANISATION,
    STRANGER,
    Standing,
    call,
    key,
)
from tests.values import NOW


def refusal(standing: Standing, *shown, **more) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        standing.authenticator.authenticate(call(*shown, **more))
    return caught.value.code


def caller_of(standing: Standing, *shown, **more):
    return standing.authenticator.authenticate(call(*shown, **more))


def show(standing: Standing, kind: str, number: int) -> dict[str, object]:
    """One kind of proof of one taaksysteem, as arguments of a call."""
    shown: dict[str, dict[str, object]] = {
        "api-key": {"api_key": API_KEYS[number]},
        "token": {"bearer": standing.own_token(number)},
        "idp": {"bearer": standing.idp_token(number)},
        "certificate": {"certificate": CERTIFICATES[number]},
    }
    return shown[kind]


KINDS = ("api-key", "token", "idp", "certificate")
PAIRS = [pair for pair in combinations(KINDS, 2) if set(pair) != {"token", "idp"}]


@pytest.mark.parametrize("kind", KINDS)
def test_each_proof_alone_is_its_taaksysteem(standing, kind):
    caller = caller_of(standing, **show(standing, kind, 2))
    assert (caller.taaksysteem.tenant_id, caller.taaksysteem.taaksysteem_id) == (2, 2)
    kind_of_key = {"token": "client-secret"}.get(kind, kind)
    assert caller.key == standing.keys[2][kind_of_key]


@pytest.mark.parametrize("pair", PAIRS)
def test_two_proofs_of_one_taaksysteem_agree_and_of_two_contradict(standing, pair):
    for first, second in product((1, 2), repeat=2):
        shown = {**show(standing, pair[0], first), **show(standing, pair[1], second)}
        if first == second:
            assert caller_of(standing, **shown).taaksysteem.tenant_id == first
        else:
            assert refusal(standing, **shown) == "legitimatiesTegenstrijdig"


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_required_together_is_refused_apart(mint, pair):
    standing = Standing(mint, requires=frozenset(pair))
    whole = {**show(standing, pair[0], 1), **show(standing, pair[1], 1)}
    assert caller_of(standing, **whole)
    for kind in KINDS:
        assert refusal(standing, **show(standing, kind, 1)) == "legitimatieOntbreekt"
    assert caller_of(standing, **{**show(standing, "certificate", 1), **whole})


def test_a_refusal_names_what_is_missing_and_nothing_else():
    taaksysteem = replace(values.taaksysteem(), requires=frozenset({"api-key", "certificate", "idp"}))
    with pytest.raises(NotAuthenticated) as caught:
        check_required(taaksysteem, ["idp"])
    assert caught.value.detail.endswith("met: api-key, certificate.")


def test_a_third_proof_that_contradicts_spoils_two_that_agree(standing):
    shown = {"api_key": API_KEYS[1], "bearer": standing.idp_token(1), "certificate": CERTIFICATES[2]}
    assert refusal(standing, **shown) == "legitimatiesTegenstrijdig"


def test_a_certificate_that_is_nobodys_opens_nothing_and_spoils_a_good_key(standing):
    assert refusal(standing, certificate=STRANGER) == "authentication"
    assert refusal(standing, api_key=API_KEYS[1], certificate=STRANGER) == "legitimatiesTegenstrijdig"


def test_a_token_of_an_idp_brings_user_roles_and_afnemer(standing):
    caller = caller_of(standing, bearer=standing.idp_token())
    assert (caller.user, caller.roles) == ("M-0042", frozenset({"balie", "inzage"}))
    assert caller.named == (NamedAansluiting("idp", AfnemerId("000001"), None),)
    assert caller.bound is None


def test_what_a_token_says_of_the_user_stands_also_beside_other_proofs(standing):
    caller = caller_of(standing, api_key=API_KEYS[1], bearer=standing.idp_token(), certificate=CERTIFICATES[1])
    assert caller.user == "M-0042"
    assert caller.key.kind == "idp"


@pytest.mark.parametrize("kind", ["api-key", "client-secret", "idp", "certificate"])
@pytest.mark.parametrize(
    "changed",
    [{"state": "withdrawn"}, {"valid_until": NOW}, {"valid_from": NOW.replace(year=2027)}, {"taaksysteem_id": 99}],
)
def test_a_key_that_does_not_stand_opens_nothing_of_its_kind(standing, kind, changed):
    shown = show(standing, {"client-secret": "token"}.get(kind, kind), 1)
    assert caller_of(standing, **shown)
    standing.change(1, kind, **changed)
    assert refusal(standing, **shown) == "authentication"


def test_an_ended_taaksysteem_is_nobody_by_any_proof(standing):
    shown = [show(standing, kind, 1) for kind in KINDS]
    standing.snapshot.taaksystemen[1, 1] = replace(standing.snapshot.taaksystemen[1, 1], state="ended")
    for one in shown:
        assert refusal(standing, **one) == "authentication"


def test_an_idp_says_nothing_about_another_tenants_taaksysteem(standing):
    # The same client at both IDPs; each token is that of its own tenant's.
    assert caller_of(standing, bearer=standing.idp_token(2)).taaksysteem.tenant_id == 2
    assert refusal(standing, bearer=standing.idp_token(1, azp="een-ander")) == "authentication"


def test_an_unknown_key_of_an_idp_is_not_yet_a_refusal(standing):
    token = standing.idp_token()
    standing.published.published[1] = ()
    with pytest.raises(KeyUnknown):
        caller_of(standing, bearer=token)


class TestOin:
    """A certificate of an organisation, of which several taaksystemen may be known by the OIN alone."""

    @pytest.fixture
    def standing(self, mint):
        standing = Standing(mint)
        standing.keys[1]["oin"] = key(1, "certificate", 5, oin=str(values.oin(1)))
        standing.reload()
        return standing

    def share(self, standing, environment: str = "productie") -> None:
        """Let a second taaksysteem of tenant 1 have the same OIN."""
        part = standing.snapshot.parts[1]
        second = replace(part.taaksystemen[0], taaksysteem_id=5, environment=environment)
        shared = replace(standing.keys[1]["oin"], key_id=99, taaksysteem_id=5)
        standing.snapshot.replace_tenant(
            1,
            replace(part, taaksystemen=(*part.taaksystemen, second), taaksysteem_keys=(*part.taaksysteem_keys, shared)),
        )

    def test_any_certificate_of_the_oin_is_its_one_taaksysteem(self, standing):
        caller = caller_of(standing, certificate=OF_THE_ORGANISATION)
        assert (caller.taaksysteem.taaksysteem_id, caller.key.oin) == (1, values.oin(1))

    def test_two_ways_of_knowing_one_certificate_are_one_taaksysteem(self, standing):
        assert caller_of(standing, certificate=CERTIFICATES[1]).taaksysteem.taaksysteem_id == 1

    def test_of_two_taaksystemen_with_one_oin_neither_is_guessed(self, standing):
        self.share(standing)
        assert refusal(standing, certificate=OF_THE_ORGANISATION) == "legitimatieNietEenduidig"

    def test_another_proof_tells_which_of_the_two_it_is(self, standing):
        self.share(standing)
        caller = caller_of(standing, api_key=API_KEYS[1], certificate=OF_THE_ORGANISATION)
        assert (caller.taaksysteem.taaksysteem_id, caller.key.kind) == (1, "api-key")

    def test_the_environment_of_the_path_tells_two_apart_that_are_for_different_ones(self, standing):
        self.share(standing, environment="proef")
        assert caller_of(standing, certificate=OF_THE_ORGANISATION).taaksysteem.taaksysteem_id == 1
        proef = values.bevraging("/lap/api/brp/personen")
        caller = caller_of(standing, certificate=OF_THE_ORGANISATION, environment=proef.environment)
        assert caller.taaksysteem.taaksysteem_id == 5

    def test_an_oin_that_the_certificate_does_not_name_is_not_matched(self, standing):
        assert refusal(standing, certificate=replace(OF_THE_ORGANISATION, oin=None)) == "authentication"
        assert refusal(standing, certificate=replace(OF_THE_ORGANISATION, oin=values.oin(2))) == "authentication"


class TestBound:
    """Tokens that are bound to a client certificate (RFC 8705)."""

    def test_a_bound_token_works_over_its_certificate_and_no_other(self, standing):
        token = standing.own_token(thumbprint=CERTIFICATES[1].thumbprint)
        assert caller_of(standing, bearer=token, certificate=CERTIFICATES[1]).bound == (1, 1)
        assert refusal(standing, bearer=token) == "tokenGebonden"
        assert refusal(standing, bearer=token, certificate=CERTIFICATES[2]) == "tokenGebonden"
        assert refusal(standing, bearer=token, certificate=OF_THE_ORGANISATION) == "tokenGebonden"
        assert refusal(standing, bearer=token, api_key=API_KEYS[1]) == "tokenGebonden"

    def test_a_token_that_its_idp_bound_is_bound_here_too(self, standing):
        cnf = {"x5t#S256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}
        token = standing.idp_token(cnf=cnf)
        assert caller_of(standing, bearer=token, certificate=CERTIFICATES[1]).user == "M-0042"
        assert refusal(standing, bearer=token) == "tokenGebonden"

    def test_a_bound_token_ends_when_its_certificate_is_no_longer_the_taaksysteems(self, standing):
        token = standing.own_token(thumbprint=CERTIFICATES[1].thumbprint)
        standing.change(1, "certificate", state="withdrawn")
        assert refusal(standing, bearer=token, certificate=CERTIFICATES[1]) == "legitimatiesTegenstrijdig"
