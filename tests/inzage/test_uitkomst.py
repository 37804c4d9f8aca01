"""What a citizen is told: to which organ or derde, when, which data in words, on which ground; never which employee."""

import io
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pypdf
import pytest

from tenants.inzage.rapport import GEEN_RUBRIEK, MEDEDELING, ONBEKENDE_GEGEVENS, VINDBAAR
from tests.admin.conftest import Api
from tests.inzage.asking import everything, file, identified, outcome, take, text_of, told
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, USER, Message, Register
from tests.worlds import World


async def test_it_tells_to_whom_when_which_data_in_words_and_on_which_ground(
    api: Api, world: World, register: Register
):
    await register.call(world, ANNA, rubrieken="010120, 010240, 081110, PANM03")
    found = await told(api, await identified(api))
    (regel,) = found["regels"]
    assert regel["ontvanger"] == "College van burgemeester en wethouders"
    assert regel["organisatie"] == f"Gemeente {world.afnemer_id}"
    assert regel["grondslag"] == "art. 3.5 Wet BRP"
    assert regel["doelbinding"] == "Uitvoering Participatiewet"
    assert regel["gegevens"] == [
        "persoon: burgerservicenummer, geslachtsnaam, aanhef voor een brief",
        "verblijfplaats: straatnaam",
    ]
    assert regel["gezochtOp"] == ["persoon: burgerservicenummer"]
    assert abs((datetime.fromisoformat(regel["op"]) - datetime.now(UTC)).total_seconds()) < 60
    assert (found["wet"], found["voor"], regel["uitkomst"]) == ("wet-brp-3.22", "betrokkene", "verstrekt")
    assert found["mededelingen"] == [MEDEDELING, VINDBAAR]


async def test_no_form_names_an_employee_a_number_or_another_person(api: Api, world: World, register: Register):
    await register.call(world, ANNA, BRAM, rubrieken="010120, 010240")
    await register.call(world, BRAM)
    forms = await everything(api, await identified(api))
    assert len(forms) == 3
    for form, text in forms.items():
        assert "geslachtsnaam" in text, form
        assert [
            known for known in (USER, BRAM, ANNA, "010120", "010240", "Burgerzaken 990001") if known in text
        ] == [], form


async def test_there_is_no_letter_for_the_officer(api: Api):
    number = await identified(api)
    refused = await outcome(api, number, "pdf", voor="functionaris")
    assert refused.status == 400
    assert (await outcome(api, number, "pdf", brief=None)).status == 400


async def test_a_call_without_closing_is_told_as_unknown_when_its_question_names_the_person(
    api: Api, world: World, register: Register
):
    await register.call(world, ANNA, outcome=None)
    await register.call(world, BRAM, outcome=None)
    found = await told(api, await identified(api))
    assert [one["uitkomst"] for one in found["regels"]] == ["uitkomst_onbekend"]
    assert found["onbekend"] == 0
    text = text_of(await file(api, await identified(api), "pdf"))
    assert "of daarop gegevens zijn verstrekt, is door een storing niet bekend" in text


async def test_an_open_call_that_names_nobody_is_counted_because_it_may_be_about_anyone(
    api: Api, world: World, register: Register
):
    asked = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    await register.call(world, outcome=None, question=asked)
    number = await identified(api)
    found = await told(api, number)
    assert (found["regels"], found["onbekend"]) == ([], 1)
    assert "Van één vraag in deze periode" in text_of(await file(api, number, "pdf"))


@pytest.mark.parametrize("ending", [{"outcome": "niet_beantwoord"}, {"withheld": [ANNA]}], ids=["lost", "withheld"])
async def test_what_came_in_and_was_not_passed_on_is_not_told_as_disclosed(
    api: Api, world: World, register: Register, ending: dict[str, Any]
):
    await register.call(world, *([] if "withheld" in ending else [ANNA]), **ending)
    number = await identified(api)
    assert [one["uitkomst"] for one in (await told(api, number))["regels"]] == ["niet_doorgegeven"]
    text = text_of(await file(api, number, "pdf"))
    assert "Dit overzicht bevat geen verstrekkingen." in text
    assert "Opgehaald, maar niet verstrekt" in text


async def test_a_number_that_was_asked_for_the_register_alone_is_not_told_as_disclosed(
    api: Api, world: World, register: Register
):
    await register.call(world, ANNA, rubrieken="010120, 010240", withheld_fields=["burgerservicenummer"])
    (regel,) = (await told(api, await identified(api)))["regels"]
    assert (regel["uitkomst"], regel["gegevens"]) == ("verstrekt", ["persoon: geslachtsnaam"])


async def test_a_refused_attempt_disclosed_nothing_and_is_not_told(api: Api, world: World, register: Register):
    await register.call(world, ANNA, refusal="nietToegestaan")
    assert (await told(api, await identified(api)))["regels"] == []


async def test_of_a_message_is_told_what_it_says_about_this_person(api: Api, world: World, register: Register):
    await register.call(
        world,
        messages=[
            Message("m1", a_nummers=[A_NUMMER], rubrieken=["080910", "081110"]),
            Message("m2", bsns=[BRAM], rubrieken=["060810"]),
            Message("m3", bsns=[ANNA], rubrieken=["010240"]),
        ],
    )
    (regel,) = (await told(api, await identified(api)))["regels"]
    assert regel["bevraging"] == "bericht van de BRP"
    assert regel["gegevens"] == ["persoon: geslachtsnaam", "verblijfplaats: gemeente van inschrijving, straatnaam"]
    by_bsn_alone = {"naam": "Anna", "burgerservicenummer": ANNA}
    (regel,) = (await told(api, await identified(api, betrokkene=by_bsn_alone)))["regels"]
    assert regel["gegevens"] == ["persoon: geslachtsnaam"]


