"""A caller's body as a question."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.question import Question, is_bsn, read_question, scalar_text
from tests.brp.strategies import any_json


def test_a_question_names_its_type_parameters_fields_and_persons():
    body = {
        "type": "RaadpleegMetBurgerservicenummer",
        "fields": ["naam", "leeftijd"],
        "burgerservicenummer": ["999993653", "999990524"],
        "inclusiefOverledenPersonen": "true",
        "gemeenteVanInschrijving": "0599",
    }
    assert read_question("personen", body) == Question(
        api="personen",
        type="RaadpleegMetBurgerservicenummer",
        parameters=("burgerservicenummer", "gemeenteVanInschrijving"),
        fields=("naam", "leeftijd"),
        bsns=("999993653", "999990524"),
    )


def test_one_person_may_be_asked_as_a_text():
    question = read_question("verblijfplaatshistorie", {"burgerservicenummer": "999993653"})
    assert question.bsns == ("999993653",)
    assert not question.bsns_repeated


def test_a_person_asked_twice_is_one_person_asked_twice():
    question = read_question("personen", {"burgerservicenummer": ["999993653", "999993653", "x"]})
    assert question.bsns == ("999993653",)
    assert question.bsns_repeated


def test_a_body_that_is_no_object_asks_nothing():
    for body in (None, [], "naam", 3, True, ["type"]):
        assert read_question("personen", body) == Question("personen", None)


def test_members_of_another_shape_are_not_there():
    body = {"type": 3, "fields": ["naam", 4, None, ["leeftijd"]], "burgerservicenummer": {"0": "999993653"}}
    question = read_question("personen", body)
    assert (question.type, question.fields, question.bsns) == (None, ("naam",), ())


def test_numbers_are_read_as_the_texts_that_rvig_makes_of_them():
    assert read_question("personen", {"burgerservicenummer": [999993653, 999990524.0, True]}).bsns == (
        "999993653",
        "999990524",
    )
    question = read_question("bewoningen", {"adresseerbaarObjectIdentificatie": 1599010370005001})
    assert question.adresseerbaar_object == "1599010370005001"
    assert scalar_text(10**5000) == scalar_text(10**18)
    assert scalar_text(0.5) == "0.5"


def test_a_bsn_is_nine_digits_of_ascii_and_never_all_zero():
    assert is_bsn("000000012")
    for value in (
        "00000001",
        "0000000123",
        "12345678a",
        "１２３４５６７８９",
        "000000000",
        " 12345678",
        123456789,
        None,
    ):
        assert not is_bsn(value)


def test_a_question_does_not_show_whom_it_is_about():
    assert "999993653" not in repr(read_question("personen", {"burgerservicenummer": ["999993653"]}))


@given(st.text(max_size=9), any_json)
def test_any_json_is_read(api, body):
    question = read_question(api, body)
    assert question == read_question(api, body)
    assert len(set(question.bsns)) == len(question.bsns)
    assert all(is_bsn(bsn) for bsn in question.bsns)
    assert hash(question)
