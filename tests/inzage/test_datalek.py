"""Every person that a breach reached, how sure that is, and what cannot be told."""

from typing import Any

import asyncpg
import pytest

from tests.admin.conftest import Api
from tests.inzage.asking import check
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, CEES, Message, Register
from tests.worlds import World


async def test_a_breach_is_counted_before_anything_is_opened(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA, BRAM, user="misbruik", unidentified=2)
    await register.call(world, ANNA, user="misbruik", outcome=None)
    await register.call(world, CEES, user="ander")
    found = (await check(api, "/v1/datalekrapporten", gebruiker="misbruik")).json
    told = ("vorm", "bevragingen", "personen", "zonderNummer", "zonderAfsluiting", "bereikt")
    assert [found[name] for name in told] == ["aantal", 2, 2, 2, 1, None]
    row = await admin.fetchrow("SELECT contents, users, criteria FROM register.reading")
    assert (row["contents"], len(row["users"])) == (False, 1)
    assert "misbruik" not in str(dict(row))


async def test_a_breach_tells_every_person_reached_and_how_sure_that_is(api: Api, world: World, register: Register):
    await register.call(world, ANNA, user="misbruik", rubrieken="010240")
    await register.call(world, ANNA, user="misbruik", rubrieken="060810")
    await register.call(world, withheld=[BRAM], user="misbruik")
    await register.call(world, CEES, user="misbruik", outcome=None)
    await register.call(world, messages=[Message("m", a_nummers=[A_NUMMER], rubrieken=["081110"])], user="misbruik")
    await register.call(world, "999990044", user="ander")
    found = (await check(api, "/v1/datalekrapporten", gebruiker="misbruik", vorm="json")).json
    told = {
        one["burgerservicenummer"] or one["aNummer"]: (
            one["verstrekt"],
            one["alleenOpgehaald"],
            one["mogelijkVerstrekt"],
        )
        for one in found["bereikt"]
    }
    assert told == {ANNA: (2, 0, 0), BRAM: (0, 1, 0), CEES: (0, 0, 1), A_NUMMER: (1, 0, 0)}
    (anna,) = (one for one in found["bereikt"] if one["burgerservicenummer"] == ANNA)
    assert anna["gegevens"] == ["persoon: geslachtsnaam", "overlijden: datum van overlijden"]
    assert (found["bevragingen"], found["personen"], found["zonderAfsluiting"]) == (5, 4, 1)


@pytest.mark.parametrize("by", ["taaksysteem", "certificaat"])
async def test_a_breach_of_a_taaksysteem_or_certificate_reaches_all_its_calls_and_no_others(
    api: Api, world: World, other: World, register: Register, by: str
):
    await register.call(world, ANNA)
    await register.call(world, BRAM, whole=False)
    await register.call(other, CEES)
    which: Any = {
        "taaksysteem": {"tenantId": world.tenant_id, "taaksysteemId": world.taaksysteem_id},
        "certificaat": world.fingerprint.hex(),
    }[by]
    csv = (await check(api, "/v1/datalekrapporten", vorm="csv", **{by: which})).text
    assert [line.split(";")[0] for line in csv.split("\r\n")[1:3]] == [ANNA, BRAM]
    assert csv.split("\r\n")[3] == "Bevragingen in totaal;2"
    theirs = (await check(api, "/v1/datalekrapporten", by="other-auditor", vorm="json", **{by: which})).json
    assert (theirs["bevragingen"], theirs["bereikt"]) == (0, [])


async def test_a_breach_counts_what_cannot_be_opened_any_more(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    await admin.execute("UPDATE register.closing SET sealed = '\\x00'")
    system = {"tenantId": world.tenant_id, "taaksysteemId": world.taaksysteem_id}
    found = (await check(api, "/v1/datalekrapporten", vorm="json", taaksysteem=system)).json
    assert (found["bevragingen"], found["nietTeOpenen"], found["bereikt"]) == (1, 1, [])


async def test_a_breach_counts_and_names_whom_a_question_was_about_that_was_sent_and_not_answered(
    api: Api, world: World, register: Register
):
    await register.unanswered(world, ANNA)
    await register.call(world, BRAM, outcome=None)
    await register.unanswered(
        world, question={"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    )
    await register.call(world, CEES, refusal="nietToegestaan")
    system = {"tenantId": world.tenant_id, "taaksysteemId": world.taaksysteem_id}
    counted = (await check(api, "/v1/datalekrapporten", taaksysteem=system)).json
    told = ("bevragingen", "zonderAfsluiting", "uitkomstOnbekend", "onbekendOverWie")
    assert [counted[name] for name in told] == [4, 1, 3, None]
    found = (await check(api, "/v1/datalekrapporten", taaksysteem=system, vorm="json")).json
    assert [found[name] for name in told] == [4, 1, 3, 1]
    assert {one["burgerservicenummer"]: one["mogelijkVerstrekt"] for one in found["bereikt"]} == {ANNA: 1, BRAM: 1}


async def test_the_table_of_a_breach_says_what_could_not_be_told_of_whom(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA, unidentified=3)
    damaged = await register.call(world, BRAM)
    await register.call(world, CEES, outcome=None)
    await register.unanswered(
        world, question={"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    )
    await admin.execute("UPDATE register.closing SET sealed = '\\x00' WHERE id = $1", damaged)
    system = {"tenantId": world.tenant_id, "taaksysteemId": world.taaksysteem_id}
    csv = (await check(api, "/v1/datalekrapporten", vorm="csv", taaksysteem=system)).text
    figures = dict(line.split(";") for line in csv.split("\r\n")[1:-1] if line.count(";") == 1)
    assert list(figures.values()) == ["4", "3", "2", "1", "1", "1", "geen"]


async def test_a_breach_of_nothing_in_particular_is_refused(api: Api):
    assert (await check(api, "/v1/datalekrapporten")).status == 400
