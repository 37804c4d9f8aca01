"""A call whose outcome nobody here knows is told with its cause, wherever it could be overlooked: RvIG may have recorded it."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from tests.admin.conftest import Api
from tests.databases import Database
from tests.inzage.asking import file, identified, recently, text_of, told
from tests.inzage.regels import ANNA, BRAM, Register
from tests.worlds import Keyrings, World

PATH = "/v1/onbekende-uitkomsten"


async def listed(api: Api, by: str = "auditor", **query: Any) -> list[dict[str, Any]]:
    reply = await api.ask("GET", PATH, by=by, params=query)
    assert reply.status == 200, reply.text
    found: list[dict[str, Any]] = reply.json["onbekendeUitkomsten"]
    return found


async def causes_in_search(api: Api) -> dict[str, str | None]:
    reply = await api.ask(
        "POST", "/v1/protocolregels/zoekvraag", by="auditor", json={"periode": recently(), "reden": "Controle"}
    )
    assert reply.status == 200, reply.text
    return {one["id"]: one["oorzaak"] for one in reply.json["protocolregels"]}


@pytest.fixture
async def lost(database: Database, keyrings: Keyrings, world: World) -> str:
    """A call of a gateway that is gone."""
    connection = await asyncpg.connect(database.url("gateway"))
    register = cast("Register", await Register.begin(connection, keyrings.identity))
    id_ = await register.call(world, ANNA, outcome=None)
    await connection.close()
    return str(id_)


async def test_a_call_that_runs_is_told_as_running(api: Api, world: World, register: Register):
    id_ = str(await register.call(world, ANNA, outcome=None))
    (found,) = await listed(api)
    assert (found["id"], found["oorzaak"], found["geslotenOp"], found["gateway"]) == (id_, "loopt_nog", None, "test")
    assert abs((datetime.fromisoformat(found["geopendOp"]) - datetime.now(UTC)).total_seconds()) < 60
    assert await causes_in_search(api) == {id_: "loopt_nog"}


async def test_a_call_that_its_gateway_forgot_is_no_running_one(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA, outcome=None)
    await admin.execute("UPDATE register.running SET opened_at = now() - interval '11 minutes'")
    # PostgreSQL began after that, but the session of its writer lives: it never ended.
    assert [one["oorzaak"] for one in await listed(api)] == ["blijft_open"]


async def test_a_call_of_a_gateway_that_is_gone_says_so(api: Api, lost: str):
    assert [(one["id"], one["oorzaak"]) for one in await listed(api)] == [(lost, "schrijver_verloren")]
    assert await causes_in_search(api) == {lost: "schrijver_verloren"}


async def test_a_call_from_before_the_database_started_says_so(api: Api, lost: str, admin: asyncpg.Connection):
    await admin.execute("UPDATE register.running SET opened_at = pg_postmaster_start_time() - interval '1 second'")
    assert [one["oorzaak"] for one in await listed(api)] == ["database_herstart"]


async def test_a_call_that_was_sent_and_not_answered_is_told_with_its_code(api: Api, world: World, register: Register):
    await register.call(world, ANNA)
    # What came in and was dropped here has a status: it is known what RvIG answered.
    dropped = str(await register.call(world, ANNA, outcome="niet_beantwoord"))
    await register.call(world, ANNA, outcome="niet_verzonden")
    await register.call(world, ANNA, refusal="ingetrokken", machtiging_version=99)
    id_ = str(await register.unanswered(world, ANNA))
    (found,) = await listed(api)
    assert (found["id"], found["oorzaak"], found["code"]) == (id_, "rvig_antwoordt_niet", "antwoordTeLaat")
    assert found["geslotenOp"] is not None
    causes = await causes_in_search(api)
    assert (causes.pop(id_), causes[dropped], set(causes.values())) == ("rvig_antwoordt_niet", None, {None})


async def test_they_are_listed_newest_first_page_by_page_and_within_the_period(
    api: Api, world: World, register: Register
):
    ids = [
        str(await (register.unanswered(world, ANNA) if number % 2 else register.call(world, ANNA, outcome=None)))
        for number in range(5)
    ]
    assert [one["id"] for one in await listed(api)] == ids[::-1]
    reply = await api.ask("GET", PATH, by="auditor", params={"aantal": 2})
    assert [one["id"] for one in reply.json["onbekendeUitkomsten"]] == ids[:2:-1]
    rest = await listed(api, voor=reply.json["volgende"])
    assert [one["id"] for one in rest] == ids[2::-1]
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert await listed(api, tot=yesterday) == []
    wrong = await api.ask("GET", PATH, by="auditor", params={"van": datetime.now(UTC).isoformat(), "tot": yesterday})
    assert wrong.status == 400


async def test_another_tenant_sees_none_of_them_and_nobody_sees_whom_they_were_about(
    api: Api, world: World, register: Register
):
    await register.unanswered(world, ANNA)
    await register.call(world, ANNA, outcome=None)
    assert await listed(api, by="other-auditor") == []
    reply = await api.ask("GET", PATH, by="auditor")
    assert len(reply.json["onbekendeUitkomsten"]) == 2
    assert ANNA not in reply.text
    assert "j.jansen" not in reply.text


async def test_a_report_tells_of_a_question_about_the_person_that_was_sent_and_not_answered(
    api: Api, world: World, register: Register
):
    await register.unanswered(world, ANNA)
    await register.unanswered(world, BRAM)
    await register.unanswered(
        world, question={"type": "ZoekMetPostcodeEnHuisnummer", "postcode": "1234AB", "huisnummer": 1}
    )
    await register.call(world, BRAM)
    found = await told(api, await identified(api))
    assert [one["uitkomst"] for one in found["regels"]] == ["uitkomst_onbekend"]
    assert found["onbekend"] == 1
    text = text_of(await file(api, await identified(api), "pdf"))
    assert "of daarop gegevens zijn verstrekt, is door een storing niet bekend" in text


async def test_a_failure_of_rvig_that_left_many_unanswered_keeps_no_report_from_being_made(
    api: Api, world: World, register: Register, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tenants.inzage.gathering._PAGE", 2)
    for bsn in (BRAM, ANNA, BRAM, BRAM, ANNA):
        await register.unanswered(world, bsn)
    found = await told(api, await identified(api))
    assert [one["uitkomst"] for one in found["regels"]] == ["uitkomst_onbekend"] * 2
