"""What a machtiging allows of a question, and in whose words it refuses."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doelbinding import is_covered
from gateway.errors import AsRvig, KoppelpuntError, NotPermitted
from tenants.model import AfnemerId, Autorisatiebesluit, Machtiging
from tests.doelbinding.asking import BY_BSN, BY_NAME, asking, choice, machtiging

OWN = {"personen": {"restrict": {"gemeenteVanInschrijving": ["0518"]}}}


def refusal(of: Machtiging, body: object, *besluiten: Autorisatiebesluit, **how: Any) -> KoppelpuntError:
    api = how.pop("api", "personen")
    with pytest.raises(KoppelpuntError) as caught:
        choice(of, asking(body, api), *besluiten, **how)
    return caught.value


def test_a_machtiging_without_restrictions_allows_every_question_of_its_api():
    assert choice(machtiging({"personen": {}}), asking(BY_NAME)).machtiging.machtiging_id == 1


def test_a_search_within_the_restriction_goes_through():
    assert choice(machtiging(OWN), asking(BY_NAME)).machtiging.machtiging_id == 1


def test_another_value_of_a_restricted_parameter_gets_rvigs_403_that_names_the_parameter():
    error = refusal(machtiging(OWN), BY_NAME | {"gemeenteVanInschrijving": "0599"})
    assert isinstance(error, AsRvig)
    assert (error.shape.status, error.shape.code) == (403, "unauthorizedParameter")
    assert (error.shape.detail or "").endswith("parameter(s): gemeenteVanInschrijving.")


@pytest.mark.parametrize("absent", [BY_BSN, BY_BSN | {"gemeenteVanInschrijving": None}])
def test_a_question_of_any_type_without_the_restricted_parameter_is_refused(absent: dict[str, Any]):
    error = refusal(machtiging(OWN), absent)
    assert isinstance(error, NotPermitted)
    assert error.code == "parameterVerplicht"
    assert "gemeenteVanInschrijving" in error.detail


@pytest.mark.parametrize("value", [["0518", "0599"], ["0599"], {"code": "0518"}, [["0518"]], True, 518])
def test_no_other_shape_of_a_value_slips_through_a_restriction(value: object):
    assert refusal(machtiging(OWN), BY_NAME | {"gemeenteVanInschrijving": value}).code == "unauthorizedParameter"


def test_a_restriction_holds_for_any_parameter_and_numbers_count_as_the_texts_that_rvig_takes_them_for():
    one_house = machtiging({"personen": {"restrict": {"huisnummer": ["12"]}}})
    question = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "fields": ["naam"]}
    assert choice(one_house, asking(question | {"huisnummer": 12}))
    assert choice(one_house, asking(question | {"huisnummer": "12"}))
    assert refusal(one_house, question | {"huisnummer": 13}).code == "unauthorizedParameter"


def test_deceased_persons_are_asked_for_only_where_the_machtiging_allows_it():
    without = machtiging({"personen": {"inclusiefOverledenPersonen": False}})
    refused: list[Any] = [True, "true", "TRUE", 1, "ja", [False]]
    for value in refused:
        error = refusal(without, BY_NAME | {"inclusiefOverledenPersonen": value})
        assert "inclusiefOverledenPersonen" in error.detail
    allowed: list[Any] = [False, "false", "False", None]
    for value in allowed:
        assert choice(without, asking(BY_NAME | {"inclusiefOverledenPersonen": value}))
    assert choice(machtiging({"personen": {}}), asking(BY_NAME | {"inclusiefOverledenPersonen": True}))


def test_a_refused_field_is_named_as_rvig_names_it():
    narrow = machtiging({"personen": {"fields": ["naam"]}})
    error = refusal(narrow, BY_BSN | {"fields": ["naam.voornamen", "geslacht.code", "geboorte.datum.jaar"]})
    assert error.detail.endswith("fields: geboorte.datum, geslacht")


@pytest.mark.parametrize("fields", ["burgerservicenummer", None, ["naam", 5], ["naam", ["geboorte"]], {"naam": True}])
def test_fields_that_cannot_be_read_are_not_allowed_where_fields_are_limited(fields: object):
    assert refusal(machtiging({"personen": {"fields": ["naam"]}}), BY_BSN | {"fields": fields}).code == "unauthorized"


@pytest.mark.parametrize("kind", [None, 5, ["RaadpleegMetBurgerservicenummer"], "Onbekend", "ZoekMetNaam"])
def test_a_type_that_cannot_be_read_is_not_allowed_where_types_are_limited(kind: object):
    limited = machtiging({"personen": {"types": ["RaadpleegMetBurgerservicenummer"]}})
    assert refusal(limited, BY_BSN | {"type": kind}).code == "unauthorized"
    assert choice(limited, asking(BY_BSN))


BESLUIT = Autorisatiebesluit(1, 1, AfnemerId("000001"), date(2020, 1, 1), None, "N", "010120 010240 010310")


def test_fields_by_the_besluit_are_those_whose_rubrieken_it_has_and_nothing_switches_that_off():
    by_besluit = machtiging({"personen": {"fields": "autorisatiebesluit"}})
    allowed = asking(BY_BSN | {"fields": ["naam.geslachtsnaam", "geboorte.datum"]})
    assert choice(by_besluit, allowed, BESLUIT, gemeente=False)
    error = refusal(by_besluit, BY_BSN | {"fields": ["naam.voornamen"]}, BESLUIT, gemeente=False)
    assert error.detail.endswith("fields: naam.voornamen")


def test_fields_by_the_besluit_are_none_without_a_besluit_and_all_for_a_gemeente():
    by_besluit = machtiging({"personen": {"fields": "autorisatiebesluit"}})
    assert refusal(by_besluit, BY_BSN, gemeente=False).detail == "Niet geautoriseerd voor ad hoc bevragingen."
    assert choice(by_besluit, asking(BY_BSN))


def test_a_machtiging_that_demands_a_user_refuses_a_call_without_one():
    demanding = machtiging({"personen": {}}, {"user": True})
    assert refusal(demanding, BY_BSN).code == "gebruikerVerplicht"
    assert refusal(demanding, BY_BSN, user="").code == "gebruikerVerplicht"
    assert choice(demanding, asking(BY_BSN), user="ans")


def test_a_machtiging_that_demands_roles_asks_one_of_them():
    demanding = machtiging({"personen": {}}, {"roles": ["raadpleger", "beheerder"]})
    assert refusal(demanding, BY_BSN, user="ans", roles=frozenset({"lezer"})).code == "rolOntbreekt"
    assert choice(demanding, asking(BY_BSN), user="ans", roles=frozenset({"raadpleger", "lezer"}))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 11, 20, 6, 0, tzinfo=UTC), True),  # Friday 07:00, winter
        (datetime(2026, 11, 20, 5, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 20, 18, 0, tzinfo=UTC), False),  # 19:00
        (datetime(2027, 7, 16, 5, 0, tzinfo=UTC), True),  # Friday 07:00, summer
        (datetime(2027, 7, 16, 17, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 22, 59, tzinfo=UTC), True),  # Saturday 23:59
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), False),  # Sunday 00:00
        (datetime(2026, 11, 20, 23, 30, tzinfo=UTC), True),  # Saturday 00:30 there, Friday in UTC
    ],
)
def test_hours_are_days_and_times_in_the_netherlands(moment: datetime, *, is_open: bool):
    hours = [
        {"days": ["ma", "di", "wo", "do", "vr"], "from": "07:00", "until": "19:00"},
        {"days": ["za"], "from": "00:00", "until": "24:00"},
    ]
    limited = machtiging({"personen": {}}, {"hours": hours})
    if is_open:
        assert choice(limited, asking(BY_BSN), now=moment)
    else:
        assert refusal(limited, BY_BSN, now=moment).code == "buitenTijden"


def test_a_machtiging_that_leaves_out_geheimhouding_allows_no_api_where_that_cannot_be_done():
    from tests import values  # noqa: PLC0415

    leaving_out = machtiging({"personen": {}, "berichten": {}}, leave_out_geheimhouding=True)
    post = values.bevraging("/api/brp/berichten/v1/berichten", operation="list")
    with pytest.raises(NotPermitted) as caught:
        choice(leaving_out, post)
    assert caught.value.code == "geheimhoudingNietTeFilteren"
    assert choice(leaving_out, asking(BY_BSN))


NAMES = [
    "naam",
    "naam.voornamen",
    "naam.geslachtsnaam",
    "geboorte",
    "geboorte.datum",
    "geboorte.datum.jaar",
    "geslacht",
]
TYPES = [BY_BSN["type"], BY_NAME["type"], "ZoekMetPostcodeEnHuisnummer"]
CODES = ["0518", "0599", "9101"]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text(max_size=5), st.lists(st.sampled_from(CODES))
)


@given(
    body=st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES) | ODD, "fields": st.lists(st.sampled_from(NAMES) | st.integers()) | ODD},
        optional={
            "gemeenteVanInschrijving": st.sampled_from(CODES) | ODD,
            "inclusiefOverledenPersonen": ODD,
            "burgerservicenummer": ODD,
        },
    ),
    types=st.none() | st.lists(st.sampled_from(TYPES), min_size=1),
    fields=st.none() | st.lists(st.sampled_from(NAMES), min_size=1),
    codes=st.none() | st.lists(st.sampled_from(CODES), min_size=1),
    deceased=st.booleans(),
)
def test_whatever_the_machtiging_nothing_outside_it_is_asked(
    body: dict[str, Any],
    types: list[str] | None,
    fields: list[str] | None,
    codes: list[str] | None,
    *,
    deceased: bool,
):
    restrictions: dict[str, Any] = {"types": types, "fields": fields, "inclusiefOverledenPersonen": deceased}
    if codes is not None:
        restrictions["restrict"] = {"gemeenteVanInschrijving": codes}
    try:
        choice(machtiging({"personen": restrictions}), asking(body))
    except KoppelpuntError:
        return
    if types is not None:
        assert body["type"] in types
    if fields is not None:
        assert all(is_covered(name, frozenset(fields)) for name in body["fields"])
    if codes is not None:
        asked = body["gemeenteVanInschrijving"]
        assert asked
        assert set(asked if isinstance(asked, list) else [asked]) <= set(codes)
    if not deceased:
        assert str(body.get("inclusiefOverledenPersonen")).lower() in {"none", "false"}
