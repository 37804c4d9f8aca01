"""Dates, names and fields take the forms of the APIs."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator import teletex
from gateway.simulator.dates import datum, leeftijd, uncertain
from gateway.simulator.fields import AUTOMATIC, parse_fields, project
from gateway.simulator.names import greetings, naam_answer
from gateway.simulator.persons import Persons, read_source


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("20240229", {"type": "Datum", "datum": "2024-02-29", "langFormaat": "29 februari 2024"}),
        ("20240200", {"type": "JaarMaandDatum", "jaar": 2024, "maand": 2, "langFormaat": "februari 2024"}),
        ("20240000", {"type": "JaarDatum", "jaar": 2024, "langFormaat": "2024"}),
        ("00000000", {"type": "DatumOnbekend", "onbekend": True, "langFormaat": "onbekend"}),
        ("", None),
        ("2024", None),
        (None, None),
    ],
)
def test_a_date_says_how_much_of_it_is_known(value, form):
    assert datum(value) == form


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("20000621", 25),
        ("20000622", 25),
        ("20000623", 24),
        ("20000700", 24),
        ("20000600", None),
        ("20000000", None),
        ("00000000", None),
    ],
)
def test_an_age_is_given_only_when_it_is_certain(born, age):
    assert leeftijd(born, dt.date(2025, 6, 22)) == age


def test_an_incomplete_date_can_be_any_day_of_its_month_or_year():
    december, year = uncertain("20231200"), uncertain("20230000")
    assert december is not None
    assert year is not None
    assert (december.first, december.last) == (dt.date(2023, 12, 1), dt.date(2023, 12, 31))
    assert (year.first, year.last) == (dt.date(2023, 1, 1), dt.date(2023, 12, 31))


def test_a_predicaat_comes_before_and_a_title_after_the_first_names():
    naam = {"voornamen": "Cato Louise", "voorvoegsel": "van de", "geslachtsnaam": "Meerendonk"}
    predicaat = {"code": "JV", "omschrijving": "jonkvrouw", "soort": "predicaat"}
    titel = {"code": "G", "omschrijving": "graaf", "soort": "titel"}
    assert naam_answer(naam | {"adellijkeTitelPredicaat": predicaat}, with_usage=False)["volledigeNaam"] == (
        "jonkvrouw Cato Louise van de Meerendonk"
    )
    assert naam_answer(naam | {"adellijkeTitelPredicaat": titel}, with_usage=False)["volledigeNaam"] == (
        "Cato Louise graaf van de Meerendonk"
    )


@pytest.mark.parametrize(
    ("usage", "aanhef"),
    [
        ("E", "Geachte mevrouw Zandstra"),
        ("P", "Geachte mevrouw Van Terwolde"),
        ("V", "Geachte mevrouw Van Terwolde-Zandstra"),
        ("N", "Geachte mevrouw Zandstra-van Terwolde"),
    ],
)
def test_a_salutation_follows_the_choice_of_surname(usage, aanhef):
    naam = {"voornamen": "Hanna", "geslachtsnaam": "Zandstra", "aanduidingNaamgebruik": {"code": usage}}
    partner = {"voorvoegsel": "van", "geslachtsnaam": "Terwolde"}
    assert greetings(naam, partner, "V")["aanhef"] == aanhef


def test_the_whole_of_a_group_wins_over_a_part_of_it():
    assert parse_fields(("naam.voornamen", "naam")) == {"naam": {}}
    assert parse_fields(("naam", "naam.voornamen")) == {"naam": {}}


def test_in_onderzoek_comes_for_asked_fields_only():
    person = {
        "burgerservicenummer": "1", "leeftijd": 3,
        "inOnderzoek": {"burgerservicenummer": True, "leeftijd": True, "datumIngangOnderzoekPersoon": {"type": "x"}},
    }  # fmt: skip
    assert project(person, parse_fields(("leeftijd",)))["inOnderzoek"] == {
        "leeftijd": True, "datumIngangOnderzoekPersoon": {"type": "x"},
    }  # fmt: skip
    assert "inOnderzoek" not in project(person, parse_fields(("naam",)))


PERSONS = Persons(read_source(None, None, None))
TODAY = dt.date(2026, 1, 1)
WHOLE = [PERSONS.answer(str(one["burgerservicenummer"]), TODAY) or {} for one in PERSONS.records()]
NAMES = sorted(
    {name for one in WHOLE for name in one}
    | {"naam.voornamen", "geboorte.datum.jaar", "verblijfplaats.verblijfadres.land.code", "nietBestaand"}
)


@given(st.lists(st.sampled_from(NAMES), max_size=12), st.sampled_from(WHOLE))
def test_a_projection_holds_nothing_that_was_neither_asked_nor_automatic(fields, person):
    before = repr(person)
    answer = project(person, parse_fields(tuple(fields)))
    assert set(answer) <= {name.partition(".")[0] for name in fields} | AUTOMATIC
    assert all(answer.get(name) == person.get(name) for name in ("rni", "verificatie", "geheimhoudingPersoonsgegevens"))
    assert repr(person) == before


def test_the_products_own_persons_pass_the_elfproef():
    for record in PERSONS.records():
        digits = [int(one) for one in record["burgerservicenummer"]]
        assert record["burgerservicenummer"].startswith("9999")
        assert sum(digit * weight for digit, weight in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)) % 11 == 0


@given(st.text(st.sampled_from("abcXYZ 019-.,'éèêëïöüñçåøæœßłđŁĲĳŝğžőąāůÅØ"), max_size=40))
def test_teletex_gives_back_what_it_was_given(text):
    assert teletex.decode(teletex.encode(text)) == text


@pytest.mark.parametrize("content", [b"\xc8", b"\xff", b"\xc9e", b"\x80"])
def test_bytes_that_teletex_does_not_have_are_refused(content):
    with pytest.raises(ValueError, match=r"Teletex|mark"):
        teletex.decode(content)
