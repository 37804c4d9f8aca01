"""The auditor finds what stands in the register of the own tenant, and every search stands there itself."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tenants.keyring import add_version, make_keyring
from tenants.model import Bsn
from tenants.reading import read_calls, search
from tenants.register_keys import uuid_floor
from tenants.registry import ensure_tenant_years
from tenants.scope import tenant_scope
from tenants.sealing import SealingError
from tenants.searches import Zoekvraag
from tests.admin.conftest import Api
from tests.admin.regels import Recorder
from tests.databases import Database
from tests.worlds import Keyrings, World

ANNA, BRAM = "999990019", "999990020"
WHY = "Verzoek om inzage 2026-14"


async def zoek(api: Api, by: str = "auditor", **body: object) -> Any:
    reply = await api.ask("POST", "/v1/protocolregels/zoekvraag", by=by, json={"reden": WHY, **body})
    assert reply.status == 200, reply.text
    return reply.json


def ids(found: Any) -> list[str]:
    return [regel["id"] for regel in found["protocolregels"]]


def this_day() -> dict[str, str]:
    now = datetime.now(UTC)
    return {"van": (now - timedelta(hours=1)).isoformat(), "tot": (now + timedelta(hours=1)).isoformat()}


async def test_a_person_is_found_by_number_newest_first(api: Api, world: World, recorder: Recorder):
    first = await recorder.record(world, ANNA)
    await recorder.record(world, BRAM)
    both = await recorder.record(world, ANNA, BRAM)
    found = await zoek(api, burgerservicenummer=ANNA)
    assert ids(found) == [str(both), str(first)]
    assert [regel["afsluiting"]["aantalPersonen"] for regel in found["protocolregels"]] == [2, 1]


async def test_a_row_tells_who_asked_over_what_for_which_purpose(api: Api, world: World, recorder: Recorder):
    await recorder.record(world, ANNA)
    (regel,) = (await zoek(api, periode=this_day()))["protocolregels"]
    told = ("afnemerId", "organisatieOin", "certificaatVingerafdruk", "doelbinding", "grondslag", "uitkomst", "api")
    assert [regel[name] for name in told] == [
        world.afnemer_id, world.oin, world.fingerprint.hex(), "Uitvoering Participatiewet", "art. 3.5 Wet BRP",
        "beantwoord", "personen",
    ]  # fmt: skip
    assert regel["taaksysteem"] == {
        "tenantId": world.tenant_id,
        "taaksysteemId": world.taaksysteem_id,
        "naam": f"Burgerzaken {world.afnemer_id}",
        "oin": world.oin,
    }
    assert (regel["zoekrubrieken"], regel["gevraagdeRubrieken"]) == ("010120", "010120 010210")


async def test_what_is_sealed_is_opened_only_when_asked_for(api: Api, world: World, recorder: Recorder):
    await recorder.record(world, ANNA)
    closed = await api.ask(
        "POST", "/v1/protocolregels/zoekvraag", by="auditor", json={"reden": WHY, "periode": this_day()}
    )
    assert closed.json["protocolregels"][0]["inhoud"] is None
    assert ANNA not in closed.text
    assert "j.jansen" not in closed.text
    (regel,) = (await zoek(api, periode=this_day(), inhoud=True))["protocolregels"]
    assert regel["inhoud"]["toestand"] == "geopend"
    assert regel["inhoud"]["opening"]["user"] == "j.jansen"
    assert regel["inhoud"]["afsluiting"]["persons"] == [ANNA]


async def test_another_tenant_finds_nothing_of_this_one(api: Api, world: World, recorder: Recorder):
    await recorder.record(world, ANNA)
    for question in ({"burgerservicenummer": ANNA}, {"periode": this_day(), "inhoud": True}):
        found = await zoek(api, "other-auditor", **question)
        assert (found["protocolregels"], found["zonderAfsluiting"]) == ([], 0)


async def test_a_call_without_closing_and_a_refused_attempt_are_shown_as_what_they_are(
    api: Api, world: World, recorder: Recorder
):
    open_call = await recorder.record(world, closed=False)
    refused = await recorder.record(world, refusal="nietToegestaan")
    found = await zoek(api, periode=this_day(), inhoud=True)
    assert [(r["id"], r["uitkomst"], r["weigering"], r["afsluiting"]) for r in found["protocolregels"]] == [
        (str(refused), "geweigerd", "nietToegestaan", None),
        (str(open_call), "uitkomst_onbekend", None, None),
    ]
    assert all(regel["inhoud"]["toestand"] == "geopend" for regel in found["protocolregels"])
    assert found["zonderAfsluiting"] == 1
    assert (await zoek(api, burgerservicenummer=ANNA))["zonderAfsluiting"] == 1


async def test_a_search_goes_on_where_the_page_ended(api: Api, world: World, recorder: Recorder):
    made = [str(await recorder.record(world, ANNA)) for _ in range(5)]
    seen, more = [], None
    for _ in range(3):
        found = await zoek(api, burgerservicenummer=ANNA, aantal=2, **({} if more is None else {"voor": more}))
        seen += ids(found)
        more = found["volgende"]
    assert (seen, more) == (made[::-1], None)


async def test_a_period_ends_before_its_end(api: Api, world: World, recorder: Recorder):
    made = await recorder.record(world, ANNA)
    at = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    around = {"van": (at - timedelta(seconds=5)).isoformat(), "tot": at.isoformat()}
    assert ids(await zoek(api, periode=around)) == []
    around["tot"] = (at + timedelta(milliseconds=1)).isoformat()
    assert ids(await zoek(api, periode=around, burgerservicenummer=ANNA)) == [str(made)]


async def test_every_search_is_recorded_with_its_reason_and_without_the_number(
    api: Api, world: World, recorder: Recorder, admin: asyncpg.Connection
):
    await recorder.record(world, ANNA)
    found = await zoek(api, burgerservicenummer=ANNA, inhoud=True)
    row = await admin.fetchrow("SELECT r.* FROM register.reading r")
    assert (row["number"], row["tenant_id"], row["reason"]) == (found["lezing"], world.tenant_id, WHY)
    assert (row["kind"], row["contents"]) == ("zoekvraag", True)
    assert row["actor"].startswith("auditor/")
    assert await admin.fetchval("SELECT person FROM register.person") in row["subjects"]
    assert ANNA not in str(dict(row))


async def test_a_search_that_fails_is_recorded_all_the_same(
    database: Database, world: World, recorder: Recorder, keyrings: Keyrings, admin: asyncpg.Connection
):
    await recorder.record(world, ANNA)
    await admin.execute("ALTER TABLE register.closing RENAME TO elsewhere")
    connection = await asyncpg.connect(database.url("inzage"))
    period = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(asyncpg.UndefinedTableError):
        await search(
            connection, keyrings.register, world.tenant_id, Zoekvraag(period=period), actor="auditor/1", reason=WHY
        )
    await connection.close()
    assert await admin.fetchval("SELECT count(*) FROM register.reading") == 1


async def test_the_database_shows_nothing_without_a_committed_record_of_the_reading(
    database: Database, world: World, other: World, recorder: Recorder
):
    await recorder.record(world, ANNA)
    connection = await asyncpg.connect(database.url("inzage"))

    async def visible(reading: int | None) -> list[int]:
        await connection.fetchval("SELECT set_config('koppelpunt.reading', $1, true)", str(reading or ""))
        return [
            await connection.fetchval(f"SELECT count(*) FROM register.{table}")  # noqa: S608
            for table in ("opening", "closing", "person")
        ]

    async def note(tenant_id: int) -> Any:
        return await connection.fetchval(
            "INSERT INTO register.reading (tenant_id, actor, reason, kind, contents) "
            "VALUES ($1, 'auditor/1', 'x', 'regels', false) RETURNING number",
            tenant_id,
        )

    async with tenant_scope(connection, other.tenant_id, actor="auditor/1"):
        of_other = await note(other.tenant_id)
    async with tenant_scope(connection, world.tenant_id, actor="auditor/1"):
        assert await visible(None) == [0, 0, 0]
        assert await visible(of_other) == [0, 0, 0]
        own = await note(world.tenant_id)
        assert await visible(own) == [0, 0, 0]
    async with tenant_scope(connection, world.tenant_id, actor="auditor/1"):
        assert await visible(own) == [1, 1, 1]
    await connection.close()


async def test_a_record_of_a_reading_is_never_changed_nor_backdated(database: Database, world: World):
    connection = await asyncpg.connect(database.url("inzage"))
    for statement in (
        "UPDATE register.reading SET reason = 'x'",
        "DELETE FROM register.reading",
        "TRUNCATE register.reading",
        "INSERT INTO register.reading (tenant_id, actor, reason, kind, contents, at) VALUES (1, 'a', 'b', 'regels', false, now())",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def last_year(admin: asyncpg.Connection, registrar: asyncpg.Connection, world: World, keyrings: Keyrings) -> UUID:
    """Move the one call of the register to last year, under last year's keys."""
    year = datetime.now(UTC).year - 1
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await ensure_tenant_years(registrar, world.tenant_id, keyrings.identity, keyrings.register, [year])
    for table in ("opening", "closing", "person"):
        low, high = (uuid_floor(datetime(number, 1, 1, tzinfo=UTC)) for number in (year, year + 1))
        await admin.execute(
            f"CREATE TABLE register.{table}_past PARTITION OF register.{table} FOR VALUES FROM ('{low}') TO ('{high}')"
        )
    moved = UUID(int=uuid_floor(datetime(year, 6, 1, tzinfo=UTC)).int | 0x7000_8000_0000_0000_0001)
    for table in ("opening", "closing", "person"):
        await admin.execute(f"UPDATE register.{table} SET id = $1", moved)  # noqa: S608
    return moved


