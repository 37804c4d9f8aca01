"""Who may ask what."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.brp import problems
from gateway.brp.apis import TYPES
from gateway.brp.authorisation import AfnemerRights, AutorisatieRow, authorise, row_of_today, rubrieken_of_row
from gateway.brp.problems import ProblemShape, problem_document
from gateway.brp.question import Question, read_question
from gateway.brp.rubrieken import FIELDS, record_of
from tests.brp.cases import read_cases
from tests.brp.strategies import any_json

TODAY = dt.date(2026, 7, 1)
DAY = dt.timedelta(days=1)
RAADPLEEG = "RaadpleegMetBurgerservicenummer"
ALL = frozenset(rubriek for needed in FIELDS["personen", RAADPLEEG].values() for rubriek in needed) | rubrieken_of_row(
    "81030 81320"
)


def row(rubrieken: str = "", start: dt.date = TODAY, end: dt.date | None = None, medium: str = "N") -> AutorisatieRow:
    return AutorisatieRow(start, end, medium, rubrieken_of_row(rubrieken))


def ask(*fields: str, granted: str, kind: str = RAADPLEEG) -> ProblemShape | None:
    rights = AfnemerRights("000008", rows=(row(granted),))
    return authorise(Question("personen", kind, (), fields), rights, TODAY)


def test_every_autorisatie_case_of_rvig_gets_its_problem_document_or_passes():
    failing = []
    for case in read_cases("autorisatie.jsonl"):
        claims = case["claims"]
        rights = AfnemerRights(
            claims["afnemerID"],
            claims.get("gemeenteCode"),
            tuple(_row(line) for line in case["autorisatietabel"] if line["afnemer_code"] == claims["afnemerID"]),
        )
        addresses: dict[str, set[str]] = {}
        for address in case.get("adressen", ()):
            gemeenten = addresses.setdefault(address["adresseerbaar_object_identificatie"], set())
            gemeenten.add(address["gemeente_code"])
        shape = authorise(read_question(case["api"], case["body"]), rights, TODAY, addresses)
        document = problem_document(shape, case["path"]) if shape else None
        if document != case["expect"].get("problem"):
            failing.append((case["id"], document))
    assert failing == []


def _row(line: dict[str, Any]) -> AutorisatieRow:
    start, end = (_day(line[f"tabel_regel_{which}_datum"]) for which in ("start", "eind"))
    assert start is not None
    return AutorisatieRow(start, end, line["ad_hoc_medium"], rubrieken_of_row(line["ad_hoc_rubrieken"]))


def _day(value: int | str | None) -> dt.date | None:
    if value is None:
        return None
    if value in {"vandaag", "morgen"}:
        return TODAY if value == "vandaag" else TODAY + DAY
    return dt.date.fromisoformat(str(value))


def test_a_row_holds_from_its_first_day_until_the_day_before_its_end():
    assert row(start=TODAY).holds(TODAY)
    assert not row(start=TODAY + DAY).holds(TODAY)
    assert row(end=TODAY + DAY).holds(TODAY)
    assert not row(end=TODAY).holds(TODAY)


def test_a_row_of_another_medium_allows_no_question():
    for medium in ("A", "N"):
        assert row(medium=medium).holds(TODAY)
    for medium in ("B", "a", "", "AN"):
        rights = AfnemerRights("000008", rows=(row("10120", medium=medium),))
        question = Question("personen", RAADPLEEG, (), ("burgerservicenummer",))
        assert authorise(question, rights, TODAY) == problems.NO_AD_HOC


def test_of_several_rows_that_hold_the_one_that_began_last_counts():
    older, newer = row("10120", start=TODAY - DAY), row("10110")
    assert row_of_today((older, newer), TODAY) is row_of_today((newer, older), TODAY) is newer
    assert row_of_today((older, row(start=TODAY + DAY)), TODAY) is older
    assert row_of_today((), TODAY) is None


def test_rows_are_written_without_the_leading_zero():
    assert rubrieken_of_row(" 10120 010210  PANM03 581030") == {"010120", "010210", "PANM03", "581030"}


def test_parameters_come_before_fields_and_only_one_of_them_is_reported():
    rights = AfnemerRights("000008", rows=(row("81160"),))
    body = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "2628HJ", "huisnummer": "2", "fields": ["naam"]}
    question = read_question("personen", {**body, "inclusiefOverledenPersonen": "true"})
    assert authorise(question, rights, TODAY) == problems.unauthorized_parameters(["huisnummer"])


def test_fields_are_refused_as_they_are_written():
    assert ask("geslacht.code", "geslacht.omschrijving", "aNummer", granted="10120") == problems.unauthorized_fields(
        ["geslacht", "aNummer"]
    )


def test_which_parent_somebody_is_needs_something_of_both_parents():
    field = "ouders.ouderAanduiding"
    for granted in ("20210 30210", "20120 36210", "PAOU01"):
        assert ask(field, granted=granted) is None
    for granted in ("", "20210", "30210", "20210 28510", "27110 37110", "10120"):
        assert ask(field, granted=granted) == problems.unauthorized_fields([field])


def test_old_rubrieken_of_adressering_count_only_where_the_row_has_no_new_ones():
    line, salutation = "adressering.adresregel1", "adresseringBinnenland.aanhef"
    assert ask(line, salutation, granted="PAVP03 PANM03") is None
    assert ask(line, salutation, granted="PAAD01") is None
    assert ask(line, salutation, granted="PAAD02 PAVP03") == problems.unauthorized_fields([line])
    assert ask("adressering", granted="PAAD01") is None
    assert ask("adressering", granted="PAAD02") == problems.unauthorized_fields(["adressering"])


def test_derived_fields_need_the_rubrieken_from_which_they_are_derived():
    assert ask("nationaliteiten.type", granted="40510") is None
    assert ask("nationaliteiten.type", granted="PANT01") is not None
    assert ask("verblijfplaats.datumVan", granted="81030 81320") is None
    assert ask("verblijfplaats.datumVan", granted="81030") is not None
    assert ask("verblijfplaatsBinnenland.datumVan", granted="81030") is None


def test_what_no_table_knows_needs_what_nobody_has():
    everything = " ".join(ALL)
    assert ask("naam.bijnaam", granted=everything) == problems.unauthorized_fields(["naam.bijnaam"])
    assert ask("naam", granted=everything, kind="Onbekend") == problems.unauthorized_fields(["naam"])
    rights = AfnemerRights("000008", rows=(row(everything),))
    assert authorise(Question("personen", RAADPLEEG, ("zoekterm",)), rights, TODAY) == (
        problems.unauthorized_parameters(["zoekterm"])
    )


def test_a_gemeente_may_ask_anything_but_bewoningen_elsewhere():
    gemeente = AfnemerRights("000008", "0800")
    for api in TYPES:
        assert authorise(Question(api, "Onbekend", ("zoekterm",), ("naam.bijnaam",)), gemeente, TODAY) is None
    asked = read_question("bewoningen", {"adresseerbaarObjectIdentificatie": "0518010000000002"})
    assert authorise(asked, gemeente, TODAY, {"0518010000000002": {"0518"}}) == problems.NOT_OWN_BEWONING
    assert authorise(asked, gemeente, TODAY, {"0518010000000002": {"0518", "0800"}}) is None
    assert authorise(asked, gemeente, TODAY, {"0800010000000001": {"0800"}}) is None


def test_reisdocumenten_are_for_gemeenten_and_the_marechaussee():
    question = Question("reisdocumenten", "ZoekMetBurgerservicenummer", ("burgerservicenummer",), ("soort",))
    assert authorise(question, AfnemerRights("720402"), TODAY) is None
    assert authorise(question, AfnemerRights("000008", "0800"), TODAY) is None
    assert authorise(question, AfnemerRights("000008", rows=(row("123510"),)), TODAY) == problems.NO_REISDOCUMENTEN


def test_the_answer_of_bewoningen_and_of_verblijfplaatshistorie_needs_one_rubriek():
    for api, rubriek, refusal in (
        ("bewoningen", "AXBW01", problems.NO_BEWONINGEN),
        ("verblijfplaatshistorie", "PXVP07", problems.NO_VERBLIJFPLAATSHISTORIE),
    ):
        question = Question(api, TYPES[api][0], ("peildatum",))
        assert authorise(question, AfnemerRights("000008", rows=(row(rubriek),)), TODAY) is None
        assert authorise(question, AfnemerRights("000008", rows=(row("10120"),)), TODAY) == refusal
        assert authorise(question, AfnemerRights("000008"), TODAY) == problems.NO_AD_HOC


fields_of_a_person = st.lists(st.sampled_from(sorted(FIELDS["personen", RAADPLEEG])), max_size=25)


@given(fields_of_a_person, st.sets(st.sampled_from(sorted(ALL))))
def test_a_refusal_names_exactly_the_fields_that_alone_would_be_refused(fields, granted):
    rubrieken = " ".join(granted)
    alone = [name for name in fields if ask(name, granted=rubrieken)]
    assert ask(*fields, granted=rubrieken) == (problems.unauthorized_fields(alone) if alone else None)


@given(fields_of_a_person)
def test_who_has_every_rubriek_may_ask_every_field(fields):
    assert ask(*fields, granted=" ".join(ALL)) is None


@given(st.sampled_from(sorted(set(FIELDS["personen", RAADPLEEG]) - {"ouders.ouderAanduiding"})))
def test_who_has_no_rubriek_may_ask_no_field(name):
    assert record_of(Question("personen", RAADPLEEG, (), (name,))).gevraagd
    assert ask(name, granted="") == problems.unauthorized_fields([name])


@given(st.sampled_from([*TYPES, "berichten"]), any_json, st.sampled_from([None, "0800"]), st.booleans())
def test_any_question_is_judged(api, body, gemeente, has_row):
    rights = AfnemerRights("000008", gemeente, (row("10120"),) if has_row else ())
    shape = authorise(read_question(api, body), rights, TODAY, {"0518010000000002": {"0518"}})
    assert shape is None or shape.status == 403
