"""Who read the register can be looked at, by the tenant's own auditor alone; and looking is a reading too."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.admin.conftest import Api
from tests.inzage.asking import WHY, check, identified, told
from tests.inzage.regels import ANNA, Register
from tests.worlds import World

PATH = "/v1/lezingen"


async def listed(api: Api, by: str = "auditor", **query: Any) -> dict[str, Any]:
    reply = await api.ask("GET", PATH, by=by, params=query)
    assert reply.status == 200, reply.text
    found: dict[str, Any] = reply.json
    return found


async def test_the_number_that_an_answer_names_leads_to_who_read_why_and_about_what(
    api: Api, world: World, register: Register
):
    call = str(await register.call(world, ANNA))
    found = await check(
        api, "/v1/protocolregels/zoekvraag", burgerservicenummer=ANNA, doelbinding="Uitvoering Participatiewet"
    )
    assert [one["id"] for one in found.json["protocolregels"]] == [call]
    reply = await api.ask("GET", f"{PATH}/{found.json['lezing']}", by="auditor")
    assert reply.status == 200
    told_of = ("soort", "reden", "overPersoon", "opGebruiker", "inhoud", "criteria", "protocolregels")
    assert [reply.json[name] for name in told_of] == [
        "zoekvraag", "Controle 3", True, False, False, {"doelbinding": "Uitvoering Participatiewet"}, [],
    ]  # fmt: skip
    assert reply.json["door"].startswith("auditor/")
    assert reply.json["periode"] is not None
    assert ANNA not in reply.text


async def test_readings_of_every_kind_are_listed_newest_first_and_so_is_looking_at_them(
    api: Api, world: World, register: Register
):
    await register.call(world, ANNA)
    number = await identified(api)
    await told(api, number)
    sample = (await check(api, "/v1/steekproeven", aantal=1)).json
    await api.ask("POST", f"/v1/steekproeven/{sample['nummer']}/lezingen", by="auditor", json={"reden": "Beoordelen"})
    first = await listed(api)
    assert [one["soort"] for one in first["lezingen"]] == ["lezingen", "steekproef", "steekproef", "inzageverzoek"]
    assert [one["inzageverzoek"] for one in first["lezingen"]] == [None, None, None, number]
    assert [one["reden"] for one in first["lezingen"]][1:] == ["Beoordelen", "Controle 3", WHY]
    assert first["lezingen"][0]["nummer"] == first["lezing"]
    assert first["lezingen"][1]["aantalProtocolregels"] == 1
    again = await listed(api)
    assert [one["soort"] for one in again["lezingen"]][:2] == ["lezingen", "lezingen"]


async def test_they_are_narrowed_by_reader_kind_and_time_and_go_on_page_by_page(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    for _ in range(3):
        await check(api, "/v1/protocolregels/zoekvraag")
    numbers = [row["number"] for row in await admin.fetch("SELECT number FROM register.reading ORDER BY number DESC")]
    reader = await admin.fetchval("SELECT DISTINCT actor FROM register.reading")
    await admin.execute("UPDATE register.reading SET at = at - interval '2 days' WHERE number = $1", numbers[-1])

    async def those(**query: Any) -> list[int]:
        return [one["nummer"] for one in (await listed(api, soort="zoekvraag", **query))["lezingen"]]

    assert await those() == numbers
    assert await those(door=reader) == numbers
    assert await those(door="auditor/999999") == []
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert await those(van=yesterday) == numbers[:2]
    assert await those(tot=yesterday) == numbers[2:]
    page = await listed(api, soort="zoekvraag", aantal=2)
    assert [one["nummer"] for one in page["lezingen"]] == numbers[:2]
    assert await those(voor=page["volgende"]) == numbers[2:]
    wrong = await api.ask("GET", PATH, by="auditor", params={"van": datetime.now(UTC).isoformat(), "tot": yesterday})
    assert wrong.status == 400
    (criteria,) = (one["criteria"] for one in (await listed(api, soort="lezingen", aantal=1))["lezingen"])
    assert criteria == {"soort": "lezingen"}


async def test_another_tenants_auditor_sees_none_of_them_and_nobody_else_may_ask(
    api: Api, world: World, register: Register
):
    found = (await check(api, "/v1/protocolregels/zoekvraag")).json
    assert {one["soort"] for one in (await listed(api, by="other-auditor"))["lezingen"]} == {"lezingen"}
    path = f"{PATH}/{found['lezing']}"
    assert (await api.ask("GET", path, by="other-auditor")).status == 404
    for who in ("beheerder", "operator"):
        assert (await api.ask("GET", path, by=who)).status == 403
    assert (await api.ask("GET", f"{PATH}/x", by="auditor")).status == 404


async def test_a_reading_stands_in_the_tenants_history_by_a_hash_over_all_that_it_says(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    found = (await check(api, "/v1/protocolregels/zoekvraag", burgerservicenummer=ANNA)).json
    row = await admin.fetchrow(
        "SELECT w.actor, w.after ->> 'hash' = encode(register.reading_hash(r), 'hex') AS fits, (w.after ->> 'number')::bigint AS number, "
        "  w.after::text AS after FROM registry.wijziging w JOIN register.reading r ON r.tenant_id = w.tenant_id WHERE w.object = 'lezing'"
    )
    assert (row["number"], row["fits"]) == (found["lezing"], True)
    assert "Controle" not in row["after"]
    for change in (
        "reason = 'Iets anders'",
        "subjects = '{}'",
        "actor = 'auditor/77'",
        "criteria = '{\"a\": 1}'",
        "contents = NOT contents",
    ):
        async with admin.transaction():
            fits = await admin.fetchval(
                f"WITH changed AS (UPDATE register.reading r SET {change} RETURNING register.reading_hash(r)) "  # noqa: S608
                "SELECT encode(reading_hash, 'hex') FROM changed"
            )
        assert fits != await admin.fetchval(
            "SELECT after ->> 'hash' FROM registry.wijziging WHERE object = 'lezing'"
        ), change


async def test_no_reading_starts_whose_record_cannot_be_noted(
    api: Api, world: World, register: Register, admin: asyncpg.Connection
):
    await register.call(world, ANNA)
    await admin.execute(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no' USING ERRCODE = '53100'; END$$;"
        "CREATE TRIGGER no BEFORE INSERT ON registry.wijziging FOR EACH ROW EXECUTE FUNCTION public.no()"
    )
    refused = await check(api, "/v1/protocolregels/zoekvraag", burgerservicenummer=ANNA)
    assert refused.status == 503
    assert await admin.fetchval("SELECT count(*) FROM register.reading") == 0


@pytest.mark.parametrize("statement", ["UPDATE register.reading SET reason = 'x'", "DELETE FROM register.reading"])
async def test_who_reads_cannot_change_what_stands_of_it(reader: asyncpg.Connection, statement: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(statement)
