"""What an auditor checks: samples with a verdict per call, unusual use, and every person that a breach reached."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tenants.inzage.gebruik import Dag, Gebruiker, Werktijd, outliers, outside_hours
from tests.admin.conftest import Api
from tests.inzage.asking import check
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, CEES, Message, Register
from tests.worlds import World

ALWAYS = {"van": "00:00", "tot": "23:59:59.999999", "dagen": [1, 2, 3, 4, 5, 6, 7]}


async def test_a_sample_has_as_many_calls_as_asked_and_says_from_how_many(api: Api, world: World, register: Register):
    calls = {str(await register.call(world, ANNA)) for _ in range(6)}
    await register.call(world, refusal="nietToegestaan")
    made = await check(api, "/v1/steekproeven", aantal=4)
    assert made.status == 201
    assert (made.json["omvang"], len(made.json["protocolregels"]), made.json["teBeoordelen"]) == (6, 4, 4)
    assert set(made.json["protocolregels"]) < calls
    whole = (await check(api, "/v1/steekproeven", aantal=200)).json
    assert set(whole["protocolregels"]) == calls


async def test_every_call_has_the_same_chance(api: Api, world: World, register: Register):
    calls = [str(await register.call(world, ANNA)) for _ in range(4)]
    drawn: Counter[str] = Counter()
    for _ in range(40):
        drawn.update((await check(api, "/v1/steekproeven", aantal=1)).json["protocolregels"])
    # A fair draw leaves one of four out of forty with a chance of one in a hundred thousand.
    assert set(drawn) == set(calls)
    assert max(drawn.values()) < 30


async def test_a_sample_is_judged_call_by_call_and_a_verdict_stays(api: Api, world: World, register: Register):
    for _ in range(2):
        await register.call(world, ANNA)
    sample = (await check(api, "/v1/steekproeven", aantal=2)).json
    path = f"/v1/steekproeven/{sample['nummer']}"
    seen = await api.ask("POST", f"{path}/lezingen", by="auditor", json={"reden": "Beoordelen"})
    assert [one["inhoud"]["opening"]["user"] for one in seen.json["protocolregels"]] == ["j.jansen"] * 2
    first, second = sample["protocolregels"]
    for body in (
        {"protocolregel": first, "oordeel": "nee", "toelichting": "Geen zaak gevonden"},
        {"protocolregel": second, "oordeel": "ja"},
        {"protocolregel": first, "oordeel": "ja", "toelichting": "Zaak 12 gevonden"},
    ):
        assert (await api.ask("POST", f"{path}/oordelen", by="auditor", json=body)).status == 201
    found = (await api.ask("GET", path, by="auditor")).json
    assert (found["teBeoordelen"], found["uitslag"]) == (0, {"ja": 2})
    assert [one["oordeel"] for one in found["beoordelingen"]] == ["nee", "ja", "ja"]
    unexplained = {"protocolregel": first, "oordeel": "nee"}
    assert (await api.ask("POST", f"{path}/oordelen", by="auditor", json=unexplained)).status == 400
    unknown = {"protocolregel": str(UUID(int=1)), "oordeel": "ja"}
    assert (await api.ask("POST", f"{path}/oordelen", by="auditor", json=unknown)).status == 404
    for other in (path, f"{path}/lezingen", f"{path}/oordelen"):
        options = {} if other == path else {"json": unknown if "oordelen" in other else {"reden": "x"}}
        asked = await api.ask("GET" if other == path else "POST", other, by="other-auditor", **options)
        assert asked.status == 404


async def test_drawing_and_reading_a_sample_are_recorded(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    number = (await check(api, "/v1/steekproeven", aantal=1)).json["nummer"]
    await api.ask("POST", f"/v1/steekproeven/{number}/lezingen", by="auditor", json={"reden": "Beoordelen"})
    rows = await admin.fetch("SELECT kind, reason, contents FROM register.reading ORDER BY number")
    assert [tuple(row) for row in rows] == [("steekproef", "Controle 3", False), ("steekproef", "Beoordelen", True)]


@pytest.mark.parametrize("path", ["/v1/steekproeven", "/v1/gebruiksrapporten"])
async def test_a_period_without_end_is_refused(api: Api, path: str):
    whole = {"van": "2020-01-01T00:00:00Z", "tot": "2026-01-01T00:00:00Z"}
    extra: dict[str, Any] = {"aantal": 1} if path.endswith("proeven") else {}
    assert (await check(api, path, periode=whole, **extra)).status == 400


async def test_a_sample_of_nothing_is_refused(api: Api):
    refused = await check(api, "/v1/steekproeven", aantal=1)
    assert (refused.status, refused.json["code"]) == (409, "geenBevragingen")


async def test_who_asked_about_colleagues_and_public_figures_is_told_by_name(
    api: Api, world: World, register: Register
):
    for _ in range(3):
        last = await register.call(world, ANNA, user="nieuwsgierig")
    await register.call(world, BRAM, CEES, user="k.bakker")
    found = (await check(api, "/v1/gebruiksrapporten", collegas=[ANNA], publiekeFiguren=[BRAM])).json
    told = [
        (one["lijst"], one["burgerservicenummer"], one["door"]["gebruiker"], one["aantal"])
        for one in found["geraadpleegd"]
    ]
    assert told == [("collegas", ANNA, "nieuwsgierig", 3), ("publiekeFiguren", BRAM, "k.bakker", 1)]
    assert found["geraadpleegd"][0]["protocolregels"][0] == str(last)
    assert found["aantallen"]["geraadpleegd"] == 2


async def test_use_outside_working_time_is_told_and_within_it_not(api: Api, world: World, register: Register):
    for _ in range(2):
        await register.call(world, ANNA, user="nachtuil")
    now = datetime.now(UTC)
    never = {"van": "00:00", "tot": "00:00:01", "dagen": [(now.isoweekday() + 2) % 7 + 1]}
    (one,) = (await check(api, "/v1/gebruiksrapporten", werktijd=never)).json["buitenWerktijd"]
    assert (one["door"]["gebruiker"], one["aantal"], one["vanTotaal"], one["dagen"]) == ("nachtuil", 2, 2, 1)
    assert (await check(api, "/v1/gebruiksrapporten", werktijd=ALWAYS)).json["buitenWerktijd"] == []
    assert (await check(api, "/v1/gebruiksrapporten", werktijd={"van": "19:00", "tot": "07:00"})).status == 400
    for zoned in ({"van": "07:00:00Z"}, {"tot": "19:00:00+01:00"}, {"van": "07:00:00Z", "tot": "19:00:00Z"}):
        assert (await check(api, "/v1/gebruiksrapporten", werktijd=zoned)).status == 400


async def test_a_person_about_whom_many_users_asked_is_told(api: Api, world: World, register: Register):
    for user in ("een", "twee", "drie"):
        await register.call(world, ANNA, user=user)
        await register.call(world, BRAM, user="een")
    await register.call(world, withheld=[CEES], user="een")
    found = (await check(api, "/v1/gebruiksrapporten", gebruikersPerPersoon=3)).json
    assert found["doorVelen"] == [{"persoon": ANNA, "gebruikers": 3, "aantal": 3}]


async def test_a_day_with_far_more_calls_than_usual_stands_out(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    calls = [await register.call(world, ANNA, user="druk") for _ in range(8)]
    # Two calls on an earlier day of this year make its usual day.
    earlier = datetime.now(UTC) - timedelta(days=3)
    await admin.execute("UPDATE register.opening SET opened_at = $2 WHERE id = ANY ($1)", calls[:2], earlier)
    found = (await check(api, "/v1/gebruiksrapporten", volumeFactor=1.5, volumeVanaf=6)).json
    told = [(one["door"]["gebruiker"], one["aantal"], one["mediaan"]) for one in found["uitschieters"]]
    assert told == [("druk", 6, 4.0), (None, 6, 4.0)]
    assert len(found["uitschieters"][0]["protocolregels"]) == 3


def test_the_usual_day_is_the_median_of_the_days_on_which_there_was_use():
    who = Gebruiker((1, 1), UUID(int=1))
    days = [Dag(who, date(2026, 3, day), calls, 0) for day, calls in ((2, 10), (3, 12), (4, 11), (5, 60))]
    (of_user, of_system) = outliers(days, factor=5, least=50)
    assert (of_user.day, of_user.calls, of_user.median) == (date(2026, 3, 5), 60, 11.5)
    assert (of_system.gebruiker, of_system.taaksysteem) == (None, (1, 1))
    assert outliers(days, factor=6, least=50) == ()
    assert outliers(days, factor=5, least=61) == ()
    assert outliers(days[-1:], factor=1.5, least=1) == ()


def test_users_whom_a_taaksysteem_does_not_name_are_not_taken_for_one_busy_user():
    nobody = Gebruiker((1, 1), None)
    days = [Dag(nobody, date(2026, 3, day), calls, 1) for day, calls in ((2, 10), (3, 90))]
    assert [one.gebruiker for one in outliers(days, factor=1.5, least=50)] == [None]
    assert [one.outside for one in outside_hours(days, least=1)] == [2]


async def test_working_time_is_that_of_the_netherlands(api: Api, world: World, register: Register, admin):
    call = await register.call(world, ANNA)
    # Half past seven in the evening of a winter's Monday in Amsterdam is half past six in UTC.
    monday = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)
    await admin.execute("UPDATE register.opening SET opened_at = $2 WHERE id = $1", call, monday)
    within = {"van": "19:00", "tot": "20:00", "dagen": [1]}
    assert (await check(api, "/v1/gebruiksrapporten", werktijd=within)).json["buitenWerktijd"] == []
    before = {"van": "18:00", "tot": "19:00", "dagen": [1]}
    assert len((await check(api, "/v1/gebruiksrapporten", werktijd=before)).json["buitenWerktijd"]) == 1
    assert Werktijd().begin == time(7)


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