async def test_a_person_is_found_in_an_earlier_year_by_the_key_of_that_year(
    api: Api, world: World, recorder: Recorder, registrar: asyncpg.Connection, admin: asyncpg.Connection,
    keyrings: Keyrings,
):  # fmt: skip
    await recorder.record(world, ANNA)
    moved = await last_year(admin, registrar, world, keyrings)
    # The row still has this year's index, which is not how a person is known in last year's.
    assert ids(await zoek(api, burgerservicenummer=ANNA)) == []
    await recorder._learn_keys()
    row = await admin.fetchrow("SELECT * FROM registry.tenant_key WHERE year = $1", datetime.now(UTC).year - 1)
    recorder.keys[world.tenant_id, row["year"]] = type(next(iter(recorder.keys.values())))(
        world.tenant_id, row["year"], row["public_key"], row["index_key_for_gateway"]
    )
    index = recorder.sealer.person_index(world.tenant_id, row["year"], ANNA)
    await admin.execute("UPDATE register.person SET person = $1", index)
    found = await zoek(api, burgerservicenummer=ANNA, inhoud=True)
    assert ids(found) == [str(moved)]
    # Sealed columns are bound to the id of their call; moved to another one they do not open, and that is told.
    assert found["protocolregels"][0]["inhoud"] == {"toestand": "niet_te_openen", "opening": None, "afsluiting": None}


