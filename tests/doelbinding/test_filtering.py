"""What is added to a question for the register, and taken out of an answer: that, and nothing else."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Answered, Bevraging, Unanswered
from gateway.errors import UpstreamUnavailable
from gateway.filtering import Withheld, asked_of_rvig, pass_on
from tenants.model import AfnemerId, Autorisatiebesluit, Machtiging
from tests.doelbinding.asking import BY_BSN, BY_NAME, asking, choice, machtiging, standing
from tests.values import NOW

EVERYTHING: dict[str, Any] = {"personen": {}, "bewoningen": {}, "verblijfplaatshistorie": {}, "reisdocumenten": {}}
ADDING = machtiging(EVERYTHING, add_bsn=True)
LEAVING_OUT = machtiging(EVERYTHING, leave_out_geheimhouding=True)
BOTH = machtiging(EVERYTHING, add_bsn=True, leave_out_geheimhouding=True)
JAN, PIET = "999990019", "999990020"
SECRET = {"geheimhoudingPersoonsgegevens": True}
RPS = {"type": "RaadpleegMetReisdocumentnummer", "reisdocumentnummer": ["NE3663258"], "fields": ["soort"]}


def sent(of: Machtiging, bevraging: Bevraging, *besluiten: Autorisatiebesluit, gemeente: bool = True) -> Bevraging:
    """The question as RvIG gets it."""
    made = choice(of, bevraging, *besluiten, gemeente=gemeente)
    return asked_of_rvig(bevraging, made, standing(of, *besluiten, gemeente=gemeente), NOW)


def passed(of: Machtiging, bevraging: Bevraging, answer: Any, status: int = 200) -> tuple[Any, Withheld | None]:
    """What the caller gets of an answer of RvIG, and what was withheld."""
    body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    result, withheld, fault = pass_on(Answered(status, {}, body), None, bevraging, sent(of, bevraging), of)
    assert fault is None
    assert isinstance(result, Answered)
    return (result.body if isinstance(answer, bytes) else orjson.loads(result.body)), withheld


def test_the_number_is_asked_where_it_was_not_and_the_rest_of_the_question_stays_to_the_byte():
    body = b' {"fields" : ["naam" ,\t"geboorte"\n] ,"type":"RaadpleegMetBurgerservicenummer", "burgerservicenummer":["999990019"] }\n'
    asked = sent(ADDING, asking(body))
    assert asked.body == body.replace(b"\n]", b'\n,"burgerservicenummer"]')
    assert asked.question.fields == ("naam", "geboorte", "burgerservicenummer")


def test_a_question_that_asks_the_number_goes_as_it_came():
    bevraging = asking(BY_BSN | {"fields": ["burgerservicenummer"]})
    assert sent(ADDING, bevraging) is bevraging


def test_without_the_policy_nothing_is_added():
    bevraging = asking(BY_BSN)
    assert sent(machtiging(EVERYTHING), bevraging) is bevraging


@pytest.mark.parametrize("fields", [[], ["naam"] * 130])
def test_a_question_that_would_have_too_many_fields_or_has_none_goes_as_it_came(fields: list[str]):
    bevraging = asking(BY_BSN | {"fields": fields})
    assert sent(ADDING, bevraging) is bevraging


def test_the_number_is_not_asked_where_the_besluit_is_known_not_to_have_it():
    besluit = Autorisatiebesluit(1, 1, AfnemerId("000001"), date(2020, 1, 1), None, "N", "010120 010240")
    question = asking(BY_NAME)
    assert "burgerservicenummer" in sent(ADDING, question, besluit, gemeente=False).question.fields
    lacking = replace(besluit, rubrieken="010240")
    assert sent(ADDING, question, lacking, gemeente=False) is question
    assert "burgerservicenummer" in sent(ADDING, question, lacking, gemeente=True).question.fields


def test_the_number_is_taken_out_of_each_person_and_nowhere_else():
    answer = {
        "type": "ZoekMetNaamEnGemeenteVanInschrijving",
        "personen": [
            {"burgerservicenummer": JAN, "naam": {"volledigeNaam": "Jan"}, "partners": [{"burgerservicenummer": PIET}]},
            {"naam": {"volledigeNaam": "Piet"}, "burgerservicenummer": PIET},
            {"burgerservicenummer": JAN},
        ],
    }
    given, withheld = passed(ADDING, asking(BY_NAME), answer)
    assert given == {
        "type": "ZoekMetNaamEnGemeenteVanInschrijving",
        "personen": [
            {"naam": {"volledigeNaam": "Jan"}, "partners": [{"burgerservicenummer": PIET}]},
            {"naam": {"volledigeNaam": "Piet"}},
            {},
        ],
    }
    assert withheld == Withheld(fields=("burgerservicenummer",))


def test_annotations_stay_also_those_about_the_number_that_is_taken_out():
    mark = {"inOnderzoek": {"burgerservicenummer": True, "datumIngangOnderzoekPersoon": {"type": "Datum"}}}
    others = {"opschortingBijhouding": {"reden": {"code": "O"}}, "verificatie": {"datum": {}}, **SECRET}
    answer = {"personen": [{"burgerservicenummer": JAN, **mark, **others}]}
    assert passed(ADDING, asking(BY_BSN), answer)[0] == {"personen": [{**mark, **others}]}


def test_an_answer_is_cut_and_never_written_anew():
    body = (
        b'{ "personen" : [ {"\\u0062urgerservicenummer":"999990019" , "leeftijd": 1.0e1, "naam":{"a":"\\u00e9\xc3\xa9"}} ],\n'
        b' "groot": 123456789012345678901234567890 }'
    )
    given, _ = passed(ADDING, asking(BY_BSN), body)
    assert given == body.replace(b'"\\u0062urgerservicenummer":"999990019" , ', b"")


def test_a_holder_of_whom_only_the_number_is_given_goes_with_it():
    asked = asking(RPS, "reisdocumenten")
    assert sent(ADDING, asked).question.fields == ("soort", "houder.burgerservicenummer")
    answer = {
        "reisdocumenten": [
            {"soort": {"code": "PN"}, "houder": {"burgerservicenummer": JAN}},
            {"houder": {"burgerservicenummer": JAN, **SECRET}, "soort": {"code": "PN"}},
        ]
    }
    given, _ = passed(ADDING, asked, answer)
    assert given == {"reisdocumenten": [{"soort": {"code": "PN"}}, {"houder": SECRET, "soort": {"code": "PN"}}]}


def test_persons_with_geheimhouding_are_left_out_and_told():
    answer = {"personen": [{"burgerservicenummer": JAN, **SECRET}, {"burgerservicenummer": PIET}, SECRET]}
    given, withheld = passed(LEAVING_OUT, asking(BY_NAME), answer)
    assert given == {"personen": [{"burgerservicenummer": PIET}]}
    assert withheld == Withheld((JAN,), 1)


def test_whoever_was_the_only_one_asked_about_is_known_without_a_number():
    given, withheld = passed(LEAVING_OUT, asking(BY_BSN), {"personen": [SECRET]})
    assert given == {"personen": []}
    assert withheld == Withheld((JAN,))


def test_geheimhouding_does_not_matter_where_the_policy_does_not_say_so():
    answer = {"personen": [{"burgerservicenummer": JAN, **SECRET}]}
    assert passed(machtiging(EVERYTHING), asking(BY_NAME), answer) == (answer, None)


def test_residents_with_geheimhouding_are_left_out_of_each_bewoning():
    answer = {
        "bewoningen": [
            {
                "bewoners": [{"burgerservicenummer": JAN}, {"burgerservicenummer": PIET, **SECRET}],
                "mogelijkeBewoners": [],
            },
            {"mogelijkeBewoners": [{"burgerservicenummer": PIET, **SECRET}]},
        ]
    }
    given, withheld = passed(LEAVING_OUT, asking({"type": "BewoningMetPeildatum"}, "bewoningen"), answer)
    assert given == {
        "bewoningen": [{"bewoners": [{"burgerservicenummer": JAN}], "mogelijkeBewoners": []}, {"mogelijkeBewoners": []}]
    }
    assert withheld == Withheld((PIET,))


def test_history_of_a_person_with_geheimhouding_is_empty():
    asked = asking({"type": "RaadpleegMetPeildatum", "burgerservicenummer": JAN}, "verblijfplaatshistorie")
    answer = {"verblijfplaatsen": [{"type": "Adres"}], **SECRET}
    assert passed(LEAVING_OUT, asked, answer) == ({"verblijfplaatsen": []}, Withheld((JAN,)))
    open_answer = {"verblijfplaatsen": [{"type": "Adres"}]}
    assert passed(LEAVING_OUT, asked, open_answer) == (open_answer, Withheld())


def test_a_document_whose_holder_has_geheimhouding_is_left_out():
    holder = {"houder": {"burgerservicenummer": JAN, **SECRET}}
    given, withheld = passed(LEAVING_OUT, asking(RPS, "reisdocumenten"), {"reisdocumenten": [holder, {"soort": {}}]})
    assert given == {"reisdocumenten": [{"soort": {}}]}
    assert withheld == Withheld((JAN,))


@pytest.mark.parametrize("mark", [True, "1", 1, 7, {}, [], "ja"])
def test_whatever_is_not_surely_no_mark_is_one(mark: object):
    assert passed(LEAVING_OUT, asking(BY_NAME), {"personen": [{"geheimhoudingPersoonsgegevens": mark}]})[0] == {
        "personen": []
    }


@pytest.mark.parametrize("answer", [{"personen": {}}, {"personen": [1]}, {"personen": "geen"}, [], 5, "tekst"])
def test_an_answer_that_cannot_be_cut_with_certainty_is_not_passed_on(answer: object):
    bevraging = asking(BY_NAME)
    _, withheld, fault = pass_on(Answered(200, {}, orjson.dumps(answer)), None, bevraging, sent(BOTH, bevraging), BOTH)
    assert isinstance(fault, UpstreamUnavailable)
    assert (fault.code, fault.sent, withheld) == ("antwoordOnleesbaar", True, None)


def test_problems_and_missing_answers_are_passed_on_as_they_are():
    bevraging = asking(BY_NAME)
    problem = {"status": 403, "personen": "zo niet"}
    assert passed(BOTH, bevraging, problem, 403) == (problem, None)
    lost = Unanswered("antwoordTeLaat", sent=True)
    fault = UpstreamUnavailable("antwoordTeLaat", "", sent=True)
    assert pass_on(lost, fault, bevraging, sent(BOTH, bevraging), BOTH) == (lost, None, fault)


NAMES = st.sampled_from(["burgerservicenummer", "geheimhoudingPersoonsgegevens", "naam", "personen", 'é"\\', ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
PERSONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "burgerservicenummer": st.sampled_from([JAN, PIET, None, 5]),
            "geheimhoudingPersoonsgegevens": st.sampled_from([True, False, None]),
            "naam": VALUES,
            "inOnderzoek": VALUES,
            "partners": VALUES,
        },
    ),
    max_size=4,
)


@given(
    persons=PERSONS,
    rest=st.dictionaries(NAMES, VALUES, max_size=3),
    place=st.integers(0, 3),
    indent=st.sampled_from([None, 0, 1]),
)
def test_filtering_takes_out_what_it_says_and_nothing_else(
    persons: list[dict[str, Any]], rest: dict[str, Any], place: int, indent: int | None
):
    members = [(name, value) for name, value in rest.items() if name != "personen"]
    members.insert(min(place, len(members)), ("personen", persons))
    body = json.dumps(dict(members), indent=indent, ensure_ascii=place > 1).encode(errors="surrogatepass")
    bevraging = asking(BY_NAME)
    for of, strip, leave_out in ((ADDING, True, False), (LEAVING_OUT, False, True), (BOTH, True, True)):
        result, withheld, fault = pass_on(Answered(200, {}, body), None, bevraging, sent(of, bevraging), of)
        if fault is not None:
            # Only text that UTF-8 cannot hold.
            with pytest.raises(UnicodeDecodeError):
                body.decode()
            continue
        assert isinstance(result, Answered)
        assert withheld is not None
        kept = [one for one in persons if not (leave_out and one.get("geheimhoudingPersoonsgegevens"))]
        expected = [
            {name: value for name, value in one.items() if not (strip and name == "burgerservicenummer")}
            for one in kept
        ]
        assert json.loads(result.body) == dict(members) | {"personen": expected}
        assert list(json.loads(result.body)) == [name for name, _ in members]
        left = [one.get("burgerservicenummer") for one in persons if one not in kept]
        staying = {one.get("burgerservicenummer") for one in kept}
        assert set(withheld.bsns) == {one for one in left if one in {JAN, PIET}} - staying
        assert withheld.unidentified == sum(one not in {JAN, PIET} for one in left)
        assert withheld.fields == (("burgerservicenummer",) if strip else ())
