"""Rubrieken and doelbindingen are told in words, and never as bare numbers."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.tables import PARAMETERS, RESPONSES, WHOLE_ANSWER, walk
from tenants.words.doelbindingen import WORDLESS, doelbinding_in_words
from tenants.words.rubrieken import carriers_of, describe, in_words, is_known, split

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def test_data_are_told_by_category_in_the_order_of_the_persoonslijst():
    told = in_words(("081110", "010240", "010210", "PANM01", "581110", "050240"))
    assert [str(one) for one in told] == [
        "persoon: voornamen, geslachtsnaam, voorletters",
        "huwelijk of geregistreerd partnerschap: geslachtsnaam",
        "verblijfplaats: straatnaam",
        "verblijfplaats (eerder): straatnaam",
    ]


def test_everything_that_a_question_is_recorded_as_has_words():
    recorded = set(WHOLE_ANSWER.values())
    for tree in RESPONSES.values():
        recorded.update(*(rubrieken for _, rubrieken in walk(tree)))
    for parameters in PARAMETERS.values():
        recorded.update(*parameters.values())
    assert len(recorded) > 100
    assert [one for one in sorted(recorded) if not is_known(one)] == []


def test_everything_in_rvigs_own_tables_has_words():
    if not SHARED.is_dir():
        pytest.skip("RvIG's tables are not beside this project")
    for name in ("protocollering.csv", "autorisatie.csv"):
        with (SHARED / "brp" / "rubrieken" / name).open(newline="") as file:
            found = {one for row in csv.DictReader(file) for one in row["rubrieken"].split()}
        assert [one for one in sorted(found) if not is_known(one)] == []


@given(st.text(alphabet="0123456789ABPXZ", min_size=6, max_size=6))
def test_no_rubriek_is_ever_shown_as_a_number(rubriek: str):
    for told in (describe(rubriek), *map(str, in_words([rubriek]))):
        assert rubriek not in told
        assert any(character.isalpha() for character in told)


def test_one_without_words_is_told_as_such_and_not_left_out():
    assert [str(one) for one in in_words(("080000", "ZZZZ99", "770000"))] == [
        "verblijfplaats: een gegeven zonder omschrijving",
        "overige gegevens: een gegeven zonder omschrijving",
    ]


def test_a_column_of_the_register_is_split_however_it_is_joined():
    assert split("010120, 010210") == split("010120 010210") == ("010120", "010210")
    assert split("") == ()


def test_who_received_what_was_made_of_a_wrong_piece_of_data_received_it():
    assert carriers_of(["010240"]) == {"010240", "510240", "PANM02", "PANM03", "PANM04", "PANM05", "PANM06"}
    assert {"PAVP03", "AXBW01", "PXVP07", "581110"} <= carriers_of(["081110"])
    assert carriers_of(["PAGL01"]) == {"PAGL01"}
    assert "PAGL01" in carriers_of(["010310"])


@pytest.mark.parametrize(
    ("doelbinding", "told"),
    [
        ("Uitvoering Participatiewet", "Uitvoering Participatiewet"),
        ("BRPACT-AanschrijvenZakelijkGerechtigde", "Aanschrijven zakelijk gerechtigde"),
        ("heffing_gemeentelijke-belastingen", "Heffing gemeentelijke belastingen"),
        ("burgerzaken", "Burgerzaken"),
        ("AOW-uitkering", "AOW uitkering"),
        ("Wmo2015", "Wmo2015"),
        ("12345", WORDLESS),
        ("A-1", WORDLESS),
        ("", WORDLESS),
        (None, WORDLESS),
        ("eigen-code-7", "Het innen van parkeerbelasting"),
    ],
)
def test_a_doelbinding_is_told_in_words(doelbinding: str | None, told: str):
    assert doelbinding_in_words(doelbinding, {"eigen-code-7": "Het innen van parkeerbelasting"}) == told
