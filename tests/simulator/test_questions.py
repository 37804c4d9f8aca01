"""The simulator answers every question of the four APIs from its test persons, in the form of the APIs."""

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest

from gateway.simulator.faults import FaultKind, FaultRule
from tests.simulator.stage import GEMEENTE, HANNA, JORIS, PERSONEN, WATERSCHAP

BEWONING = "/lap/api/bewoning/bewoningen"
HISTORIE = "/lap/api/brp/verblijfplaatshistorie"
REISDOCUMENTEN = "/lap/api/brp/reisdocumenten"
KADE = "9101010000000001"
GERLOF, IDRIS, MIRTE, NOOR = "999943108", "999945506", "999942712", "999944307"


def raadpleeg(*numbers: str, fields: list[str]) -> dict[str, object]:
    return {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": list(numbers), "fields": fields}


async def test_a_person_is_given_with_the_asked_fields_only(gemeente):
    fields = ["burgerservicenummer", "naam.voornamen", "geboorte.datum", "partners.naam.geslachtsnaam"]
    status, answer = await gemeente.ask(raadpleeg(HANNA, fields=fields))
    assert status == 200
    assert answer == {
        "type": "RaadpleegMetBurgerservicenummer",
        "personen": [
            {
                "burgerservicenummer": HANNA,
                "naam": {"voornamen": "Hanna Willemijn"},
                "geboorte": {"datum": {"type": "Datum", "datum": "1979-03-14", "langFormaat": "14 maart 1979"}},
                "partners": [{"naam": {"geslachtsnaam": "Terwolde"}}],
            }
        ],
    }


async def test_dates_and_coded_values_are_given_whole(gemeente):
    _, answer = await gemeente.ask(raadpleeg(HANNA, fields=["geboorte.datum.jaar", "geslacht.code"]))
    person = answer["personen"][0]
    assert person["geboorte"]["datum"]["datum"] == "1979-03-14"
    assert person["geslacht"] == {"code": "V", "omschrijving": "vrouw"}


async def test_a_variant_says_its_type_without_being_asked(gemeente):
    _, answer = await gemeente.ask(raadpleeg(HANNA, fields=["verblijfplaats.verblijfadres.postcode"]))
    assert answer["personen"][0]["verblijfplaats"] == {"type": "Adres", "verblijfadres": {"postcode": "9911AB"}}


async def test_geheimhouding_and_opschorting_always_come(gemeente):
    _, answer = await gemeente.ask(raadpleeg(MIRTE, GERLOF, fields=["burgerservicenummer"]))
    mirte, gerlof = answer["personen"]
    assert mirte == {"burgerservicenummer": MIRTE, "geheimhoudingPersoonsgegevens": True}
    assert gerlof["opschortingBijhouding"]["reden"]["code"] == "O"


async def test_unknown_numbers_are_left_out_and_repeated_ones_come_once(gemeente):
    _, answer = await gemeente.ask(raadpleeg("999999999", JORIS, JORIS, fields=["burgerservicenummer"]))
    assert answer["personen"] == [{"burgerservicenummer": JORIS}]


async def test_incomplete_dates_have_a_form_of_their_own(gemeente):
    _, answer = await gemeente.ask(raadpleeg(NOOR, "999941902", fields=["geboorte.datum", "leeftijd"]))
    assert answer["personen"][0]["geboorte"]["datum"] == {
        "type": "DatumOnbekend", "onbekend": True, "langFormaat": "onbekend",
    }  # fmt: skip
    assert "leeftijd" not in answer["personen"][0]
    assert answer["personen"][1]["leeftijd"] == 15


async def test_custody_names_the_parents(gemeente):
    _, answer = await gemeente.ask(raadpleeg("999941902", fields=["gezag"]))
    (custody,) = answer["personen"][0]["gezag"]
    assert custody["type"] == "GezamenlijkOuderlijkGezag"
    assert [one["naam"]["volledigeNaam"] for one in custody["ouders"]] == [
        "Hanna Willemijn Zandstra",
        "Joris van Terwolde",
    ]


ALL_SEARCHES = [
    ({"type": "ZoekMetGeslachtsnaamEnGeboortedatum", "geslachtsnaam": "zandstra", "geboortedatum": "1979-03-14"}, {HANNA}),
    ({"type": "ZoekMetGeslachtsnaamEnGeboortedatum", "geslachtsnaam": "zan*", "geboortedatum": "1979-03-14", "geslacht": "M"}, set()),
    ({"type": "ZoekMetNaamEnGemeenteVanInschrijving", "geslachtsnaam": "Terwolde", "voornamen": "JORIS", "gemeenteVanInschrijving": "9101"}, {JORIS}),
    ({"type": "ZoekMetNaamEnGemeenteVanInschrijving", "geslachtsnaam": "Terwolde", "voornamen": "Joris", "voorvoegsel": "van", "gemeenteVanInschrijving": "9101"}, {JORIS}),
    ({"type": "ZoekMetNaamEnGemeenteVanInschrijving", "geslachtsnaam": "Terwolde", "voornamen": "Joris", "gemeenteVanInschrijving": "9102"}, set()),
    ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9911 ab", "huisnummer": 12}, {HANNA, JORIS, "999941902", "999942311"}),
    ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9912EF", "huisnummer": "43", "huisnummertoevoeging": "ii"}, {IDRIS}),
    ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9911AB", "huisnummer": 12, "geboortedatum": "1977-08-22"}, {JORIS}),
    ({"type": "ZoekMetStraatHuisnummerEnGemeenteVanInschrijving", "straat": "zilverz*", "huisnummer": 12, "gemeenteVanInschrijving": "9101"}, {HANNA, JORIS, "999941902", "999942311"}),
    ({"type": "ZoekMetNummeraanduidingIdentificatie", "nummeraanduidingIdentificatie": "9101200000000003"}, {IDRIS}),
    ({"type": "ZoekMetAdresseerbaarObjectIdentificatie", "adresseerbaarObjectIdentificatie": KADE}, {HANNA, JORIS, "999941902", "999942311"}),
]  # fmt: skip


@pytest.mark.parametrize(("question", "found"), ALL_SEARCHES)
async def test_every_search_finds_whom_it_should(gemeente, question, found):
    status, answer = await gemeente.ask(question | {"fields": ["burgerservicenummer"]})
    assert status == 200
    assert answer["type"] == question["type"]
    assert {one["burgerservicenummer"] for one in answer["personen"]} == found


async def test_a_search_shows_the_deceased_only_when_asked(gemeente):
    question = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9912EF", "huisnummer": 41, "fields": ["naam"]}
    assert (await gemeente.ask(question))[1]["personen"] == []
    _, answer = await gemeente.ask(question | {"inclusiefOverledenPersonen": True})
    assert answer["personen"][0]["naam"]["geslachtsnaam"] == "Zandstra"


async def test_a_search_shows_less_of_a_person_than_a_raadpleging(gemeente):
    question = {"type": "ZoekMetNummeraanduidingIdentificatie", "nummeraanduidingIdentificatie": "9101200000000003"}
    _, answer = await gemeente.ask(question | {"fields": ["naam", "geboorte"]})
    (person,) = answer["personen"]
    assert set(person) == {"naam", "geboorte"}
    assert set(person["geboorte"]) == {"datum"}


async def test_too_many_results_are_refused(make_stage, tmp_path):
    place = {"straat": "Langeweg", "postcode": "9911AB", "huisnummer": "1"}
    many = [
        {"burgerservicenummer": f"{nr:09d}", "naam": {"geslachtsnaam": "Vis"}, "verblijfplaats": place}
        for nr in range(31)
    ]
    file = tmp_path / "personen.json"
    file.write_text(json.dumps(many))
    async with make_stage(personen_file=file) as stage:
        caller = await stage.caller(GEMEENTE)
        question = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9911AB", "huisnummer": 1, "fields": ["naam"]}
        status, problem = await caller.ask(question)
        assert (status, problem["code"]) == (400, "tooManyResults")
        assert "maximum van 30 " in problem["detail"]


async def test_bewoning_on_a_day_tells_who_lived_there(gemeente):
    question = {"type": "BewoningMetPeildatum", "adresseerbaarObjectIdentificatie": KADE, "peildatum": "2010-01-01"}
    status, answer = await gemeente.ask(question, BEWONING)
    (lived,) = answer["bewoningen"]
    assert status == 200
    assert lived["periode"] == {"datumVan": "2010-01-01", "datumTot": "2010-01-02"}
    assert {one["burgerservicenummer"] for one in lived["bewoners"]} == {HANNA, JORIS}
    assert lived["mogelijkeBewoners"] == []


async def test_bewoning_over_a_period_is_cut_where_the_inhabitants_change(gemeente):
    question = {"type": "BewoningMetPeriode", "adresseerbaarObjectIdentificatie": KADE}
    _, answer = await gemeente.ask(question | {"datumVan": "2011-01-01", "datumTot": "2012-01-01"}, BEWONING)
    assert [(one["periode"]["datumVan"], len(one["bewoners"])) for one in answer["bewoningen"]] == [
        ("2011-01-01", 2),
        ("2011-05-05", 3),
    ]


async def test_who_arrived_on_an_unknown_day_is_a_possible_inhabitant_of_that_year(gemeente):
    question = {"type": "BewoningMetPeildatum", "adresseerbaarObjectIdentificatie": "9102010000000011"}
    _, answer = await gemeente.ask(question | {"peildatum": "2005-07-01"}, BEWONING)
    (lived,) = answer["bewoningen"]
    assert [one["burgerservicenummer"] for one in lived["bewoners"]] == [HANNA]
    assert [one["burgerservicenummer"] for one in lived["mogelijkeBewoners"]] == [JORIS]


async def test_the_other_path_of_bewoning_works_too(gemeente):
    question = {"type": "BewoningMetPeildatum", "adresseerbaarObjectIdentificatie": KADE, "peildatum": "1990-01-01"}
    assert await gemeente.ask(question, "/lap/api/brp/bewoning/bewoningen") == (200, {"bewoningen": []})


async def test_verblijfplaatshistorie_gives_the_latest_stay_first(gemeente):
    question = {
        "type": "RaadpleegMetPeriode",
        "burgerservicenummer": HANNA,
        "datumVan": "1979-01-01",
        "datumTot": "2020-01-01",
    }
    status, answer = await gemeente.ask(question, HISTORIE)
    assert status == 200
    assert [one["verblijfadres"]["korteStraatnaam"] for one in answer["verblijfplaatsen"]] == [
        "Zilverzandkade",
        "Turfsingel",
        "Helmgrasweg",
    ]
    assert answer["verblijfplaatsen"][1]["datumTot"]["datum"] == "2009-06-01"


async def test_verblijfplaatshistorie_on_a_day_gives_the_stay_of_that_day(gemeente):
    question = {"type": "RaadpleegMetPeildatum", "burgerservicenummer": HANNA, "peildatum": "2005-01-01"}
    _, answer = await gemeente.ask(question, HISTORIE)
    (stay,) = answer["verblijfplaatsen"]
    assert (stay["type"], stay["verblijfadres"]["huisletter"]) == ("Adres", "A")


async def test_reisdocumenten_are_found_by_number_and_by_holder(gemeente):
    fields = ["reisdocumentnummer", "soort", "inhoudingOfVermissing", "houder.burgerservicenummer"]
    question = {"type": "RaadpleegMetReisdocumentnummer", "reisdocumentnummer": ["SIMNI0002"], "fields": fields}
    status, answer = await gemeente.ask(question, REISDOCUMENTEN)
    (document,) = answer["reisdocumenten"]
    assert status == 200
    assert document["soort"] == {"code": "NI", "omschrijving": "Nederlandse identiteitskaart"}
    assert document["inhoudingOfVermissing"]["aanduiding"]["omschrijving"] == "Vermist"
    assert document["houder"] == {"burgerservicenummer": HANNA}
    question = {"type": "ZoekMetBurgerservicenummer", "burgerservicenummer": HANNA, "fields": ["reisdocumentnummer"]}
    _, answer = await gemeente.ask(question, REISDOCUMENTEN)
    assert {one["reisdocumentnummer"] for one in answer["reisdocumenten"]} == {"SIMPN0001", "SIMNI0002"}


async def test_the_marks_on_a_holder_come_without_being_asked(gemeente):
    question = {"type": "ZoekMetBurgerservicenummer", "burgerservicenummer": MIRTE, "fields": ["reisdocumentnummer"]}
    _, answer = await gemeente.ask(question, REISDOCUMENTEN)
    assert answer["reisdocumenten"][0]["houder"] == {"geheimhoudingPersoonsgegevens": True}


@pytest.mark.parametrize(
    ("body", "name", "code"),
    [
        ({}, "type", "required"),
        ({"type": "Zoek"}, "type", "value"),
        ({"type": 3}, "type", "value"),
        ({"type": "RaadpleegMetBurgerservicenummer", "fields": ["naam"]}, "burgerservicenummer", "required"),
        ({"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": HANNA, "fields": ["naam"]}, "burgerservicenummer", "array"),
        ({"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": [HANNA]}, "fields", "required"),
        ({"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": [HANNA], "fields": []}, "fields", "minItems"),
        ({"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": [HANNA] * 21, "fields": ["naam"]}, "burgerservicenummer", "maxItems"),
        ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9911AB", "huisnummer": "x", "fields": ["naam"]}, "huisnummer", "integer"),
        ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "9911AB", "huisnummer": "9" * 5000, "fields": ["naam"]}, "huisnummer", "maximum"),
        ({"type": "ZoekMetPostcodeEnHuisnummer", "postcode": ["9911AB"], "huisnummer": 1, "fields": ["naam"]}, "postcode", "pattern"),
        ({"type": "ZoekMetGeslachtsnaamEnGeboortedatum", "geslachtsnaam": "Vis", "geboortedatum": "2024-W01-1", "fields": ["naam"]}, "geboortedatum", "date"),
    ],
)  # fmt: skip
async def test_a_faulty_question_gets_the_document_of_rvig(gemeente, body, name, code):
    status, problem = await gemeente.ask(body)
    assert (status, problem["code"]) == (400, "paramsValidation")
    assert (problem["invalidParams"][0]["name"], problem["invalidParams"][0]["code"]) == (name, code)
    assert problem["detail"] == f"De foutieve parameter(s) zijn: {name}."
    assert problem["instance"] == PERSONEN


