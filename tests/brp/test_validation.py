"""RvIG's validation of a question."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.apis import TYPES
from gateway.brp.checks import check_body, check_resource
from gateway.brp.problems import InvalidParam, invalid_params, problem_document
from gateway.brp.rubrieken import FIELDS
from gateway.brp.validation import validate
from tests.brp.cases import read_cases
from tests.brp.strategies import MEMBERS, any_json

POSTCODE = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "2628HJ", "huisnummer": 2, "fields": ["leeftijd"]}
RAADPLEEG = {
    "type": "RaadpleegMetBurgerservicenummer",
    "burgerservicenummer": ["999993653"],
    "fields": ["burgerservicenummer"],
}
PERIODE = {"type": "RaadpleegMetPeriode", "burgerservicenummer": "999993653"}


def faults(question: Mapping[str, object], api: str = "personen", **changed: object) -> list[tuple[str, str]]:
    return [(fault.name, fault.code) for fault in validate(api, {**question, **changed})]


def test_every_validation_case_of_rvig_gets_its_problem_document_or_passes():
    failing = []
    for case in read_cases("validatie.jsonl"):
        found = validate(case["api"], case["body"])
        document = problem_document(invalid_params(found), case["path"]) if found else None
        if document != case["expect"].get("problem"):
            failing.append((case["id"], found))
    assert failing == []


def test_no_question_of_rvigs_other_cases_is_refused():
    for name in ("http.jsonl", "autorisatie.jsonl", "protocollering.jsonl", "gezag-header.jsonl"):
        cases = [case for case in read_cases(name) if case["body"] and check_resource(case["path"]) is None]
        refused = [case["id"] for case in cases if validate(case["api"], case["body"])]
        assert cases
        assert refused == [], name


def test_an_unknown_type_ends_the_validation():
    assert faults({"onbekend": 1}) == [("type", "required")]
    others: list[object] = ["", " ", "raadpleegmetburgerservicenummer", "RaadpleegMetPeildatum", 3, True, [], {}]
    for kind in others:
        assert faults({"type": kind, "onbekend": 1}) == [("type", "value")]


def test_faults_come_in_the_order_of_the_type_not_of_the_request():
    wrong = {"fields": "leeftijd", "onbekend": 1, "huisletter": "12", "huisnummer": "x", "postcode": "1"}
    order = ["postcode", "huisnummer", "huisletter", "onbekend", "fields"]
    for body in ({**POSTCODE, **wrong}, dict(reversed({**POSTCODE, **wrong}.items()))):
        assert [name for name, _ in faults(body)] == order


def test_a_parameter_has_one_fault_but_huisnummer_can_have_two():
    assert faults(POSTCODE, huisnummer="-1") == [("huisnummer", "integer"), ("huisnummer", "minimum")]
    assert faults(POSTCODE, huisnummer=0) == [("huisnummer", "minimum")]
    assert faults(POSTCODE, huisnummer="twee") == [("huisnummer", "integer")]
    for high in (100_000, "100000", 10**30, "9" * 5000):
        assert faults(POSTCODE, huisnummer=high) == [("huisnummer", "maximum")]
    for good in (1, "1", "00001", 99_999, 12.0):
        assert faults(POSTCODE, huisnummer=good) == []


def test_a_required_text_that_is_blank_is_missing_and_an_optional_one_must_match():
    assert faults(POSTCODE, postcode=" ") == faults(POSTCODE, postcode=None) == [("postcode", "required")]
    assert faults(POSTCODE, gemeenteVanInschrijving="") == [("gemeenteVanInschrijving", "pattern")]
    assert faults(POSTCODE, huisletter="", huisnummertoevoeging="", gemeenteVanInschrijving=None) == []


def test_a_text_must_match_to_its_very_end():
    assert faults(RAADPLEEG, burgerservicenummer=["999993653\n"]) == [("burgerservicenummer[0]", "pattern")]


def test_what_should_be_a_text_but_is_an_object_is_a_fault_not_a_failure():
    for value in ({}, [], {"a": 1}, ["2628HJ"]):
        assert faults(POSTCODE, postcode=value) == [("postcode", "pattern")]
        assert faults(POSTCODE, huisnummer=value) == [("huisnummer", "integer")]
        assert faults(POSTCODE, geboortedatum=value) == [("geboortedatum", "date")]
        assert faults(POSTCODE, inclusiefOverledenPersonen=value) == [("inclusiefOverledenPersonen", "boolean")]


def test_a_boolean_may_be_its_text_in_any_case():
    for good in (True, False, "true", "False", "TRUE", None):
        assert faults(POSTCODE, inclusiefOverledenPersonen=good) == []
    for wrong in ("", "ja", 1, 0):
        assert faults(POSTCODE, inclusiefOverledenPersonen=wrong) == [("inclusiefOverledenPersonen", "boolean")]


def test_a_date_is_a_day_of_the_calendar_written_in_full():
    for wrong in ("19830526", "1983-02-30", "1983-5-26", "26-05-1983", "0000-01-01", "1983-W21-4", 19830526, " "):
        assert faults(POSTCODE, geboortedatum=wrong) == [("geboortedatum", "date")]
    assert faults(POSTCODE, geboortedatum="1984-02-29") == []


@pytest.mark.parametrize(
    ("van", "tot", "expected"),
    [
        ("2022-01-01", "2022-01-02", []),
        ("2022-01-01", "2022-01-01", [("datumTot", "date")]),
        ("2022-01-32", "2021-01-01", [("datumVan", "date")]),
        ("", "2021-01-01", [("datumVan", "required")]),
    ],
)
def test_a_period_ends_after_it_began_and_is_compared_only_when_both_are_dates(van, tot, expected):
    assert faults(PERIODE, "verblijfplaatshistorie", datumVan=van, datumTot=tot) == expected


def test_items_of_an_array_are_named_by_their_place():
    wrong = ["burgerservicenummer", "bestaatNiet", "a*nummer", "naam.inOnderzoek", 4]
    assert faults(RAADPLEEG, fields=wrong) == [
        ("fields[1]", "fields"),
        ("fields[2]", "pattern"),
        ("fields[3]", "fields"),
        ("fields[4]", "fields"),
    ]
    assert faults(RAADPLEEG, burgerservicenummer=["999993653", "1", None]) == [
        ("burgerservicenummer[1]", "pattern"),
        ("burgerservicenummer[2]", "pattern"),
    ]


def test_an_array_of_too_few_or_too_many_items_is_not_looked_into():
    assert faults(RAADPLEEG, burgerservicenummer=[]) == [("burgerservicenummer", "minItems")]
    assert faults(RAADPLEEG, burgerservicenummer=["x"] * 21) == [("burgerservicenummer", "maxItems")]
    assert faults(RAADPLEEG, fields=["bestaatNiet"] * 131) == [("fields", "maxItems")]
    assert faults(RAADPLEEG, fields=["naam"] * 130) == []
    assert faults(RAADPLEEG, fields="naam") == [("fields", "array")]
    document = {"type": "ZoekMetBurgerservicenummer", "burgerservicenummer": "999993653"}
    assert faults(document, "reisdocumenten", fields=["soort"] * 26) == [("fields", "maxItems")]


def test_whatever_is_asked_one_level_below_a_date_or_coded_value_exists():
    good = ["geboorte.datum.nietBestaand", "geslacht.code", "verblijfplaats.verblijfadres.land.omschrijving"]
    assert faults(RAADPLEEG, fields=good) == []
    wrong = ["geboorte.datum.jaar.eeuw", "geboorte.datum.", "naam.voornamen.eerste", "datum", ".datum"]
    assert [code for _, code in faults(RAADPLEEG, fields=wrong)] == ["fields"] * 5


def test_names_of_unknown_parameters_are_written_as_html():
    reasons = validate("personen", {**RAADPLEEG, "<script>'\"&é😀": 1})
    assert reasons == (
        InvalidParam("&lt;script&gt;&#39;&quot;&amp;&#233;&#128512;", "unknownParam", "Parameter is niet verwacht."),
    )


def test_an_api_without_rules_refuses_nothing():
    assert validate("berichten", {"type": 1}) == ()


@given(st.sampled_from(sorted(TYPES)), any_json)
def test_any_json_is_validated(api, body):
    found = validate(api, body)
    assert found == validate(api, body)
    assert found or check_body(body) is None


typed = st.sampled_from([(api, kind) for api, kinds in TYPES.items() for kind in kinds])


@given(typed, st.dictionaries(st.sampled_from(MEMBERS), any_json, max_size=6), st.randoms())
def test_the_order_of_a_body_of_known_names_does_not_matter(question, members, random):
    api, kind = question
    body = {**members, "type": kind}
    shuffled = list(body)
    random.shuffle(shuffled)
    other = validate(api, {name: body[name] for name in shuffled})
    assert sorted(map(repr, validate(api, body))) == sorted(map(repr, other))


@given(typed, st.data())
def test_every_field_with_rubrieken_may_be_asked(question, data):
    api, kind = question
    if question in FIELDS:
        names = data.draw(st.lists(st.sampled_from(sorted(FIELDS[question])), min_size=1, max_size=25))
        assert not [fault for fault in validate(api, {"type": kind, "fields": names}) if "fields" in fault.name]