async def test_a_tenant_that_keeps_no_answers_tells_the_same(api: Api, world: World, register: Register):
    for whole in (True, False):
        await register.call(world, ANNA, whole=whole, rubrieken="010120, 060810")
        await register.call(world, whole=whole, messages=[Message("m", a_nummers=[A_NUMMER], rubrieken=["081110"])])
    regels = (await told(api, await identified(api)))["regels"]
    told_of = [[one[name] for name in ("uitkomst", "gegevens", "ontvanger", "bevraging")] for one in regels]
    assert told_of[:2] == told_of[2:]


async def test_what_cannot_be_told_any_more_is_told_as_such(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA, rubrieken="")
    await register.call(world, messages=[Message("m", bsns=[ANNA], rubrieken=["081110"])])
    await admin.execute(
        "UPDATE register.closing c SET sealed = '\\x00' FROM register.opening o WHERE o.id = c.id AND o.api = 'berichten'"
    )
    regels = (await told(api, await identified(api)))["regels"]
    assert [one["gegevens"] for one in regels] == [[GEEN_RUBRIEK], [ONBEKENDE_GEGEVENS]]


async def test_other_bodies_answer_by_the_avg(api: Api, admin: asyncpg.Connection, world: World, register: Register):
    await admin.execute(
        "UPDATE registry.tenant SET kind = 'overheidsorgaan', retention_years = 7 WHERE tenant_id = $1", world.tenant_id
    )
    await register.call(world, ANNA)
    number = await identified(api)
    assert (await told(api, number))["wet"] == "avg-15"
    text = text_of(await file(api, number, "pdf"))
    assert "artikel 15 van de Algemene verordening gegevensbescherming" in text
    assert "bewaren wij 7 jaar" in text
    assert "3.22" not in text


async def test_a_table_holds_no_formula(api: Api, world: World, register: Register, admin: asyncpg.Connection):
    await admin.execute("UPDATE registry.machtiging SET ontvanger = '=HYPERLINK(\"x\")'")
    version = await admin.fetchval("SELECT version FROM registry.machtiging WHERE tenant_id = $1", world.tenant_id)
    await register.call(world, ANNA, machtiging_version=version)
    lines = (await file(api, await identified(api), "csv")).decode("utf-8-sig").split("\r\n")
    assert lines[0].startswith("datum en tijd;uitkomst;organisatie;ontvanger;grondslag;doel")
    assert ';"\'=HYPERLINK(""x"")";' in lines[1]


async def test_a_doelbinding_is_told_in_the_tenants_own_words(api: Api, world: World, register: Register):
    await register.call(world, ANNA)
    words = {"doelbinding": "Uitvoering Participatiewet", "omschrijving": "Bijstand verlenen"}
    reply = await api.ask("POST", "/v1/doelbindingen", by="beheerder", json=words)
    assert (reply.status, reply.json["inBrief"]) == (200, "Bijstand verlenen")
    listed = (await api.ask("GET", "/v1/doelbindingen", by="auditor")).json["doelbindingen"]
    assert listed == [{**words, "inBrief": "Bijstand verlenen"}]
    for text in (await everything(api, await identified(api))).values():
        assert "Bijstand verlenen" in text


async def test_the_letter_is_for_people_who_read_by_ear_and_for_archives(api: Api, world: World, register: Register):
    await register.call(world, ANNA)
    acting = {"naam": "Petra de Wit", "adres": ["Kade 2", "5678 CD Testdam"], "hoedanigheid": "curator"}
    number = await identified(api, vertegenwoordiger=acting)
    await take(api, number, "bevoegdheid", wijze="Uittreksel curateleregister", door="K. Bakker")
    made = await file(api, number, "pdf")
    document = pypdf.PdfReader(io.BytesIO(made))
    root = cast("dict[str, Any]", document.root_object)
    assert root["/Lang"] == "nl-NL"
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a boolean of the format
    assert "/StructTreeRoot" in root
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert document.metadata is not None
    assert document.metadata.title == "Overzicht van verstrekkingen uit de BRP"
    text = text_of(made)
    for said in (
        f"Kenmerk: INZ-{number}",
        "Petra de Wit Kade 2 5678 CD Testdam",
        "Geachte Petra de Wit,",
        "over Anna Şahin-Łukasz, namens wie u als curator optreedt",
        "artikel 3.22 van de Wet basisregistratie personen",
        "Er zijn één keer gegevens verstrekt, aan één ontvanger.",
        "Autoriteit Persoonsgegevens",
        "De functionaris",
    ):
        assert said in text, said


async def test_nothing_in_a_letter_is_read_as_an_instruction_to_set_it(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    name = '#read("/etc/hostname") *x* @y <z> \\ $1+1$ ]#('
    await admin.execute("UPDATE registry.machtiging SET ontvanger = $1", name)
    version = await admin.fetchval("SELECT version FROM registry.machtiging WHERE tenant_id = $1", world.tenant_id)
    await register.call(world, ANNA, machtiging_version=version)
    assert " ".join(name.split()) in text_of(await file(api, await identified(api), "pdf"))


async def test_a_letter_about_thousands_of_calls_is_still_set(api: Api, world: World, register: Register):
    for _ in range(7):
        await register.call(world, ANNA)
    text = text_of(await file(api, await identified(api), "pdf"))
    assert "7 keer tussen" in text
