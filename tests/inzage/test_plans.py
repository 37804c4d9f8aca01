"""How PostgreSQL finds things: by key, in the partitions that matter, with few locks, over twenty years."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gateway.pki import Pki
from tenants.asked_about import silent_ids
from tenants.finding import Filter, bounds_of, ids_in_period, ids_of_person, ids_of_user, month_floor, windows
from tenants.inzage.gathering import gather
from tenants.inzage.gebruik_rows import asked_by_many, begin
from tenants.inzage.steekproeven import draw
from tenants.model import Bsn
from tenants.recording import Reading, reading_scope, record_reading
from tenants.register_keys import find_person
from tenants.register_rows import read_sealed
from tenants.scope import tenant_scope
from tenants.subjects import Subject
from tests.databases import Cluster, Database, fresh_database
from tests.inzage.archive import Archive, spread
from tests.inzage.regels import ANNA
from tests.worlds import Keyrings, World, make_world

# Keys exist for years from 2020 on, so the twenty years lie partly ahead: to the register it is all the same.
YEARS = range(2021, 2041)
FIRST, LAST = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC)
WHOLE = (FIRST, LAST)
ACTOR = "auditor/1"
LOCKS = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"


@contextmanager
def statements(connection: asyncpg.Connection) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """What is asked of the database meanwhile, with its arguments."""
    seen: list[tuple[str, tuple[Any, ...]]] = []

    def note(record: Any) -> None:
        if "register." in record.query and record.query.startswith(("SELECT", "WITH")):
            seen.append((record.query, record.args))

    with connection.query_logger(note):
        yield seen


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def explained(connection: asyncpg.Connection, query: str, arguments: tuple[Any, ...]) -> list[dict[str, Any]]:
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)
    return list(nodes(json.loads(text)[0]["Plan"]))


def touched(plan: list[dict[str, Any]], table: str) -> set[str]:
    """The partitions of a table that were really read."""
    return {
        node["Relation Name"]
        for node in plan
        if node.get("Relation Name", "").startswith(f"{table}_") and node["Actual Loops"] > 0
    }


def scans(plan: list[dict[str, Any]]) -> set[str]:
    return {
        node["Node Type"]
        for node in plan
        if node.get("Relation Name", "").startswith(("opening_", "closing_", "person_")) and node["Actual Loops"] > 0
    }


@dataclass(frozen=True, slots=True)
class Filled:
    """A register of twenty years: forty thousand calls, one in four hundred about Anna."""

    database: Database
    keyrings: Keyrings
    world: World


@pytest.fixture(scope="module")
def filled(postgres_cluster: Cluster, pki: Pki) -> Iterator[Filled]:
    async def fill(database: Database) -> Filled:
        keyrings = Keyrings()
        registrar, admin = [await asyncpg.connect(database.url(role)) for role in ("tenants", "admin")]
        world = await make_world(registrar, pki, keyrings)
        archive = Archive(admin, registrar, keyrings, world)
        await archive.years(YEARS)
        await archive.fill(spread(40_000, FIRST, LAST, about=[ANNA], every=400))
        for connection in (registrar, admin):
            await connection.close()
        return Filled(database, keyrings, world)

    with fresh_database(postgres_cluster) as database:
        yield asyncio.run(fill(database))


@pytest.fixture
def database(filled: Filled) -> Database:
    return filled.database


@pytest.fixture
def keyrings(filled: Filled) -> Keyrings:
    return filled.keyrings


@pytest.fixture
def world(filled: Filled) -> World:
    return filled.world


@pytest.fixture
async def reading(reader: asyncpg.Connection, world: World) -> int:
    recorded = Reading(kind="zoekvraag", reason="Plan", contents=False)
    return await record_reading(reader, world.tenant_id, recorded, actor=ACTOR)


Step = Callable[[Callable[[], Awaitable[Any]]], Awaitable[tuple[list[dict[str, Any]], int]]]


@pytest.fixture
def step(reader: asyncpg.Connection, world: World, reading: int) -> Step:
    async def run(ask: Callable[[], Awaitable[Any]]) -> tuple[list[dict[str, Any]], int]:
        """One step: the plans of its statements, and how many locks it held at its end."""
        async with reading_scope(reader, world.tenant_id, reading, actor=ACTOR):
            with statements(reader) as seen:
                await ask()
            locks = await reader.fetchval(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
            )
            plans = [node for query, arguments in seen for node in await explained(reader, query, arguments)]
        assert seen
        return plans, locks

    return run


async def test_a_person_is_looked_up_by_index_in_twenty_years_with_few_locks(
    reader: asyncpg.Connection, keyrings: Keyrings, world: World, step: Step
):
    async with tenant_scope(reader, world.tenant_id, actor=ACTOR):
        persons, _ = await find_person(reader, keyrings.register, world.tenant_id, Subject(Bsn(ANNA)), WHOLE)
    assert len(persons) == len(YEARS)
    floor, ceiling = bounds_of(WHOLE)
    plan, locks = await step(lambda: ids_of_person(reader, world.tenant_id, persons, floor, ceiling, 201))
    assert scans(plan) <= {"Index Scan", "Bitmap Heap Scan"}
    assert {node["Actual Loops"] for node in plan if node.get("Relation Name", "") in touched(plan, "person")} == {1}
    assert len(touched(plan, "person")) == len(YEARS)
    assert locks < 70


async def test_one_year_of_a_person_reads_one_partition(
    reader: asyncpg.Connection, keyrings: Keyrings, world: World, step: Step
):
    year = (datetime(2035, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
    async with tenant_scope(reader, world.tenant_id, actor=ACTOR):
        persons, _ = await find_person(reader, keyrings.register, world.tenant_id, Subject(Bsn(ANNA)), year)
    floor, ceiling = bounds_of(year)
    plan, locks = await step(lambda: ids_of_person(reader, world.tenant_id, persons, floor, ceiling, 201))
    assert touched(plan, "person") == {"person_2035"}
    assert locks < 20


async def test_calls_are_read_by_key_in_their_own_months(
    reader: asyncpg.Connection, world: World, admin: asyncpg.Connection, step: Step
):
    month = datetime(2033, 3, 1, tzinfo=UTC)
    floor, ceiling = bounds_of((month, month + timedelta(days=31)))
    ids = [
        row["id"]
        for row in await admin.fetch("SELECT id FROM register.opening WHERE id >= $1 AND id < $2", floor, ceiling)
    ]
    assert len(ids) > 10
    plan, locks = await step(lambda: read_sealed(reader, world.tenant_id, ids))
    assert touched(plan, "opening") == {"opening_203303"}
    assert touched(plan, "closing") == {"closing_203303"}
    assert locks < 30


async def test_a_period_is_walked_from_its_newest_month_one_partition_at_a_time(
    reader: asyncpg.Connection, world: World, step: Step
):
    floor, ceiling = bounds_of((datetime(2037, 6, 15, tzinfo=UTC), datetime(2039, 1, 1, tzinfo=UTC)))
    steps = windows([2040, 2039, 2038, 2037], floor, ceiling)
    assert (len(steps), steps[0][1], steps[-1][0]) == (19, ceiling, floor)
    assert [low for low, _ in steps[:-1]] == [high for _, high in steps[1:]]
    wanted = Filter(doelbinding="Uitvoering Participatiewet", rubrieken=frozenset({"081110"}))
    for place, month in ((0, "203812"), (11, "203801"), (12, "203712")):
        plan, locks = await step(lambda: ids_in_period(reader, world.tenant_id, wanted, *steps[place], 5))  # noqa: B023
        assert touched(plan, "opening") == {f"opening_{month}"}
        # Which questions name the rubriek is seen once, however many calls asked them.
        assert {node["Actual Loops"] for node in plan if node.get("Relation Name") == "question_shape"} == {1}
        assert locks < 15


async def test_a_user_is_found_by_index(
    reader: asyncpg.Connection, world: World, admin: asyncpg.Connection, step: Step
):
    floor, ceiling = month_floor(2038, 5), month_floor(2038, 6)
    user = await admin.fetchval("SELECT user_index FROM register.opening WHERE id >= $1 LIMIT 1", floor)
    plan, locks = await step(lambda: ids_of_user(reader, world.tenant_id, user, Filter(), floor, ceiling, 200))
    (name,) = {node["Index Name"] for node in plan if "Index Name" in node and "opening" in node["Index Name"]}
    assert "user_index" in name
    assert locks < 15


async def test_who_was_asked_about_in_vain_is_looked_for_in_one_month_at_a_time(
    reader: asyncpg.Connection, world: World, step: Step
):
    low, high = month_floor(2034, 9), month_floor(2034, 10)
    plan, locks = await step(lambda: silent_ids(reader, world.tenant_id, Filter(), None, low, high, 200))
    assert touched(plan, "opening") == {"opening_203409"}
    assert touched(plan, "closing") == {"closing_203409"}
    assert locks < 25


async def test_a_report_of_use_joins_one_month_at_a_time_and_a_sample_is_drawn_from_one(
    reader: asyncpg.Connection, keyrings: Keyrings, world: World
):
    quarter = (datetime(2034, 4, 10, tzinfo=UTC), datetime(2034, 7, 5, tzinfo=UTC))
    tenant_id = world.tenant_id
    made = await begin(reader, keyrings.register, tenant_id, [], quarter, actor=ACTOR, reason="Plan")
    months = ["203404", "203405", "203406", "203407"]
    with statements(reader) as joins:
        await asked_by_many(made, 2)
    with statements(reader) as lots:
        await draw(reader, tenant_id, quarter, 5, actor=ACTOR, reason="Plan")
    found: dict[str, list[set[str]]] = {"joins": [], "lots": []}
    async with reading_scope(reader, tenant_id, made.reading, actor=ACTOR):
        for name, seen in (("joins", joins), ("lots", lots)):
            for query, arguments in seen:
                if "register.opening" in query:
                    found[name].append(touched(await explained(reader, query, arguments), "opening"))
    of_months = [{f"opening_{one}"} for one in months]
    assert found["joins"][:4] == of_months
    assert found["lots"] == [one for one in of_months for _ in range(2)]


async def test_an_inzage_of_twenty_years_never_holds_many_locks_at_once(
    reader: asyncpg.Connection, keyrings: Keyrings, world: World
):
    held: list[int] = []
    fetch = reader.fetch

    class Counting:
        """The same connection, which counts its locks after every statement."""

        def __getattr__(self, name: str) -> Any:
            return getattr(reader, name)

        async def fetch(self, *arguments: Any) -> Any:
            found = await fetch(*arguments)
            held.append(await reader.fetchval(LOCKS))
            return found

    gathered = await gather(
        Counting(), keyrings.register, world.tenant_id, Subject(Bsn(ANNA)), WHOLE,
        Reading(kind="inzageverzoek", reason="Plan", contents=True), actor=ACTOR,
    )  # fmt: skip
    assert len(gathered.verstrekkingen) == 100
    # A year of closings is twelve partitions, each with its indexes.
    assert max(held) < 140
