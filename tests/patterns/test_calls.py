"""The aansluitpatroon at each call: what registered facts cannot show, and that facts count at the moment of the call."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.brp.question import Question
from gateway.call import Caller, Choice, NamedAansluiting
from gateway.choose import choose
from gateway.errors import KoppelpuntError, NotPermitted, PatternUnmet
from gateway.snapshot import Snapshot
from tenants.model import AfnemerId, Mandate
from tenants.pattern_facts import Agreement, PatternFacts, Use
from tests import values
from tests.values import END, NOW, START

JOINT = values.taaksysteem(3, fixed=False)


def member(facts: PatternFacts, mandate: Mandate | None, *, acting_kind: str = "samenwerkingsverband") -> Snapshot:
    """A member (tenant 1) and whoever acts for it (tenant 3)."""
    theirs = values.part(1, values.machtiging(1, of=JOINT, mandate=mandate))
    acting = values.part(3, calling=JOINT)
    return values.snapshot(
        replace(theirs, pattern_facts=(facts,)),
        replace(acting, tenant=values.tenant(3, kind=acting_kind), aansluitingen=(), pattern_facts=()),
    )


def joint_facts(**changes) -> PatternFacts:
    return replace(values.pattern_facts(1), pattern="gezamenlijk-personeel", **changes)


def by(source: str) -> tuple[NamedAansluiting, ...]:
    return (NamedAansluiting(source, AfnemerId("000001"), None),)


def joint_caller(**changes) -> Caller:
    return replace(values.caller(3, fixed=False), **({"named": by("claim"), "user": "j.devries"} | changes))


def code_of(caller: Caller, snapshot: Snapshot, now: datetime = NOW, question: Question | None = None) -> str:
    with pytest.raises(KoppelpuntError) as caught:
        choose(caller, values.bevraging(question=question), snapshot, now)
    return caught.value.code


def choice_of(caller: Caller, snapshot: Snapshot, now: datetime = NOW) -> Choice:
    return choose(caller, values.bevraging(), snapshot, now)


def test_for_joint_staff_the_afnemer_of_the_employee_decides() -> None:
    snapshot = member(joint_facts(), values.mandate(1, 3))
    assert choice_of(joint_caller(), snapshot).machtiging.tenant_id == 1
    assert choice_of(joint_caller(named=(), bound=(1, 1)), snapshot).machtiging.tenant_id == 1


def test_for_joint_staff_a_call_without_its_employee_is_refused() -> None:
    assert code_of(joint_caller(user=None), member(joint_facts(), values.mandate(1, 3))) == "gebruikerOntbreekt"


def test_for_joint_staff_a_vaste_aansluiting_decides_nothing() -> None:
    fixed = joint_caller(named=())
    fixed = replace(fixed, taaksysteem=replace(fixed.taaksysteem, vaste_aansluiting=(1, 1)))
    assert code_of(fixed, member(joint_facts(), values.mandate(1, 3))) == "afnemerVanMedewerkerOntbreekt"


@pytest.mark.parametrize("kind", ["leverancier", "gemeente", "overheidsorgaan", "derde"])
def test_for_joint_staff_only_a_samenwerkingsverband_acts(kind: str) -> None:
    snapshot = member(joint_facts(), values.mandate(1, 3), acting_kind=kind)
    assert code_of(joint_caller(), snapshot) == "handelendePartijOnjuist"


def test_for_joint_staff_the_members_own_taaksysteem_has_no_mandate_and_is_refused() -> None:
    own = replace(values.part(1, values.machtiging(1)), pattern_facts=(joint_facts(),))
    caller = replace(values.caller(1), named=by("claim"), user="j.devries")
    assert code_of(caller, values.snapshot(own)) == "mandaatOntbreekt"


@pytest.mark.parametrize("pattern", ["standaard", "koppelpunt", "gezamenlijk-personeel"])
def test_a_header_alone_chooses_another_tenant_only_with_its_consent(pattern: str) -> None:
    facts = joint_facts(agreements=agreements())
    facts = replace(facts, pattern=pattern)
    unasked, asked = values.mandate(1, 3), replace(values.mandate(1, 3), header_choice=True)
    caller = joint_caller(named=by("header"))
    assert code_of(caller, member(facts, unasked)) == "keuzeDoorHeaderNietToegestaan"
    assert choice_of(caller, member(facts, asked)).machtiging.tenant_id == 1
    # Together with a claim or a token that says the same, it is not the header that chooses.
    assert (
        choice_of(joint_caller(named=(*by("header"), *by("claim"))), member(facts, unasked)).aansluiting.tenant_id == 1
    )
    assert choice_of(joint_caller(named=by("header"), bound=(1, 1)), member(facts, unasked)).aansluiting.tenant_id == 1


def test_a_header_may_choose_among_the_afnemers_of_its_own_tenant() -> None:
    snapshot = values.snapshot(values.part(1, values.machtiging(1)))
    caller = replace(values.caller(1, fixed=False), named=by("header"))
    assert choice_of(caller, snapshot).aansluiting.tenant_id == 1


def test_an_aansluiting_of_which_no_facts_are_known_lets_nothing_through() -> None:
    snapshot = values.snapshot(replace(values.part(1, values.machtiging(1)), pattern_facts=()))
    assert code_of(values.caller(1), snapshot) == "aansluitpatroonOnbekend"


def agreements(until: datetime | None = None) -> tuple[Agreement, ...]:
    return tuple(
        Agreement(kind, None, "Leverancier", frozenset(), START, until, None)
        for kind in ("contract", "verwerkersovereenkomst")
    )


def saas_facts(**changes) -> PatternFacts:
    made = replace(values.pattern_facts(1), pattern="saas", organisation_kind="derde", tenant_kind="derde")
    return replace(made, **({"agreements": agreements(), "uses": (Use((1, 1), START, END),)} | changes))


def with_facts(facts: PatternFacts) -> Snapshot:
    return values.snapshot(replace(values.part(1, values.machtiging(1)), pattern_facts=(facts,)))


def test_a_call_is_refused_from_the_moment_on_that_the_contract_has_ended_without_anything_being_read_again() -> None:
    over = NOW + timedelta(hours=1)
    snapshot = with_facts(saas_facts(agreements=agreements(over)))
    assert choice_of(values.caller(1), snapshot, NOW).aansluiting.tenant_id == 1
    assert choice_of(values.caller(1), snapshot, over - timedelta(microseconds=1)).aansluiting.tenant_id == 1
    assert code_of(values.caller(1), snapshot, over) == "contractVerlopen"
    assert choice_of(values.caller(1), snapshot, NOW).aansluiting.tenant_id == 1


def test_a_second_taaksysteem_stops_saas_until_one_of_both_has_ended() -> None:
    second = Use((3, 3), START, END)
    part = replace(values.part(1, values.machtiging(1)), pattern_facts=(saas_facts(uses=(*saas_facts().uses, second)),))
    elsewhere = values.part(3, calling=JOINT)
    assert code_of(values.caller(1), values.snapshot(part, elsewhere)) == "teVeelTaaksystemen"
    snapshot = values.snapshot(part, elsewhere)
    assert code_of(values.caller(1), snapshot) == "teVeelTaaksystemen"
    snapshot.replace_tenant(3, values.part(3, calling=replace(JOINT, state="ended")))
    assert choice_of(values.caller(1), snapshot).aansluiting.tenant_id == 1


@pytest.mark.parametrize("field", ["adressering.adresregel1", "gezag", "leeftijd", "adresseringBinnenland"])
def test_an_informatieproduct_without_additional_authorisation_is_refused_and_other_fields_are_not(field: str) -> None:
    question = Question("personen", "RaadpleegMetBurgerservicenummer", ("burgerservicenummer",), ("naam", field))
    snapshot = with_facts(saas_facts())
    assert code_of(values.caller(1), snapshot, question=question) == "aanvullendeAutorisatieOntbreekt"
    assert choice_of(values.caller(1), snapshot).aansluiting.tenant_id == 1
    ours = values.snapshot(values.part(1, values.machtiging(1)))
    assert choose(values.caller(1), values.bevraging(question=question), ours, NOW).aansluiting.tenant_id == 1


def test_who_must_act_is_said_and_told_apart() -> None:
    with pytest.raises(PatternUnmet, match="contractOntbreekt") as unmet:
        choose(values.caller(1), values.bevraging(), with_facts(saas_facts(agreements=())), NOW)
    assert "tenant-beheerder" in unmet.value.detail
    with pytest.raises(NotPermitted):
        choose(joint_caller(user=None), values.bevraging(), member(joint_facts(), values.mandate(1, 3)), NOW)
