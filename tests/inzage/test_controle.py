"""What an auditor checks: samples with a verdict per call, and unusual use."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tenants.finding import moment_of
from tenants.inzage.gebruik import Dag, Gebruiker, Werktijd, outliers, outside_hours
from tenants.inzage.gebruik_rows import asked_by_many, begin, persons_of
from tenants.inzage.steekproeven import draw, read_steekproef
from tests.admin.conftest import Api
from tests.inzage.archive import Archive, Call, at, spread
from tests.inzage.asking import check
from tests.inzage.regels import A_NUMMER, ANNA, BRAM, CEES, Message, Register
from tests.worlds import Keyrings, World

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


async def test_how_many_there_are_is_counted_beyond_those_that_are_told(
    api: Api, world: World, register: Register, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tenants.inzage.gebruik_rows._MANY_SHOWN", 2)
    for bsn in (ANNA, BRAM, CEES):
        for user in ("een", "twee"):
            await register.call(world, bsn, user=user)
    found = (await check(api, "/v1/gebruiksrapporten", gebruikersPerPersoon=2)).json
    assert (len(found["doorVelen"]), found["aantallen"]["doorVelen"]) == (2, 3)


async def test_users_of_different_months_count_together(
    archive: Archive, reader: asyncpg.Connection, keyrings: Keyrings
):
    """Each month has too few of them, and two days too few calls for a month to tell."""
    await archive.years([2024])
    random = Random(1)
    users = [UUID(int=number) for number in range(1, 6)]
    calls = []
    for bsn, months in ((ANNA, (4, 4, 5, 6, 6)), (BRAM, (4, 4, 5, 5, 5)), (CEES, (4, 5, 6))):
        for user, month in zip(users, months, strict=False):
            moment = datetime(2024, month, 20, 9, tzinfo=UTC)
            calls.append(Call(at(moment, random), moment, [bsn], user))
    # The same user again, in another month, is no other user.
    moment = datetime(2024, 6, 21, 9, tzinfo=UTC)
    calls += [Call(at(moment, random), moment, [CEES], one) for one in users[:3]]
    await archive.fill(calls)
    period = (datetime(2024, 4, 15, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC))
    made = await begin(
        reader, keyrings.register, archive.world.tenant_id, [], period, actor="auditor/1", reason="Controle"
    )
    found, count = await asked_by_many(made, 5)
    told = {name: (one.users, one.calls) for one in found for name in [(await persons_of(made, [one]))[one.person]]}
    assert (told, count) == ({ANNA: (5, 5), BRAM: (5, 5)}, 2)
    assert (await asked_by_many(made, 6))[1] == 0
    assert (await asked_by_many(made, 3))[1] == 3


async def test_a_list_may_name_somebody_by_a_nummer(api: Api, world: World, register: Register):
    call = await register.call(world, messages=[Message("m", a_nummers=[A_NUMMER])], user="nieuwsgierig")
    (told,) = (await check(api, "/v1/gebruiksrapporten", publiekeFiguren=[A_NUMMER])).json["geraadpleegd"]
    assert (told["burgerservicenummer"], told["aNummer"], told["protocolregels"]) == (None, A_NUMMER, [str(call)])
    assert (await check(api, "/v1/gebruiksrapporten", publiekeFiguren=["12345678"])).status == 400


async def test_who_asked_in_vain_about_somebody_of_a_list_is_told_too(
    api: Api, world: World, register: Register, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tenants.inzage.pogingen._PAGE", 2)
    for _ in range(3):
        refused = await register.call(world, ANNA, user="nieuwsgierig", refusal="nietToegestaan")
    await register.unanswered(world, BRAM)
    await register.call(world, CEES, user="k.bakker", refusal="nietToegestaan")
    await register.call(world, ANNA, user="k.bakker")
    found = (await check(api, "/v1/gebruiksrapporten", collegas=[ANNA], publiekeFiguren=[BRAM])).json
    told = [
        (one["lijst"], one["burgerservicenummer"], one["door"]["gebruiker"], one["aantal"]) for one in found["pogingen"]
    ]
    assert told == [("collegas", ANNA, "nieuwsgierig", 3), ("publiekeFiguren", BRAM, "j.jansen", 1)]
    assert found["pogingen"][0]["protocolregels"][0] == str(refused)
    assert (found["aantallen"]["pogingen"], found["pogingenVanaf"]) == (2, found["periode"]["van"])
    assert [one["door"]["gebruiker"] for one in found["geraadpleegd"]] == ["k.bakker"]
    monkeypatch.setattr("tenants.inzage.pogingen.MOST", 2)
    cut = (await check(api, "/v1/gebruiksrapporten", collegas=[ANNA])).json
    assert cut["pogingenVanaf"] > cut["periode"]["van"]


async def test_a_sample_of_many_months_is_drawn_over_all_of_them(archive: Archive, reader: asyncpg.Connection):
    await archive.years([2023, 2024])
    first, last = datetime(2023, 9, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    await archive.fill(spread(600, first, last))
    number = await draw(reader, archive.world.tenant_id, (first, last), 200, actor="auditor/1", reason="Controle")
    sample = await read_steekproef(reader, archive.world.tenant_id, number, actor="auditor/1")
    assert (sample.population, len(set(sample.ids)), list(sample.ids)) == (600, 200, sorted(sample.ids))
    # Each month has a sixth; that one of them gets fewer than ten of two hundred has a chance below one in a million.
    months = Counter(moment_of(one).month for one in sample.ids)
    assert (set(months), min(months.values()) >= 10) == ({9, 10, 11, 12, 1, 2}, True)
    few = await draw(reader, archive.world.tenant_id, (first, last), 3, actor="auditor/1", reason="Controle")
    assert len((await read_steekproef(reader, archive.world.tenant_id, few, actor="auditor/1")).ids) == 3


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
