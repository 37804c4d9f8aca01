"""What RvIG's protocol record says of a question."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gateway.brp.apis import TYPES
from gateway.brp.question import Question, read_question
from gateway.brp.rubrieken import FIELDS, Rubrieken, record_of, written_field
from gateway.brp.tables import CODED_OR_DATED
from tests.brp.cases import read_cases
from tests.brp.strategies import any_json

PERSONEN = "personen"
RAADPLEEG = "RaadpleegMetBurgerservicenummer"
questions = st.sampled_from([(api, kind) for api, kinds in TYPES.items() for kind in kinds])
some_fields = st.lists(st.sampled_from(sorted(FIELDS[PERSONEN, RAADPLEEG])) | st.text(max_size=20), max_size=30)


def asked(fields: Iterable[str], kind: str = RAADPLEEG, api: str = PERSONEN) -> str:
    return record_of(Question(api, kind, (), tuple(fields))).gevraagd


def test_the_record_of_every_protocol_case_of_rvig_is_the_record_it_stores():
    failing = []
    for case in read_cases("protocollering.jsonl"):
        record = record_of(read_question(case["api"], case["body"]))
        for expected in case["expect"]:
            zoek = expected.get("request_zoek_rubrieken", record.zoek)
            gevraagd = expected.get("request_gevraagde_rubrieken", record.gevraagd)
            if (zoek, gevraagd) != (record.zoek, record.gevraagd):
                failing.append((case["id"], record))
    assert failing == []


def test_rubrieken_are_distinct_ascending_and_joined_by_a_comma_and_a_space():
    record = record_of(
        read_question(
            PERSONEN,
            {
                "type": "ZoekMetPostcodeEnHuisnummer",
                "postcode": "2628HJ",
                "huisnummer": "2",
                "fields": ["naam.voornamen", "burgerservicenummer", "naam.voornamen"],
            },
        )
    )
    assert record == Rubrieken(zoek="081120, 081160", gevraagd="010120, 010210")


def test_what_is_asked_below_a_date_or_a_coded_value_is_the_field_itself():
    assert written_field("geboorte.datum.jaar") == "geboorte.datum"
    assert written_field("geslacht.code") == "geslacht"
    assert written_field("naam.voornamen") == "naam.voornamen"
    assert written_field("geslacht") == "geslacht"
    assert asked(["kinderen.geboorte.land.omschrijving"]) == "090330"


def test_a_field_with_sub_fields_has_the_rubrieken_of_all_of_them():
    for (api, kind), fields in FIELDS.items():
        for name in fields:
            below = [other for other in fields if other.startswith(f"{name}.")]
            assert not below or asked([name], kind, api) == asked(below, kind, api)


def test_the_same_field_of_a_person_found_by_searching_covers_less():
    assert asked(["geboorte"], "ZoekMetPostcodeEnHuisnummer") == "010310"
    assert asked(["geboorte"]) == "010310, 010320, 010330"
    assert asked(["gezag"], "ZoekMetPostcodeEnHuisnummer") == ""
    assert asked(["gezag"], "ZoekMetAdresseerbaarObjectIdentificatie") == "PAGZ01"


def test_bewoning_and_verblijfplaatshistorie_ask_one_rubriek_whatever_is_asked():
    assert asked([], "BewoningMetPeildatum", "bewoningen") == "AXBW01"
    assert asked(["naam"], "RaadpleegMetPeriode", "verblijfplaatshistorie") == "PXVP07"


def test_an_unknown_type_api_field_or_parameter_adds_nothing():
    assert record_of(Question(PERSONEN, "Onbekend", ("postcode",), ("naam",))) == Rubrieken("", "")
    assert record_of(Question("weerbericht", None, ("postcode",), ("naam",))) == Rubrieken("", "")
    assert record_of(Question("bewoningen", "Onbekend")) == Rubrieken("", "")
    assert record_of(Question(PERSONEN, RAADPLEEG, ("zoekterm",), ("naam.bijnaam",))) == Rubrieken("", "")
    assert asked(["ouders.ouderAanduiding"]) == ""


def test_names_too_long_to_be_kept_are_recorded_all_the_same():
    long_name = "x" * 10_000
    assert asked([long_name, "aNummer"]) == "010110"


@given(questions, some_fields)
def test_the_order_and_number_of_the_fields_do_not_matter(question, fields):
    api, kind = question
    assert asked(fields, kind, api) == asked(reversed(fields), kind, api) == asked(fields * 2, kind, api)


@given(some_fields, some_fields)
def test_asking_more_never_records_less(fields, more):
    split = [set(filter(None, asked(names).split(", "))) for names in (fields, more, fields + more)]
    assert split[0] | split[1] == split[2]


@given(st.sampled_from([*TYPES, "berichten"]), any_json)
def test_any_json_has_a_record_of_well_formed_rubrieken(api, body):
    record = record_of(read_question(api, body))
    for text in (record.zoek, record.gevraagd):
        rubrieken = text.split(", ") if text else []
        assert rubrieken == sorted(set(rubrieken))
        assert all(len(rubriek) == 6 for rubriek in rubrieken)


@given(st.sampled_from(sorted(FIELDS[PERSONEN, RAADPLEEG])), st.text(alphabet="abcXYZ", min_size=1, max_size=9))
def test_a_field_is_written_once_and_for_all(name, below):
    written = written_field(f"{name}.{below}")
    assert written_field(written) == written
    assert (written == name) == (name.rpartition(".")[2] in CODED_OR_DATED)
