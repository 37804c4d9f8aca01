"""A request for inzage: who asks is established and sealed, the four weeks are counted, and every step stays on record."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.admin.conftest import Api
from tests.inzage.asking import NAAM, identified, now, outcome, record, request_of, take, today, told
from tests.inzage.regels import A_NUMMER, ANNA, Register
from tests.worlds import World

DAY = timedelta(days=1)


async def test_a_request_has_four_weeks_from_the_day_it_came_in(api: Api):
    received = today() - 3 * DAY
    reply = await api.ask(
        "POST", "/v1/inzageverzoeken", by="auditor", json=request_of(ontvangenOp=received.isoformat())
    )
    assert reply.status == 201
    assert reply.headers["Location"] == f"/v1/inzageverzoeken/{reply.json['nummer']}"
    told = ("ontvangenOp", "uiterlijkOp", "toestand", "teLaat", "wet", "vertegenwoordigd")
    due = (received + 28 * DAY).isoformat()
    assert [reply.json[name] for name in told] == [received.isoformat(), due, "open", False, "wet-brp-3.22", False]


async def test_a_request_of_which_the_term_is_over_is_shown_as_late_until_it_is_closed(api: Api):
    received = today() - 30 * DAY
    early = await record(api)
    late = await record(api, ontvangenOp=received.isoformat())
    listed = (await api.ask("GET", "/v1/inzageverzoeken?open=true", by="auditor")).json
    assert [(one["nummer"], one["teLaat"]) for one in listed["inzageverzoeken"]] == [(late, True), (early, False)]
    assert listed["teLaat"] == 1
    assert (await take(api, late, "ingetrokken")).status == 201
    listed = (await api.ask("GET", "/v1/inzageverzoeken", by="auditor")).json
    assert [(one["toestand"], one["teLaat"]) for one in listed["inzageverzoeken"]] == [
        ("open", False),
        ("ingetrokken", False),
    ]
    assert listed["teLaat"] == 0


async def test_what_is_due_first_comes_first_page_by_page_and_what_is_late_is_counted_over_all_pages(api: Api):
    ages = (3, 40, 10, 29, 28, 35)
    numbers = [await record(api, ontvangenOp=(today() - age * DAY).isoformat()) for age in ages]
    # Closed ones come last, the newest of them first.
    for closed in (0, 5):
        assert (await take(api, numbers[closed], "ingetrokken")).status == 201
    by_term = [numbers[one] for one in (1, 3, 4, 2)]
    seen: list[int] = []
    query = "aantal=2"
    while True:
        page = (await api.ask("GET", f"/v1/inzageverzoeken?{query}", by="auditor")).json
        seen += [one["nummer"] for one in page["inzageverzoeken"]]
        assert page["teLaat"] == 2
        if page["volgende"] is None:
            break
        query = f"aantal=2&voor={page['volgende']}"
    assert seen == [*by_term, numbers[5], numbers[0]]
    only = (await api.ask("GET", "/v1/inzageverzoeken?open=true&aantal=1", by="auditor")).json
    assert (only["teLaat"], only["volgende"]) == (2, numbers[1])
    rest = (await api.ask("GET", f"/v1/inzageverzoeken?open=true&voor={numbers[1]}", by="auditor")).json
    assert [one["nummer"] for one in rest["inzageverzoeken"]] == by_term[1:]


async def test_an_officers_own_look_is_nothing_that_can_have_been_sent(api: Api, world: World, register: Register):
    await register.call(world, ANNA)
    number = await identified(api)
    await told(api, number, voor="functionaris")
    refused = await take(api, number, "verzonden")
    assert (refused.status, refused.json["code"]) == (409, "geenUitkomst")
    await told(api, number, voor="betrokkene")
    assert (await take(api, number, "verzonden")).status == 201


async def test_a_request_that_was_withdrawn_while_the_register_was_read_has_no_outcome(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    number = await identified(api)
    # The reading has begun and is held up; meanwhile the request is withdrawn.
    async with admin.transaction():
        await admin.execute("LOCK TABLE register.person IN ACCESS EXCLUSIVE MODE")
        asked = asyncio.ensure_future(outcome(api, number))
        await waits_for_lock(admin, "register.person")
        assert (await take(api, number, "ingetrokken")).status == 201
    refused = await asked
    assert (refused.status, refused.json["code"]) == (409, "alAfgesloten")
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="auditor")).json
    assert [one["soort"] for one in found["stappen"]] == ["identiteit", "ingetrokken"]


async def waits_for_lock(admin: asyncpg.Connection, table: str) -> None:
    """Until somebody waits for this table; the limit of the test bounds it."""
    waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass)"
    while not await admin.fetchval(waiting, table):  # noqa: ASYNC110 - PostgreSQL tells nobody
        await asyncio.sleep(0.02)


async def test_it_is_about_the_twenty_years_before_it_unless_it_says_otherwise(api: Api):
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{await record(api)}", by="auditor")).json
    van, tot = (datetime.fromisoformat(found["periode"][name]) for name in ("van", "tot"))
    assert 7_300 <= (tot - van).days <= 7_310
    assert van < datetime.now(UTC) < tot
    shorter = {"van": "2026-01-01T00:00:00Z", "tot": "2026-02-01T00:00:00Z"}
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{await record(api, periode=shorter)}", by="auditor")).json
    assert found["periode"] == shorter


async def test_who_asks_stands_sealed_and_is_opened_in_the_body_of_one_request_alone(
    api: Api, admin: asyncpg.Connection
):
    number = await record(api, vertegenwoordiger={"naam": "Petra de Wit", "adres": [], "hoedanigheid": "curator"})
    (row,) = await admin.fetch("SELECT * FROM register.inzageverzoek")
    kept = str(dict(row))
    for known in (ANNA, A_NUMMER, NAAM, "Petra", "curator", "Dorpsstraat"):
        assert known not in kept
    listed = await api.ask("GET", "/v1/inzageverzoeken", by="auditor")
    assert not [known for known in (ANNA, NAAM, "Petra") if known in listed.text]
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="auditor")).json
    assert (found["betrokkene"]["naam"], found["betrokkene"]["burgerservicenummer"]) == (NAAM, ANNA)
    assert found["vertegenwoordiger"] == {"naam": "Petra de Wit", "adres": [], "hoedanigheid": "curator"}


async def test_another_tenant_sees_no_request_of_this_one(api: Api):
    number = await record(api)
    assert (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="other-auditor")).status == 404
    assert (await take(api, number, "ingetrokken", by="other-auditor")).status == 404
    assert (await api.ask("GET", "/v1/inzageverzoeken", by="other-auditor")).json["inzageverzoeken"] == []


async def test_nothing_is_told_before_the_identity_was_established(api: Api, world: World, register: Register):
    await register.call(world, ANNA)
    number = await record(api)
    refused = await outcome(api, number)
    assert (refused.status, refused.json["code"]) == (409, "identiteitNietVastgesteld")
    assert (await take(api, number, "identiteit", wijze="DigiD", door="K. Bakker")).status == 201
    assert len((await told(api, number))["regels"]) == 1


async def test_nor_before_the_authority_of_who_asks_for_another(api: Api):
    acting = {"naam": "Petra de Wit", "adres": [], "hoedanigheid": "gemachtigde"}
    number = await identified(api, vertegenwoordiger=acting)
    refused = await outcome(api, number)
    assert (refused.status, refused.json["code"]) == (409, "bevoegdheidNietVastgesteld")
    taken = await take(api, number, "bevoegdheid", wijze="Schriftelijke machtiging gezien", door="K. Bakker")
    assert taken.status == 201
    assert (await outcome(api, number)).status == 200
    own = await identified(api)
    assert (await take(api, own, "bevoegdheid", wijze="x", door="y")).json["code"] == "geenVertegenwoordiger"


@pytest.mark.parametrize("soort", ["identiteit", "bevoegdheid"])
async def test_a_check_says_how_and_by_whom_it_was_done(api: Api, soort: str):
    number = await record(api)
    assert (await take(api, number, soort, wijze="DigiD")).status == 400
    assert (await take(api, number, soort, door="K. Bakker")).status == 400
    assert (await take(api, number, "afgewezen")).status == 400


async def test_every_step_stays_on_record_with_who_took_it(api: Api):
    number = await identified(api)
    await told(api, number)
    assert (await take(api, number, "verzonden", toelichting="Aangetekend")).status == 201
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="auditor")).json
    assert [one["soort"] for one in found["stappen"]] == ["identiteit", "uitkomst", "verzonden"]
    assert found["stappen"][0]["wijze"] == "Reisdocument getoond aan de balie"
    assert found["stappen"][0]["door"] == "K. Bakker"
    assert found["stappen"][1]["lezing"] is not None
    assert {one["vastgelegdDoor"].split("/")[0] for one in found["stappen"]} == {"auditor"}
    assert found["toestand"] == "beantwoord"


async def test_steps_are_taken_in_order(api: Api):
    number = await record(api)
    assert (await take(api, number, "verzonden")).json["code"] == "geenUitkomst"
    tomorrow = (datetime.now(UTC) + DAY).isoformat()
    before = (datetime.now(UTC) - 3 * DAY).isoformat()
    for moment in (tomorrow, before):
        assert (await take(api, number, "ingetrokken", op=moment)).json["code"] == "onmogelijkMoment"
    assert (await take(api, number, "afgewezen", toelichting="Niet de betrokkene")).status == 201
    assert (await take(api, number, "identiteit", wijze="DigiD", door="x")).json["code"] == "alAfgesloten"
    assert (await outcome(api, number)).json["code"] == "alAfgesloten"


async def test_a_request_of_tomorrow_is_refused(api: Api):
    tomorrow = (today() + 2 * DAY).isoformat()
    reply = await api.ask("POST", "/v1/inzageverzoeken", by="auditor", json=request_of(ontvangenOp=tomorrow))
    assert (reply.status, reply.json["code"]) == (409, "onmogelijkMoment")


@pytest.mark.parametrize("path", ["0", "999", "-1", "x", "9" * 30])
async def test_a_request_that_is_not_there_is_404(api: Api, path: str):
    assert (await api.ask("GET", f"/v1/inzageverzoeken/{path}", by="auditor")).status == 404


async def test_an_outcome_is_a_recorded_reading_of_the_register(api: Api, world: World, register: Register, admin):
    await register.call(world, ANNA)
    number = await identified(api)
    await told(api, number)
    row = await admin.fetchrow("SELECT * FROM register.reading")
    assert (row["kind"], row["inzageverzoek_id"], row["contents"]) == ("inzageverzoek", number, True)
    assert await admin.fetchval("SELECT person FROM register.person") in row["subjects"]
    assert ANNA not in str(dict(row))


async def test_a_request_cannot_be_changed_nor_taken_away(reader: asyncpg.Connection, world: World):
    for statement in (
        "UPDATE register.inzageverzoek SET received_on = now()",
        "DELETE FROM register.inzageverzoek",
        "UPDATE register.inzageverzoek_stap SET note = ''",
        "DELETE FROM register.inzageverzoek_stap",
        "UPDATE register.steekproef SET ids = '{}'",
        "DELETE FROM register.steekproef_oordeel",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(statement)


async def test_when_the_key_is_destroyed_it_is_not_known_any_more_who_asked(api: Api, world: World, admin):
    number = await identified(api)
    await admin.execute(
        "UPDATE registry.tenant_key SET private_key_sealed = NULL, index_key_for_gateway = NULL, "
        "index_key_for_register = NULL, destroyed_at = now() WHERE tenant_id = $1 AND year = $2",
        world.tenant_id,
        datetime.now(UTC).year,
    )
    found = (await api.ask("GET", f"/v1/inzageverzoeken/{number}", by="auditor")).json
    assert (found["betrokkene"], found["ontvangenOp"]) == (None, today().isoformat())
    assert (await outcome(api, number)).json["code"] == "sleutelVernietigd"
    refused = await api.ask("POST", "/v1/inzageverzoeken", by="auditor", json=request_of())
    assert (refused.status, refused.json["code"]) == (409, "geenJaarsleutel")


async def test_a_body_that_is_not_right_is_told_without_what_was_in_it(api: Api):
    body = request_of(ontvangenOp="gisteren", betrokkene={"naam": "\n", "burgerservicenummer": "12345678"}, extra=1)
    reply = await api.ask("POST", "/v1/inzageverzoeken", by="auditor", json=body)
    assert reply.status == 400
    places = {fault["location"]["pointer"] for fault in reply.json["errors"]}
    assert places >= {"/ontvangenOp", "/betrokkene/naam", "/betrokkene/burgerservicenummer", "/extra"}
    assert "12345678" not in reply.text
    assert now()[:4] not in str(places)
