"""What is not in an outcome: refused inzage, without a trace of it, and what is unknown or destroyed, in every form."""

import json

import asyncpg

from tenants.inzage.rapport import MEDEDELING, VINDBAAR
from tests.admin.conftest import Api
from tests.inzage.asking import everything, file, identified, told
from tests.inzage.regels import ANNA, ARTICLE, Register
from tests.worlds import World

FORMS = ("json", "csv", "pdf")


async def test_refused_inzage_is_left_out_for_the_person_and_shown_to_the_officer_as_such(
    api: Api, world: World, register: Register, refused: int
):
    open_call = await register.call(world, ANNA, machtiging_version=refused, rubrieken="060810")
    number = await identified(api)
    for form, text in (await everything(api, number)).items():
        assert "overlijden" not in text, form
        assert ARTICLE not in text, form
        assert str(open_call) not in text, form
    assert (await told(api, number))["regels"] == []
    (regel,) = (await told(api, number, voor="functionaris"))["regels"]
    assert (regel["inzageGeweigerd"], regel["protocolregel"]) == (ARTICLE, str(open_call))
    csv = (await file(api, number, "csv", voor="functionaris")).decode("utf-8-sig")
    assert ARTICLE in csv
    assert str(open_call) in csv


async def test_what_was_disclosed_before_inzage_was_refused_is_told(
    api: Api, world: World, register: Register, refused: int, admin: asyncpg.Connection
):
    await register.call(world, ANNA, machtiging_version=refused)
    await admin.execute("UPDATE register.opening SET machtiging_version = $1", refused - 1)
    assert len((await told(api, await identified(api)))["regels"]) == 1


async def test_every_letter_has_the_same_neutral_sentence_whether_anything_was_left_out_or_not(
    api: Api, world: World, register: Register, refused: int
):
    without = await everything(api, await identified(api))
    await register.call(world, ANNA, machtiging_version=refused)
    with_refused = await everything(api, await identified(api))
    for form in FORMS:
        assert MEDEDELING in without[form]
        assert MEDEDELING in with_refused[form]
    # But for its number and its moment a letter that leaves something out is the letter that has nothing to leave out.
    assert with_refused["pdf"].replace("INZ-2", "INZ-1") == without["pdf"]


async def test_nor_does_a_refused_call_of_unknown_outcome_change_a_word_of_what_the_person_reads(
    api: Api, world: World, register: Register, refused: int, admin: asyncpg.Connection
):
    asked = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    before = await register.call(world, outcome=None, question=asked, machtiging_version=refused)
    await admin.execute("UPDATE register.opening SET machtiging_version = $2 WHERE id = $1", before, refused - 1)
    without = await everything(api, await identified(api))
    # Of refused machtigingen: a call without closing and one without an answer that name nobody, and one of each that name her.
    await register.call(world, outcome=None, question=asked, machtiging_version=refused)
    await register.unanswered(world, question=asked, machtiging_version=refused)
    await register.call(world, ANNA, outcome=None, machtiging_version=refused)
    await register.unanswered(world, ANNA, machtiging_version=refused)
    number = await identified(api)
    with_refused = await everything(api, number)
    assert "Van één vraag in deze periode" in without["pdf"]
    assert with_refused["pdf"].replace("INZ-2", "INZ-1") == without["pdf"]
    assert with_refused["csv"] == without["csv"]
    plain, more = (json.loads(one["json"]) for one in (without, with_refused))
    moments = ("gemaaktOp", "kenmerk")
    assert {name: value for name, value in more.items() if name not in moments} == {
        name: value for name, value in plain.items() if name not in moments
    }
    officer = await told(api, number, voor="functionaris")
    assert (officer["onbekend"], [one["uitkomst"] for one in officer["regels"]]) == (3, ["uitkomst_onbekend"] * 2)
    # Who must be told of a correction is told of those too.
    question = {"burgerservicenummer": ANNA, "rubrieken": ["010240"], "reden": "Correctie 7"}
    assert (await api.ask("POST", "/v1/correctielijsten", by="auditor", json=question)).json["onbekend"] == 3


async def test_every_form_says_what_is_not_in_it_in_the_same_sentences(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    asked = {"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    await register.call(world, outcome=None, question=asked)
    number = await identified(api)
    await admin.execute(
        "INSERT INTO registry.tenant_key (tenant_id, year, public_key, destroyed_at) "
        "SELECT tenant_id, 2021, public_key, now() FROM registry.tenant_key WHERE tenant_id = $1 LIMIT 1",
        world.tenant_id,
    )
    forms = await everything(api, number)
    sentences = (
        MEDEDELING,
        VINDBAAR,
        "De vastlegging over 2021 is na afloop van de bewaartermijn vernietigd.",
        "Van één vraag in deze periode is door een storing niet bekend of er gegevens zijn verstrekt",
    )
    for form in ("csv", "pdf"):
        for sentence in sentences:
            assert sentence in forms[form], (form, sentence)
    found = json.loads(forms["json"])
    assert (found["mededelingen"], found["vernietigdeJaren"], found["onbekend"]) == ([MEDEDELING, VINDBAAR], [2021], 1)
    question = {"burgerservicenummer": ANNA, "rubrieken": ["010240"], "reden": "Correctie 7", "vorm": "csv"}
    csv = (await api.ask("POST", "/v1/correctielijsten", by="auditor", json=question)).text
    assert csv.split("\r\n")[-3:-1] == [
        "Bevragingen waarvan de uitkomst onbekend is en die niemand noemen;1",
        "Jaren waarvan de vastlegging vernietigd is;2021",
    ]