@pytest.mark.parametrize("body", [b"", b"[]", b"nee", b'"tekst"', b"\xff", b'{"type":'])
async def test_a_body_that_is_no_json_object_is_refused(gemeente, body):
    headers = {"Authorization": f"Bearer {await gemeente.token()}", "Content-Type": "application/json"}
    async with gemeente.session.post(gemeente.base + PERSONEN, data=body, headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (problem["status"], problem["title"]) == (400, "De bevraging bevat een fout.")


QUESTION = raadpleeg(HANNA, fields=["burgerservicenummer"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/json, text/plain, */*"}, 406),
        ({"Accept": "application/xml"}, 406),
        ({"Accept": "*/*; charset=UTF-8"}, 200),
        ({"Accept": ""}, 200),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "*/*"}, 415),
        ({"Content_Type": "application/json;charset=Utf-8"}, 200),
    ],
)
async def test_media_types_are_compared_as_a_whole(gemeente, headers, status):
    got, problem = await gemeente.ask(QUESTION, **headers)
    assert got == status
    assert status == 200 or problem["code"] in {"notAcceptable", "unsupportedMediaType"}


async def test_the_checks_come_in_the_order_of_rvig(gemeente):
    wrong = {"Accept": "text/html", "Content-Type": "text/html"}
    url = f"{gemeente.base}/lap/api/brp/ingezetenen"
    right = {"Authorization": f"Bearer {await gemeente.token()}"}
    statuses = []
    for method, headers in (
        ("PUT", wrong),
        ("PUT", right | wrong),
        ("POST", right | wrong),
        ("POST", right | wrong | {"Accept": "*/*"}),
        ("POST", right | {"Content-Type": "application/json"}),
    ):
        async with gemeente.session.request(method, url, data=b"nee", headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [401, 405, 406, 415, 404]


async def test_only_the_last_part_of_a_path_names_the_api(gemeente):
    for path in ("/haalcentraal/api/brp/personen", "/lap/api/iets/anders/personen"):
        assert (await gemeente.ask(QUESTION, path))[0] == 200
    status, problem = await gemeente.ask(QUESTION, "/elders/personen")
    assert (status, problem["title"]) == (404, "Opgevraagde resource bestaat niet.")


async def test_new_consumers_get_the_new_gezag_answer_from_the_source_unless_they_ask_for_another(make_stage):
    async with make_stage(existing_gezag_oins=frozenset({WATERSCHAP.oin})) as stage:
        new, existing = await stage.caller(GEMEENTE), await stage.caller(WATERSCHAP)
        await new.ask(QUESTION)
        await new.ask(QUESTION, accept_gezag_version="1")
        await existing.ask(QUESTION)
        await existing.ask(QUESTION, accept_gezag_version="2")
        sent = [one.source_headers.get("accept-gezag-version") for one in stage.simulator.seen.api_calls()]
        assert sent == ["2", "1", None, "2"]
        assert "accept-gezag-version" not in stage.simulator.seen.api_calls()[0].headers


async def test_gzip_is_taken_and_given(gemeente):
    question = b'{"type":"RaadpleegMetBurgerservicenummer","burgerservicenummer":["999941112"],"fields":["naam","partners","kinderen","ouders","verblijfplaats","adressering"]}'
    headers = {"Authorization": f"Bearer {await gemeente.token()}", "Content-Type": "application/json"}
    headers |= {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    async with gemeente.session.post(gemeente.base + PERSONEN, data=gzip.compress(question), headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (await answer.json())["personen"][0]["naam"]["geslachtsnaam"] == "Zandstra"
    async with gemeente.session.post(gemeente.base + PERSONEN, data=b"geen gzip", headers=headers) as answer:
        assert answer.status == 400


async def test_the_answer_of_the_source_can_be_given_behind_the_checks(stage, gemeente):
    answer = b'{"type":"RaadpleegMetBurgerservicenummer","personen":[{"burgerservicenummer":"000000012"}]}'
    rule = FaultRule(
        FaultKind.SOURCE_ANSWER, status=200, body=answer, headers={"x-geleverde-pls": "1001", "api-version": "2.7"}
    )
    stage.simulator.faults.add(rule)
    headers = {"Authorization": f"Bearer {await gemeente.token()}"}
    async with gemeente.session.post(gemeente.base + PERSONEN, json=QUESTION, headers=headers) as got:
        assert await got.read() == answer
        assert got.headers["api-version"] == "2.7"
        assert "x-geleverde-pls" not in got.headers
    assert (await gemeente.ask(QUESTION, Accept="text/html"))[0] == 406


@pytest.mark.parametrize("status", [404, 500, 502])
async def test_failures_of_the_source_are_replaced_by_documents_of_rvig(stage, gemeente, status):
    stage.simulator.faults.add(FaultRule(FaultKind.SOURCE_ANSWER, status=status, body=b"geheim van de bron"))
    got, problem = await gemeente.ask(QUESTION)
    assert got == status
    assert problem["instance"] == PERSONEN
    assert "geheim" not in str(problem)


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "brp" / "mock-data"


@pytest.mark.skipif(not SHARED.exists(), reason="RvIG's published registers are not beside the project")
async def test_rvigs_published_registers_are_taken(make_stage):
    files = {
        "personen_file": SHARED / "personen.json.gz",
        "bewoning_file": SHARED / "bewoning.json",
        "reisdocumenten_file": SHARED / "reisdocumenten.json",
        "berichten_dir": SHARED / "berichten",
    }
    async with make_stage(**files) as stage:
        caller = await stage.caller(GEMEENTE)
        _, answer = await caller.ask(raadpleeg("999990639", fields=["naam", "verblijfplaats", "ouders", "gezag"]))
        assert answer["personen"][0]["naam"]["volledigeNaam"]
        question = {
            "type": "RaadpleegMetPeriode",
            "burgerservicenummer": "999990639",
            "datumVan": "1900-01-01",
            "datumTot": "2026-01-01",
        }
        assert (await caller.ask(question, HISTORIE))[1]["verblijfplaatsen"]
        assert len(list(stage.simulator.persons.records())) == 1176
        for record in stage.simulator.persons.records():
            numbers = [record["burgerservicenummer"]]
            assert stage.simulator.persons.answer(numbers[0], dt.date(2026, 1, 1))
        _, answer = await caller.berichten("GET", "")
        assert answer["paginering"]["totaalAantalBerichten"] == 65
