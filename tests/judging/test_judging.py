"""A question is judged as RvIG would judge it, in RvIG's order, and refused or observed as its environment says."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.brp import problems
from gateway.brp.apis import TYPES
from gateway.brp.authorisation import dutch_date, rubrieken_of_row
from gateway.brp.question import read_question
from gateway.brp.rubrieken import FIELDS
from gateway.brp.validation import validate
from gateway.call import Bevraging, Choice
from gateway.errors import AsRvig
from gateway.judging import judge_authorisation, judge_question
from gateway.metrics import Metrics, make_metrics
from gateway.snapshot import Snapshot, TenantPart
from tenants.model import Aansluiting, AfnemerId, Autorisatiebesluit
from tests import values
from tests.brp.strategies import any_json

TODAY = dt.date(2026, 7, 1)
DAY = dt.timedelta(days=1)
RAADPLEEG = "RaadpleegMetBurgerservicenummer"
PATHS = {
    "personen": "/api/brp/personen",
    "bewoningen": "/api/bewoning/bewoningen",
    "verblijfplaatshistorie": "/api/brp/verblijfplaatshistorie",
    "reisdocumenten": "/api/brp/reisdocumenten",
}
BODY: dict[str, Any] = {
    "type": RAADPLEEG,
    "burgerservicenummer": ["000000012"],
    "fields": ["naam.voornamen", "geslacht"],
}
EVERY_FIELD = sorted(FIELDS["personen", RAADPLEEG])
EVERY_RUBRIEK = sorted(frozenset[str]().union(*FIELDS["personen", RAADPLEEG].values()))


def asking(body: object = None, api: str = "personen", **modes: str) -> Bevraging:
    """A call with this question, in an environment with these modes."""
    content = BODY if body is None else body
    made = values.bevraging(PATHS[api], read_question(api, content))
    return replace(made, content=content, environment=made.environment.model_copy(update=modes))


def chosen(bevraging: Bevraging, aansluiting: Aansluiting) -> Choice:
    return Choice(aansluiting, values.machtiging(1), bevraging.environment, bevraging.api)


def waterschap(number: int = 1) -> Aansluiting:
    """An aansluiting of whoever is no gemeente."""
    return replace(values.aansluiting(number), gemeentecode=None)


def besluit(rubrieken: str, number: int = 1, start: dt.date = TODAY, **members: Any) -> Autorisatiebesluit:
    text = " ".join(sorted(rubrieken_of_row(rubrieken)))
    made = Autorisatiebesluit(number, number, AfnemerId(f"{number:06d}"), start, None, "N", text)
    return replace(made, **members)


def knowing(*besluiten: Autorisatiebesluit) -> Snapshot:
    tenants = {one.tenant_id: values.tenant(one.tenant_id) for one in besluiten}
    return values.snapshot(
        *(
            TenantPart(tenant, besluiten=tuple(one for one in besluiten if one.tenant_id == number))
            for number, tenant in tenants.items()
        )
    )


def refusal(bevraging: Bevraging, aansluiting: Aansluiting, snapshot: Snapshot, today: dt.date = TODAY) -> Any:
    """The shape of the refusal by the besluit, or None."""
    try:
        judge_authorisation(bevraging, chosen(bevraging, aansluiting), snapshot, make_metrics(), lambda: today)
    except AsRvig as error:
        return error.shape
    return None


def observed(metrics: Metrics) -> Mapping[tuple[str, str], float]:
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "koppelpunt_observed_total":
                found[sample.labels["environment"], sample.labels["code"]] = sample.value
    return found


def test_a_question_that_rvig_would_take_passes_in_every_mode() -> None:
    for mode in ("refuse", "observe", "off"):
        judge_question(asking(validation=mode), make_metrics())


def test_every_fault_of_a_question_is_refused_at_once_in_rvigs_order() -> None:
    with pytest.raises(AsRvig) as error:
        judge_question(
            asking(BODY | {"burgerservicenummer": ["1"], "fields": ["naam.bijnaam"], "x": 1}), make_metrics()
        )
    shape = error.value.shape
    assert (shape.status, shape.code) == (400, "paramsValidation")
    assert [param.name for param in shape.invalid_params] == ["x", "burgerservicenummer[0]", "fields[0]"]


def test_a_faulty_question_is_let_through_counted_and_logged_where_it_is_observed() -> None:
    metrics, faulty = make_metrics(), asking(BODY | {"burgerservicenummer": ["999941112x"]}, validation="observe")
    with capture_logs() as lines:
        judge_question(faulty, metrics)
    assert observed(metrics) == {("productie", "paramsValidation"): 1.0}
    (line,) = lines
    assert line == {
        "event": "doorgelaten",
        "log_level": "warning",
        "transactie": str(UUID("01942f5e-0000-7000-8000-000000000001")),
        "omgeving": "productie",
        "api": "personen",
        "code": "paramsValidation",
        "kinds": ["pattern"],
    }


def test_where_validation_is_off_nobody_looks() -> None:
    metrics = make_metrics()
    with capture_logs() as lines:
        judge_question(asking({"type": "?"}, validation="off"), metrics)
    assert (lines, observed(metrics)) == ([], {})


def test_a_call_whose_body_was_not_kept_is_refused() -> None:
    with pytest.raises(AsRvig):
        judge_question(replace(asking(), content=None), make_metrics())


def test_a_body_of_very_many_unknown_names_is_refused_with_the_first_thousand() -> None:
    with pytest.raises(AsRvig) as error:
        judge_question(asking({"type": RAADPLEEG} | {f"p{n}": 1 for n in range(50_000)}), make_metrics())
    assert len(error.value.shape.invalid_params) == 1_000


def test_a_gemeente_needs_no_besluit() -> None:
    for api in PATHS:
        assert refusal(asking({"type": TYPES[api][0]}, api), values.aansluiting(1), Snapshot()) is None


def test_who_has_no_besluit_may_ask_nothing() -> None:
    for api in ("personen", "bewoningen", "verblijfplaatshistorie"):
        assert refusal(asking({"type": TYPES[api][0]}, api), waterschap(), Snapshot()) == problems.NO_AD_HOC
    assert refusal(asking({}, "reisdocumenten"), waterschap(), Snapshot()) == problems.NO_REISDOCUMENTEN


def test_the_marechaussee_may_ask_for_reisdocumenten_without_a_besluit() -> None:
    kmar = replace(waterschap(), afnemer_id=AfnemerId("720402"))
    assert refusal(asking({}, "reisdocumenten"), kmar, Snapshot()) is None


def test_parameters_are_refused_before_fields() -> None:
    assert refusal(asking(), waterschap(), knowing(besluit("10210"))) == (
        problems.unauthorized_parameters(["burgerservicenummer"])
    )
    assert refusal(asking(), waterschap(), knowing(besluit("10120 10410"))) == (
        problems.unauthorized_fields(["naam.voornamen"])
    )
    assert refusal(asking(), waterschap(), knowing(besluit("10120 10210 10410"))) is None


def test_the_besluit_of_another_afnemer_never_counts() -> None:
    snapshot = knowing(besluit("10120 10210 10410", number=2))
    assert refusal(asking(), waterschap(1), snapshot) == problems.NO_AD_HOC
    assert refusal(asking(), waterschap(2), snapshot) is None
    # The same AfnemerID in another tenant is another row; the database has it once, and the snapshot asks for both.
    stray = replace(besluit("10120 10210 10410", number=2), afnemer_id=AfnemerId("000001"))
    assert refusal(asking(), waterschap(1), knowing(stray)) == problems.NO_AD_HOC


def test_a_besluit_holds_from_its_first_day_until_the_day_before_its_end() -> None:
    snapshot = knowing(besluit("10120 10210 10410", start=TODAY, end=TODAY + 3 * DAY))
    allowed = [refusal(asking(), waterschap(), snapshot, TODAY + n * DAY) is None for n in (-1, 0, 2, 3)]
    assert allowed == [False, True, True, False]


def test_the_day_is_that_of_the_netherlands() -> None:
    def day(text: str) -> dt.date:
        return dutch_date(dt.datetime.fromisoformat(text))

    assert day("2026-06-30T21:59:59+00:00") == dt.date(2026, 6, 30)
    assert day("2026-06-30T22:00:00+00:00") == dt.date(2026, 7, 1)
    assert day("2026-12-31T22:59:59+00:00") == dt.date(2026, 12, 31)
    assert day("2026-12-31T23:00:00+00:00") == dt.date(2027, 1, 1)


def test_a_besluit_that_is_withdrawn_from_the_snapshot_no_longer_counts() -> None:
    snapshot = knowing(besluit("10120 10210 10410"))
    assert refusal(asking(), waterschap(), snapshot) is None
    snapshot.replace_tenant(1, TenantPart(values.tenant(1), besluiten=(besluit("10120"),)))
    assert refusal(asking(), waterschap(), snapshot) is not None
    snapshot.replace_tenant(1, None)
    assert refusal(asking(), waterschap(), snapshot) == problems.NO_AD_HOC
    assert snapshot.besluiten == {}


def test_what_the_besluit_forbids_is_let_through_counted_and_logged_where_it_is_observed() -> None:
    metrics, bevraging = make_metrics(), asking(authorisation="observe")
    with capture_logs() as lines:
        judge_authorisation(bevraging, chosen(bevraging, waterschap()), Snapshot(), metrics, lambda: TODAY)
    assert observed(metrics) == {("productie", "unauthorized"): 1.0}
    assert [(line["code"], line["aansluiting"]) for line in lines] == [("unauthorized", 1)]
    assert "000000012" not in str(lines)


def test_of_a_gemeente_the_gateway_knows_no_addresses_and_lets_rvig_judge() -> None:
    body = {"type": "BewoningMetPeildatum", "adresseerbaarObjectIdentificatie": "0518010000000002"}
    assert refusal(asking(body, "bewoningen"), values.aansluiting(1), Snapshot()) is None


def test_the_berichten_are_nobodys_question() -> None:
    bevraging = replace(values.bevraging("/api/brp/berichten/v1/berichten"), content=None)
    bevraging = replace(bevraging, question=read_question("berichten", None))
    judge_question(bevraging, make_metrics())
    assert refusal(bevraging, waterschap(), Snapshot()) is None


@given(st.sampled_from(sorted(PATHS)), any_json, st.sampled_from(["refuse", "observe", "off"]))
def test_any_body_is_judged_and_refused_exactly_when_rvig_would_and_the_mode_says_so(api, body, mode) -> None:
    bevraging = replace(asking({}, api, validation=mode), content=body, question=read_question(api, body))
    if mode == "refuse" and validate(api, body):
        with pytest.raises(AsRvig) as error:
            judge_question(bevraging, make_metrics())
        assert error.value.shape == problems.invalid_params(validate(api, body))
    else:
        judge_question(bevraging, make_metrics())


@given(
    st.lists(st.sampled_from(EVERY_FIELD), max_size=25),
    st.frozensets(st.sampled_from(EVERY_RUBRIEK), max_size=60),
    st.frozensets(st.sampled_from(EVERY_RUBRIEK), max_size=60),
)
def test_more_rubrieken_never_allow_less(fields, granted, more) -> None:
    # PAAD01 and PAAD02 are not among them: where a row knows those, RvIG forgets the old rubrieken of adressering.
    question = asking(BODY | {"fields": fields})
    smaller = knowing(besluit("10120 " + " ".join(granted)))
    larger = knowing(besluit("10120 " + " ".join(granted | more)))
    if refusal(question, waterschap(), smaller) is None:
        assert refusal(question, waterschap(), larger) is None


@given(st.lists(st.sampled_from(EVERY_FIELD), min_size=1, max_size=25), st.data())
def test_asking_less_is_never_refused_where_asking_more_is_not(fields, data) -> None:
    granted = data.draw(st.frozensets(st.sampled_from(EVERY_RUBRIEK)))
    fewer = data.draw(st.lists(st.sampled_from(fields)))
    snapshot = knowing(besluit("10120 " + " ".join(granted)))
    if refusal(asking(BODY | {"fields": fields}), waterschap(), snapshot) is None:
        assert refusal(asking(BODY | {"fields": fewer}), waterschap(), snapshot) is None


NEW_EACH_DAY = {
    -3: ("10210", "naam.voornamen"),
    -2: ("10230", "naam.voorvoegsel"),
    -1: ("10240", "naam.geslachtsnaam"),
    0: ("10410", "geslacht"),
    1: ("PAGL01", "leeftijd"),
    2: ("PAGZ01", "gezag"),
    3: ("80910", "gemeenteVanInschrijving"),
}


@given(st.permutations(sorted(NEW_EACH_DAY)), st.integers(1, 7), st.integers(-3, 3))
def test_of_several_besluiten_the_one_that_began_last_counts(days, count, today) -> None:
    started = days[:count]
    snapshot = knowing(
        *(besluit(f"10120 {NEW_EACH_DAY[n][0]}", start=TODAY + n * DAY, besluit_id=n + 10) for n in started)
    )
    allowed = [
        n
        for n, (_, field) in NEW_EACH_DAY.items()
        if refusal(asking(BODY | {"fields": [field]}), waterschap(), snapshot, TODAY + today * DAY) is None
    ]
    begun = [n for n in started if n <= today]
    assert allowed == ([max(begun)] if begun else [])
