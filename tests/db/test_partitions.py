"""Partitions are made ahead, without stalling anyone, and their number costs the writing function nothing."""

import asyncio
from datetime import UTC, date, datetime

import asyncpg

from tests.db.calls import closing, data_key, opening, uuid7

LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'relation' "
    "AND relation IN (SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text IN ('registry', 'register', 'proef'))"
)


async def partitions(admin: asyncpg.Connection, table: str) -> list[str]:
    rows = await admin.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = $1::regclass ORDER BY 1",
        table,
    )
    return [row[0] for row in rows]


async def test_partitions_are_made_until_the_day_asked_for_and_not_twice(connect, admin):
    sealer = await connect("sealer")
    this_year = datetime.now(UTC).year
    until = date(this_year + 2, 6, 15)
    made = await sealer.fetchval("SELECT register.ensure_partitions($1)", until)
    assert made > 0
    assert await sealer.fetchval("SELECT register.ensure_partitions($1)", until) == 0
    for schema in ("register", "proef"):
        assert (await partitions(admin, f"{schema}.opening"))[-1] == f"opening_{this_year + 2}06"
        assert (await partitions(admin, f"{schema}.closing"))[-1] == f"closing_{this_year + 2}06"
        assert (await partitions(admin, f"{schema}.person"))[-1] == f"person_{this_year + 2}"


async def test_partitions_join_without_a_gap_and_have_the_indexes_of_their_parent(connect, admin):
    sealer = await connect("sealer")
    await sealer.fetchval("SELECT register.ensure_partitions($1)", date(datetime.now(UTC).year + 3, 1, 1))
    for table in ("opening", "closing", "person"):
        indexes = await admin.fetchval(
            "SELECT count(*) FROM pg_index WHERE indrelid = $1::regclass", f"register.{table}"
        )
        assert indexes >= 2
        rows = await admin.fetch(
            "SELECT regexp_matches(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('(.*)'\\) TO \\('(.*)'\\)$$) AS bounds, "
            "  (SELECT count(*) FROM pg_index x WHERE x.indrelid = c.oid) AS indexes, "
            "  (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = 'bounds') AS left_over "
            "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass ORDER BY c.relname",
            f"register.{table}",
        )
        ends = [row["bounds"][1] for row in rows]
        assert [row["bounds"][0] for row in rows][1:] == ends[:-1]
        assert {(row["indexes"], row["left_over"]) for row in rows} == {(indexes, 0)}


async def test_making_partitions_waits_for_no_writer_and_no_writer_waits_for_it(connect, writer, begin_writer, world):
    transaction = writer.connection.transaction()
    await transaction.start()
    await writer.open(world)
    sealer = await connect("sealer")
    making = sealer.transaction()
    await making.start()
    later = date(datetime.now(UTC).year + 5, 1, 1)
    made = await asyncio.wait_for(sealer.fetchval("SELECT register.ensure_partitions($1)", later), 20)
    assert made > 0
    another = await begin_writer()
    answer, _ = await asyncio.wait_for(another.open(world), 5)
    assert answer.verdict is None
    await making.commit()
    await transaction.commit()


async def test_a_row_lies_in_the_partition_of_its_ids_month_in_utc(writer, world, admin):
    _, row = await writer.open(world)
    await writer.write(closings=[closing(row)], persons=[(row["id"], world.tenant_id, uuid7(), "")])
    now = datetime.fromtimestamp((row["id"].int >> 80) / 1000, UTC)
    for table, name in (("opening", f"{now:%Y%m}"), ("closing", f"{now:%Y%m}"), ("person", f"{now:%Y}")):
        found = await admin.fetchval(f"SELECT tableoid::regclass::text FROM register.{table}")  # noqa: S608
        assert found == f"register.{table}_{name}"


async def test_a_write_takes_as_few_locks_with_five_hundred_partitions_as_with_few(
    connect, writer, begin_writer, world, admin
):
    async def locks_of_a_write() -> int:
        fresh = await begin_writer()
        # With its plan kept, as it is in service: planning itself looks at more.
        _, row = await fresh.open(world)
        async with fresh.connection.transaction():
            again = opening(world, base=1)
            answers = await fresh.write(
                [again], [closing(row)], persons=[(row["id"], world.tenant_id, uuid7(), "")], keys=[data_key(again)]
            )
            assert [answer.verdict for answer in answers] == [None, None]
            number: int = await admin.fetchval(LOCKS, fresh.connection.get_server_pid())
            return number

    few = await locks_of_a_write()
    sealer = await connect("sealer")
    await sealer.fetchval("SELECT register.ensure_partitions($1)", date(datetime.now(UTC).year + 20, 12, 1))
    assert len(await partitions(admin, "register.opening")) > 230
    many = await locks_of_a_write()
    assert many == few
    # Fewer than the 64 that max_locks_per_transaction gives a session.
    assert many < 64


async def test_the_sealer_sees_calls_without_closing_and_nothing_personal_of_them(connect, writer, world):
    _, open_call = await writer.open(world)
    _, closed = await writer.open(world, base=1)
    await writer.write(closings=[closing(closed)])
    sealer = await connect("sealer")
    rows = await sealer.fetch("SELECT * FROM register.orphans(interval '0')")
    assert [(row["kind"], row["tenant_id"], row["id"]) for row in rows] == [
        ("productie", world.tenant_id, open_call["id"])
    ]
    assert set(rows[0].keys()) == {"kind", "tenant_id", "id", "writer_id", "aansluiting_id", "opened_at"}
    assert await sealer.fetch("SELECT * FROM register.orphans(interval '1 hour')") == []


async def test_fetched_messages_are_forgotten_after_ten_days_and_not_before(connect, writer, world, admin):
    _, row = await writer.open(world)
    await writer.write(closings=[closing(row)], messages=[(row["id"], world.tenant_id, f"m{n}") for n in range(3)])
    await admin.execute(
        "UPDATE register.fetched_message SET fetched_at = now() - interval '10 days 1 second' WHERE message_id = 'm1'"
    )
    await admin.execute(
        "UPDATE register.fetched_message SET fetched_at = now() - interval '9 days' WHERE message_id = 'm2'"
    )
    sealer = await connect("sealer")
    assert await sealer.fetchval("SELECT register.forget_fetched_messages()") == 1
    rows = await admin.fetch("SELECT message_id FROM register.fetched_message ORDER BY 1")
    assert [row[0] for row in rows] == ["m0", "m2"]


async def test_a_lost_writers_open_calls_are_told_only_when_its_session_is_over(begin_writer, world):
    lost, successor = await begin_writer(), await begin_writer()
    _, first = await lost.open(world)
    _, second = await lost.open(world, base=1)
    await lost.write(closings=[closing(first)])
    asking = asyncio.create_task(
        successor.connection.fetch("SELECT tenant_id, id FROM register.running_of($1)", lost.writer_id)
    )
    await asyncio.sleep(0.2)
    assert not asking.done()
    lost.connection.terminate()
    rows = await asyncio.wait_for(asking, 5)
    assert [tuple(row) for row in rows] == [(world.tenant_id, second["id"])]
