"""Exactly one aansluiting, or a refusal that says which rule: promise 1."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.question import Question
from gateway.call import NamedAansluiting
from gateway.choose import choose
from gateway.errors import AsRvig, Blocked, KoppelpuntError, NotPermitted
from gateway.snapshot import Snapshot
from tenants.model import AfnemerId, ApiRight, Blokkade, Mandate
from tests import values
from tests.values import END, NOW, START


def standing() -> Snapshot:
    return values.snapshot(values.part(1, values.machtiging(1)), values.part(2, values.machtiging(2)))


def refusal(caller, bevraging, snapshot: Snapshot, now=NOW) -> KoppelpuntError:
    with pytest.raises(KoppelpuntError) as caught:
        choose(caller, bevraging, snapshot, now)
    return caught.value


def test_a_taaksysteem_with_a_vaste_aansluiting_is_served_over_that_one() -> None:
    choice = choose(values.caller(1), values.bevraging(), standing(), NOW)
    assert (choice.aansluiting.tenant_id, choice.machtiging.machtiging_id) == (1, 1)


def test_a_call_that_names_nothing_is_refused_even_when_only_one_machtiging_exists() -> None:
    assert refusal(values.caller(1, fixed=False), values.bevraging(), standing()).code == "aansluitingNietGenoemd"


def test_the_environment_of_the_path_must_be_that_of_the_taaksysteem() -> None:
    error = refusal(values.caller(1), values.bevraging("/lap/api/brp/personen"), standing())
    assert error.code == "omgevingKomtNietOvereen"


def test_a_token_for_another_tenants_aansluiting_is_refused() -> None:
    error = refusal(replace(values.caller(1), bound=(2, 2)), values.bevraging(), standing())
    assert isinstance(error, NotPermitted)
    assert error.code == "aansluitingNietToegestaan"


def test_an_afnemer_id_that_no_machtiging_allows_is_refused() -> None:
    named = NamedAansluiting("header", AfnemerId("000002"), None)
    assert (
        refusal(replace(values.caller(1), named=(named,)), values.bevraging(), standing()).code
        == "aansluitingNietToegestaan"
    )


def test_token_and_header_that_name_different_aansluitingen_are_a_contradiction() -> None:
    helper = values.taaksysteem(3, fixed=False)
    snapshot = values.snapshot(
        values.part(1, values.machtiging(1, of=helper, mandate=values.mandate(1, 3))),
        values.part(2, values.machtiging(2, of=helper, mandate=values.mandate(2, 3))),
        values.part(3, calling=helper),
    )
    caller = replace(
        values.caller(3, fixed=False), bound=(1, 1), named=(NamedAansluiting("h", AfnemerId("000002"), None),)
    )
    assert refusal(caller, values.bevraging(), snapshot).code == "aanwijzingenTegenstrijdig"
    agreeing = replace(caller, named=(NamedAansluiting("h", AfnemerId("000001"), values.oin(1)),))
    assert choose(agreeing, values.bevraging(), snapshot, NOW).aansluiting.tenant_id == 1


@pytest.mark.parametrize("bend", ["withdrawn", "over", "other tenant"])
def test_a_mandate_carries_another_tenants_taaksysteem_only_while_it_stands(bend: str) -> None:
    helper = values.taaksysteem(3, fixed=False)
    mandate = values.mandate(1, 3)
    bent = {
        "withdrawn": replace(mandate, withdrawn_at=START),
        "over": replace(mandate, valid_until=NOW),
        "other tenant": replace(mandate, to_tenant_id=2),
    }[bend]
    caller = replace(values.caller(3, fixed=False), bound=(1, 1))

    def with_mandate(given: Mandate | None) -> Snapshot:
        return values.snapshot(
            values.part(1, values.machtiging(1, of=helper, mandate=given)), values.part(3, calling=helper)
        )

    assert choose(caller, values.bevraging(), with_mandate(mandate), NOW).aansluiting.tenant_id == 1
    assert refusal(caller, values.bevraging(), with_mandate(bent)).code == "aansluitingNietToegestaan"
    assert refusal(caller, values.bevraging(), with_mandate(None)).code == "aansluitingNietToegestaan"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tenant", "1"),
        ("afnemer", "000001"),
        ("oin", str(values.oin(1))),
        ("certificate", values.certificate(1).fingerprint.hex()),
        ("taaksysteem", "1/1"),
    ],
)
def test_a_block_of_any_kind_stops_the_call_and_no_neighbour(kind: str, value: str) -> None:
    snapshot = standing()
    snapshot.blokkades = frozenset({Blokkade(kind, value)})
    error = refusal(values.caller(1), values.bevraging(), snapshot)
    assert isinstance(error, Blocked)
    assert error.code == "geblokkeerd"
    assert choose(values.caller(2), values.bevraging(), snapshot, NOW).aansluiting.tenant_id == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "concept"}, "aansluitingNietActief"),
        ({"state": "proef"}, "aansluitingNietActief"),
        ({"valid_until": NOW}, "verlopen"),
        ({"valid_from": NOW + timedelta(seconds=1)}, "verlopen"),
        ({"certificate": replace(values.certificate(1), state="revoked")}, "ingetrokken"),
        ({"certificate": replace(values.certificate(1), state="staged")}, "ingetrokken"),
        ({"certificate": replace(values.certificate(1), not_after=NOW)}, "certificaatVerlopen"),
        ({"environment": "proef"}, "aansluitingNietToegestaan"),
    ],
)
def test_an_aansluiting_that_does_not_stand_is_refused_with_its_own_code(change: dict[str, Any], code: str) -> None:
    part = values.part(1, values.machtiging(1))
    snapshot = values.snapshot(replace(part, aansluitingen=(replace(part.aansluitingen[0], **change),)))
    assert refusal(values.caller(1), values.bevraging(), snapshot).code == code


def test_two_doelbindingen_over_one_api_without_a_name_are_no_choice() -> None:
    second = replace(values.machtiging(1), machtiging_id=9, doelbinding="toezicht")
    snapshot = values.snapshot(values.part(1, values.machtiging(1), second))
    assert refusal(values.caller(1), values.bevraging(), snapshot).code == "doelbindingNietEenduidig"


def test_an_api_that_no_machtiging_names_is_refused() -> None:
    assert (
        refusal(values.caller(1), values.bevraging("/api/brp/reisdocumenten"), standing()).code == "apiNietToegestaan"
    )


def with_right(right: ApiRight) -> Snapshot:
    return values.snapshot(values.part(1, replace(values.machtiging(1), rights={"personen": right})))


def test_a_field_outside_the_machtiging_gets_rvigs_own_403_that_names_it() -> None:
    question = Question(
        "personen", "RaadpleegMetBurgerservicenummer", (), ("naam.voornamen", "geboorte", "naamgebruik")
    )
    error = refusal(
        values.caller(1), values.bevraging(question=question), with_right(ApiRight(fields=frozenset({"naam"})))
    )
    assert isinstance(error, AsRvig)
    assert (error.shape.status, error.shape.code) == (403, "unauthorizedField")
    assert "geboorte, naamgebruik" in (error.shape.detail or "")
    assert "voornamen" not in (error.shape.detail or "")


def test_a_sub_field_in_the_machtiging_does_not_allow_the_group_above_it() -> None:
    question = Question("personen", "RaadpleegMetBurgerservicenummer", (), ("naam",))
    assert (
        refusal(
            values.caller(1),
            values.bevraging(question=question),
            with_right(ApiRight(fields=frozenset({"naam.voornamen"}))),
        ).code
        == "unauthorizedField"
    )


def test_a_question_type_or_operation_outside_the_machtiging_is_refused() -> None:
    types = with_right(ApiRight(types=frozenset({"ZoekMetPostcodeEnHuisnummer"})))
    assert refusal(values.caller(1), values.bevraging(), types).code == "unauthorized"
    operations = with_right(ApiRight(operations=frozenset({"list"})))
    assert refusal(values.caller(1), values.bevraging(operation="delete"), operations).code == "unauthorized"


@given(
    names=st.lists(st.sampled_from(["000001", "000002", "000009"]), max_size=3),
    bound=st.sampled_from([None, (1, 1), (2, 2), (9, 9)]),
    blocked=st.sampled_from([None, "1", "2"]),
    withdrawn=st.booleans(),
    after=st.integers(-40, 400),
)
def test_whatever_is_named_a_call_never_leaves_with_an_aansluiting_without_a_standing_machtiging(
    names: list[str], bound: tuple[int, int] | None, blocked: str | None, *, withdrawn: bool, after: int
) -> None:
    now = START + timedelta(days=after)
    mine = replace(values.machtiging(1), withdrawn_at=START if withdrawn else None)
    snapshot = values.snapshot(values.part(1, mine), values.part(2, values.machtiging(2)))
    if blocked is not None:
        snapshot.blokkades = frozenset({Blokkade("tenant", blocked)})
    named = tuple(NamedAansluiting("header", AfnemerId(name), None) for name in names)
    caller = replace(values.caller(1), named=named, bound=bound)
    try:
        choice = choose(caller, values.bevraging(), snapshot, now)
    except KoppelpuntError:
        return
    assert (choice.aansluiting.tenant_id, choice.machtiging.machtiging_id) == (1, 1)
    assert set(names) <= {"000001"}
    assert bound in {None, (1, 1)}
    assert blocked != "1"
    assert not withdrawn
    assert START <= now < END
