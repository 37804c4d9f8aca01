"""What was asked stands once per tenant, never later than the opening that names it, and never makes a writer wait."""

import asyncio

import asyncpg
import pytest

from tenants.recording import Reading, reading_scope, record_reading
from tenants.scope import tenant_scope
from tests.db.calls import data_key, opening

LONG = ", ".join(f"{number:06}" for number in range(10_110, 10_215))
SHAPES = "SELECT tenant_id, question_type, zoekrubrieken, rubrieken FROM {}.question_shape ORDER BY 1, 2, 3, 4"


async def shapes(admin: asyncpg.Connection, schema: str = "register") -> list[tuple[object, ...]]:
    return [tuple(row) for row in await admin.fetch(SHAPES.format(schema))]


async def test_what_is_asked_again_is_kept_once_and_each_tenant_has_its_own(begin_writer, world, other, admin):
    writers = [await begin_writer(), await begin_writer()]
    asked = [
        (one, {"rubrieken": rubrieken, "zoekrubrieken": zoek, "question_type": kind})
        for one in (world, other)
        for rubrieken, zoek, kind in (
            (LONG, "010120", "RaadpleegMetBurgerservicenummer"), (LONG, "010120", None), ("", "", None),
            ("010120, 010210", "", None), ("010210", "010120", None),
        )
    ]  # fmt: skip
    base = 0
    for _ in range(2):
        for writer in writers:
            rows = [opening(one, base=base, **changes) for one, changes in asked * 2]
            answers = await writer.write(rows, keys=[data_key(row) for row in rows])
            assert {answer.verdict for answer in answers} == {None}
        base += 10
    expected = {
        (one.tenant_id, asked["question_type"], asked["zoekrubrieken"], asked["rubrieken"]) for one, asked in asked
    }
    assert len(expected) == 10
    found = await shapes(admin)
    assert (len(found), set(found)) == (10, expected)
    row = await admin.fetchrow(
        "SELECT count(*) AS openings, count(question_type) + count(zoekrubrieken) + count(rubrieken) AS texts, "
        "count(DISTINCT (tenant_id, question_shape_id)) AS named FROM register.opening"
    )
    assert tuple(row) == (80, 0, 10)


async def test_every_opening_reads_as_it_was_asked(writer, world, admin):
    odd = ("", 'é \\ " \u0001 \u2028, [null]', LONG)
    for number, text in enumerate(odd):
        answer, row = await writer.open(world, base=number, rubrieken=text, zoekrubrieken=text, question_type=text)
        assert answer.verdict is None
        told = await admin.fetchrow("SELECT * FROM register.opening_whole WHERE id = $1", row["id"])
        assert (told["question_type"], told["zoekrubrieken"], told["rubrieken"]) == (text, text, text)
    assert await admin.fetchval("SELECT count(*) FROM register.opening_whole") == len(odd)


async def test_two_writers_that_meet_a_shape_at_once_do_not_wait_for_each_other(begin_writer, world, admin):
    first, second = await begin_writer(), await begin_writer()
    async with first.connection.transaction():
        _, one = await first.open(world, rubrieken=LONG)
        answer, two = await asyncio.wait_for(second.open(world, rubrieken=LONG), 30)
        assert answer.verdict is None
        # The second is there without what the first has not yet committed.
        assert await admin.fetch("SELECT id, rubrieken FROM register.opening_whole") == [(two["id"], LONG)]
    told = await admin.fetch("SELECT id, rubrieken FROM register.opening_whole")
    assert sorted(told) == sorted([(one["id"], LONG), (two["id"], LONG)])
    third = await begin_writer()
    await third.open(world, rubrieken=LONG)
    assert await admin.fetchval("SELECT count(*) FROM register.question_shape") == 2


async def test_what_a_broken_off_batch_asked_is_written_by_the_next(writer, world, admin):
    transaction = writer.connection.transaction()
    await transaction.start()
    await writer.open(world, rubrieken=LONG)
    await transaction.rollback()
    assert await shapes(admin) == []
    await writer.open(world, rubrieken=LONG)
    assert await admin.fetchval("SELECT rubrieken FROM register.opening_whole") == LONG


async def test_a_refused_attempt_keeps_what_it_asked_and_one_that_is_not_written_keeps_nothing(writer, world, admin):
    await writer.open(world, refusal="nietGemachtigd", rubrieken=LONG)
    await writer.open(world, base=1, key_id=9_999, rubrieken="010120")
    assert [one[3] for one in await shapes(admin)] == [LONG]


async def test_an_opening_that_says_nowhere_what_it_asked_cannot_be_kept(admin, writer, world):
    await writer.open(world)
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute("UPDATE register.opening SET question_shape_id = NULL")


async def test_an_auditor_sees_what_was_asked_in_its_own_scope_and_in_a_recorded_reading(writer, world, other, connect):
    await writer.open(world)
    await writer.open(other)
    reader = await connect("inzage")
    reading = Reading(kind="zoekvraag", reason="controle", contents=False)
    number = await record_reading(reader, world.tenant_id, reading, actor="auditor/1")
    async with tenant_scope(reader, world.tenant_id, actor="auditor/1"):
        assert await shapes(reader) == []
    async with reading_scope(reader, world.tenant_id, number, actor="auditor/1"):
        assert {one[0] for one in await shapes(reader)} == {world.tenant_id}
        for change in ("UPDATE register.question_shape SET rubrieken = ''", "DELETE FROM register.question_shape"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with reader.transaction():
                    await reader.execute(change)