async def destroy(admin: asyncpg.Connection, tenant_id: int) -> None:
    await admin.execute(
        "UPDATE registry.tenant_key SET private_key_sealed = NULL, index_key_for_gateway = NULL, "
        "index_key_for_register = NULL, destroyed_at = now() WHERE tenant_id = $1 AND year = $2",
        tenant_id,
        datetime.now(UTC).year,
    )


async def test_a_year_whose_key_is_destroyed_is_told_and_not_searched(
    api: Api, world: World, recorder: Recorder, admin: asyncpg.Connection
):
    made = await recorder.record(world, ANNA)
    await destroy(admin, world.tenant_id)
    by_person = await zoek(api, burgerservicenummer=ANNA)
    assert (by_person["protocolregels"], by_person["vernietigdeJaren"]) == ([], [datetime.now(UTC).year])
    by_period = await zoek(api, periode=this_day(), inhoud=True)
    assert ids(by_period) == [str(made)]
    assert by_period["protocolregels"][0]["inhoud"]["toestand"] == "sleutel_vernietigd"


async def test_a_keyring_that_does_not_open_the_register_stops_the_search(
    database: Database, world: World, recorder: Recorder
):
    await recorder.record(world, ANNA)
    connection = await asyncpg.connect(database.url("inzage"))
    foreign = make_keyring("register")
    with pytest.raises(SealingError):
        await search(connection, foreign, world.tenant_id, Zoekvraag(bsn=Bsn(ANNA)), actor="auditor/1", reason=WHY)
    await connection.close()


async def test_calls_are_read_by_id_with_what_they_hold(
    database: Database, world: World, other: World, recorder: Recorder, keyrings: Keyrings, admin: asyncpg.Connection
):
    first, second = await recorder.record(world, ANNA), await recorder.record(world, BRAM)
    foreign = await recorder.record(other, ANNA)
    connection = await asyncpg.connect(database.url("inzage"))
    register = add_version(keyrings.register)
    found = await read_calls(
        connection, register, world.tenant_id, [first, foreign, second], actor="auditor/1", reason="Controle"
    )
    await connection.close()
    assert [one.id for one in found] == [second, first]
    assert [one.contents.closing["persons"] for one in found if one.contents and one.contents.closing] == [
        [BRAM],
        [ANNA],
    ]
    assert await admin.fetchval("SELECT ids FROM register.reading") == sorted([first, second, foreign], reverse=True)
