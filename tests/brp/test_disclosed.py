"""Whose data an answer holds."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.apis import TYPES
from gateway.brp.disclosed import NOBODY, Disclosed, disclosed_by
from gateway.brp.question import Question, is_bsn, read_question
from tests.brp.strategies import any_json, bsns

A, B, C = "999993653", "999990524", "999994086"


def raadpleeg(*numbers: str, fields: tuple[str, ...] = ("naam",)) -> Question:
    body = {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": list(numbers), "fields": list(fields)}
    return read_question("personen", body)


def test_persons_are_known_by_the_number_in_the_answer():
    answer = {
        "type": "ZoekMetPostcodeEnHuisnummer",
        "personen": [{"burgerservicenummer": A}, {"burgerservicenummer": B}],
    }
    question = read_question("personen", {"type": "ZoekMetPostcodeEnHuisnummer"})
    assert disclosed_by(question, answer) == Disclosed((A, B))


def test_a_person_named_twice_is_one_person():
    answer = {"personen": [{"burgerservicenummer": A}, {"burgerservicenummer": A}]}
    assert disclosed_by(raadpleeg(A), answer) == Disclosed((A,))


def test_partners_children_and_parents_are_data_about_the_person():
    person = {
        "burgerservicenummer": A,
        "partners": [{"burgerservicenummer": B}],
        "kinderen": [{"burgerservicenummer": C}],
        "ouders": [{"burgerservicenummer": "999995492"}],
    }
    assert disclosed_by(raadpleeg(A), {"personen": [person]}) == Disclosed((A,))


def test_persons_without_a_number_are_those_asked_when_all_of_them_came():
    assert disclosed_by(raadpleeg(A, B), {"personen": [{"naam": {}}, {"naam": {}}]}) == Disclosed((A, B))


def test_a_single_person_asked_without_its_number_is_that_person():
    assert disclosed_by(raadpleeg(A, A), {"personen": [{"naam": {}}]}) == Disclosed((A,))


def test_when_fewer_persons_came_than_were_asked_they_are_counted_among_those_asked():
    assert disclosed_by(raadpleeg(A, B, C), {"personen": [{}, {}]}) == Disclosed((), 2, (A, B, C))


def test_when_somebody_was_asked_twice_the_count_proves_nothing():
    assert disclosed_by(raadpleeg(A, A, B), {"personen": [{}, {}]}) == Disclosed((), 2, (A, B))


def test_a_person_without_number_beside_one_with_is_among_the_others_asked():
    answer = {"personen": [{"burgerservicenummer": A}, {"naam": {}}]}
    assert disclosed_by(raadpleeg(A, B, C), answer) == Disclosed((A,), 1, (B, C))


def test_a_person_found_by_searching_without_its_number_is_only_counted():
    question = read_question("personen", {"type": "ZoekMetGeslachtsnaamEnGeboortedatum", "fields": ["naam"]})
    assert disclosed_by(question, {"personen": [{"naam": {}}]}) == Disclosed((), 1)


def test_inhabitants_and_possible_inhabitants_of_all_periods_are_disclosed_once():
    answer = {
        "bewoningen": [
            {"bewoners": [{"burgerservicenummer": A}, {"burgerservicenummer": B}], "mogelijkeBewoners": []},
            {"bewoners": [{"burgerservicenummer": A}], "mogelijkeBewoners": [{"burgerservicenummer": C}]},
        ]
    }
    question = read_question("bewoningen", {"type": "BewoningMetPeriode"})
    assert disclosed_by(question, answer) == Disclosed((A, B, C))


def test_a_history_of_addresses_is_about_the_person_asked():
    question = read_question("verblijfplaatshistorie", {"type": "RaadpleegMetPeildatum", "burgerservicenummer": A})
    assert disclosed_by(question, {"verblijfplaatsen": [{"type": "Adres"}]}) == Disclosed((A,))
    assert disclosed_by(question, {"verblijfplaatsen": [], "geheimhoudingPersoonsgegevens": True}) == Disclosed((A,))
    assert disclosed_by(question, {"verblijfplaatsen": []}) == NOBODY


def test_a_travel_document_is_about_its_holder_or_about_whom_was_asked():
    by_number = read_question(
        "reisdocumenten", {"type": "RaadpleegMetReisdocumentnummer", "reisdocumentnummer": ["NW21R5443"]}
    )
    by_bsn = read_question("reisdocumenten", {"type": "ZoekMetBurgerservicenummer", "burgerservicenummer": B})
    document = {"reisdocumentnummer": "NW21R5443", "houder": {"burgerservicenummer": A}}
    assert disclosed_by(by_number, {"reisdocumenten": [document]}) == Disclosed((A,))
    assert disclosed_by(by_number, {"reisdocumenten": [{"soort": {}}]}) == Disclosed((), 1)
    assert disclosed_by(by_bsn, {"reisdocumenten": [{"soort": {}}, {"soort": {}}]}) == Disclosed((B,))
    assert disclosed_by(by_bsn, {"reisdocumenten": []}) == NOBODY


def test_messages_fetched_are_disclosures_of_each_person_in_them():
    messages = [
        {"berichtKenmerken": {"berichtTransportId": "1"}, "berichtInhoud": {"plData": {"c01": [{"e0120": A}]}}},
        {"berichtKenmerken": {"berichtTransportId": "2"}, "berichtInhoud": {"plData": {"c01": [{"e0120": A}]}}},
        {"berichtKenmerken": {"berichtTransportId": "3"}, "berichtInhoud": {"plData": {"c08": [{"e1110": "Dam"}]}}},
    ]
    question = read_question("berichten", None)
    assert disclosed_by(question, {"opgehaaldeBerichten": messages}) == Disclosed((A,), 1)
    assert disclosed_by(question, {"berichten": [{"berichtTransportId": "1"}]}) == NOBODY


def test_problem_documents_and_empty_answers_disclose_nobody():
    problem = {"type": "https://example.org", "title": "Bronservice is tijdelijk niet beschikbaar.", "status": 502}
    answers: tuple[object, ...] = (problem, {}, [], None, "", {"personen": []})
    for api in (*TYPES, "berichten", "weerbericht"):
        question = read_question(api, {"type": "RaadpleegMetPeildatum", "burgerservicenummer": A})
        for answer in answers:
            assert disclosed_by(question, answer) == NOBODY


def test_who_was_disclosed_is_not_shown():
    assert A not in repr(disclosed_by(raadpleeg(A), {"personen": [{"burgerservicenummer": A}]}))


@given(st.sampled_from([*TYPES, "berichten", "?"]), any_json, any_json)
def test_any_answer_to_any_question_is_read(api, body, answer):
    found = disclosed_by(read_question(api, body), answer)
    assert all(is_bsn(bsn) for bsn in found.bsns + found.among)
    assert len(set(found.bsns)) == len(found.bsns)
    assert not set(found.bsns) & set(found.among)
    assert bool(found.among) <= bool(found.unidentified)


@given(st.lists(bsns, max_size=12), st.integers(0, 3))
def test_every_number_that_came_is_noted_and_every_person_without_is_counted(numbers, nameless):
    persons = [{"burgerservicenummer": bsn} for bsn in numbers] + [{"naam": {}}] * nameless
    question = read_question("personen", {"type": "ZoekMetPostcodeEnHuisnummer"})
    found = disclosed_by(question, {"personen": persons})
    assert (set(found.bsns), found.unidentified) == (set(numbers), nameless)
