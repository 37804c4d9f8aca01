"""Who waits, for how long, and who does not wait for whom."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from gateway.errors import RegisterUnavailable
from gateway.register import Pace, Patience, Permission, Rations, RegisterWriter
from gateway.register.waiting import Row, Waiting
from tests.register.stage import Stage


@contextmanager
def held(stage: Stage) -> Iterator[None]:
    """Hold every writing statement, as a stalled server does: it waits for a lock on a table that it reads."""
    with psycopg.connect(stage.database.url("admin")) as admin:
        admin.execute("LOCK TABLE registry.machtiging IN ACCESS EXCLUSIVE MODE")
        yield


async def in_flight(writer: RegisterWriter) -> None:
    while not any(slot.writing_since for slot in writer._slots):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.005)


async def test_a_tenant_whose_places_are_taken_is_refused_at_once_and_others_are_not(stage: Stage, start) -> None:
    writer = await start(rations=Rations(places_per_tenant=5))
    one, other = stage.tenants[:2]
    with held(stage):
        waiting = [asyncio.create_task(writer.open(stage.opening(one))) for _ in range(5)]
        await in_flight(writer)
        began = time.monotonic()
        with pytest.raises(RegisterUnavailable) as refused:
            await writer.open(stage.opening(one))
        assert time.monotonic() - began < 0.05
        assert (refused.value.code, refused.value.retry_after) == ("registerVol", 1)
        waiting.append(asyncio.create_task(writer.open(stage.opening(other))))
        await asyncio.sleep(0.05)
    assert all(isinstance(permission, Permission) for permission in await asyncio.gather(*waiting))
    assert isinstance(await writer.open(stage.opening(one)), Permission)


async def test_all_places_together_are_rationed_too(stage: Stage, start) -> None:
    writer = await start(rations=Rations(places=3))
    with held(stage):
        waiting = [asyncio.create_task(writer.open(stage.opening(tenant))) for tenant in stage.tenants]
        await in_flight(writer)
        with pytest.raises(RegisterUnavailable):
            await writer.open(stage.opening())
    await asyncio.gather(*waiting)


async def test_a_closing_has_its_place_when_openings_have_none(stage: Stage, start) -> None:
    writer = await start(rations=Rations(places_per_tenant=2))
    opening = stage.opening()
    await writer.open(opening)
    with held(stage):
        waiting = [asyncio.create_task(writer.open(stage.opening())) for _ in range(2)]
        await in_flight(writer)
        closing = asyncio.create_task(writer.close(stage.closing(opening)))
        await asyncio.sleep(0.05)
        assert not closing.done()
    assert (await closing).number == 1
    await asyncio.gather(*waiting)


async def test_memory_is_rationed_for_openings_and_closings(stage: Stage, start) -> None:
    writer = await start(rations=Rations(octets_per_tenant=4_000))
    openings = [stage.opening() for _ in range(3)]
    for opening in openings:
        await writer.open(opening)
    with held(stage):
        waiting = [asyncio.create_task(writer.close(stage.closing(opening))) for opening in openings[:2]]
        waiting.append(asyncio.create_task(writer.open(stage.opening())))
        await in_flight(writer)
        with pytest.raises(RegisterUnavailable) as refused:
            await writer.close(stage.closing(openings[2]))
        assert (refused.value.code, refused.value.sent) == ("registerVol", True)
        with pytest.raises(RegisterUnavailable):
            await writer.open(stage.opening())
    await asyncio.gather(*waiting)
    assert (writer.waiting.held, writer.waiting.held_octets) == (0, 0)
    assert [row["id"] for row in stage.rows("SELECT id FROM register.running")].count(openings[2].id) == 1


async def test_a_burst_of_one_tenant_does_not_delay_another(stage: Stage) -> None:
    waiting = Waiting(Rations())
    busy, calm = stage.tenants[:2]
    for _ in range(100):
        waiting.put(Row(stage.opening(busy), 0.0, None))
    last = Row(stage.opening(calm), 0.0, None)
    waiting.put(last)
    assert last in waiting.take(8, 1 << 20)
    assert (waiting.depth, len(list(waiting))) == (93, 93)


async def test_a_batch_is_bounded_in_octets_but_takes_one_row_always(stage: Stage) -> None:
    waiting = Waiting(Rations())
    for _ in range(3):
        waiting.put(Row(stage.opening(), 0.0, None))
    assert len(waiting.take(8, 1)) == 1
    assert len(waiting.take(8, 1 << 20)) == 2


async def test_rows_of_a_tenant_keep_their_order(stage: Stage) -> None:
    waiting = Waiting(Rations())
    rows = [Row(stage.opening(), 0.0, None) for _ in range(6)]
    for row in rows:
        waiting.put(row)
    taken = waiting.take(4, 1 << 20)
    for row in reversed(taken):
        waiting.put_back(row)
    assert waiting.take(8, 1 << 20) == rows


async def test_a_caller_that_goes_away_cancels_no_write(stage: Stage, writer: RegisterWriter) -> None:
    opened = stage.opening()
    await writer.open(opened)
    with held(stage):
        leaving = [
            asyncio.create_task(writer.open(stage.opening())),
            asyncio.create_task(writer.close(stage.closing(opened))),
        ]
        await in_flight(writer)
        leaving.append(asyncio.create_task(writer.open(stage.opening())))
        await asyncio.sleep(0.05)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
    await writer.drain(5.0)
    assert writer.figures.lost_sessions == 0
    rows = stage.rows("SELECT id, outcome FROM register.closing")
    assert {row["outcome"] for row in rows if row["id"] == opened.id} == {"beantwoord"}
    assert [row["outcome"] for row in rows if row["id"] != opened.id] == ["niet_verzonden"] * 2
    assert stage.rows("SELECT id FROM register.running") == []


async def test_a_permission_given_in_the_moment_its_caller_left_is_closed(stage: Stage, writer: RegisterWriter) -> None:
    tasks = [asyncio.create_task(writer.open(stage.opening())) for _ in range(2)]
    await asyncio.sleep(0)
    # Both are answered in one turn of the loop. Whoever is first cancels the other, which has its answer by then and
    # has not gone on yet.
    for row, other in zip(writer._deadlines._openings, reversed(tasks), strict=True):
        assert row.answer is not None
        row.answer.add_done_callback(partial(_cancel, other))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["CancelledError", "Permission"]
    await writer.drain(5.0)
    assert [row["outcome"] for row in stage.rows("SELECT outcome FROM register.closing")] == ["niet_verzonden"]


def _cancel(task: asyncio.Task[object], _: object) -> None:
    task.cancel()


async def test_an_opening_waits_so_long_and_no_longer(stage: Stage, start) -> None:
    writer = await start(patience=Patience(opening=0.2, stall=10.0))
    with held(stage):
        began = time.monotonic()
        first = asyncio.create_task(writer.open(stage.opening()))
        await in_flight(writer)
        second = asyncio.create_task(writer.open(stage.opening()))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert 0.15 < time.monotonic() - began < 1.0
        assert [getattr(result, "code", None) for result in results] == ["registerOnbereikbaar"] * 2
    await writer.drain(5.0)
    # The first had been handed over: it was let through for nobody. The second was not, and is nowhere.
    assert [row["outcome"] for row in stage.rows("SELECT outcome FROM register.closing")] == ["niet_verzonden"]
    assert len(stage.rows("SELECT id FROM register.opening")) == 1
    assert stage.rows("SELECT id FROM register.running") == []


async def test_at_the_end_what_waits_is_finished_and_nothing_new_begins(stage: Stage, writer: RegisterWriter) -> None:
    openings = [stage.opening() for _ in range(50)]
    await asyncio.gather(*map(writer.open, openings))
    closings = [asyncio.create_task(writer.close(stage.closing(opening))) for opening in openings]
    await asyncio.sleep(0)
    draining = asyncio.create_task(writer.drain(5.0))
    await asyncio.sleep(0)
    with pytest.raises(RegisterUnavailable):
        await writer.open(stage.opening())
    assert await draining == 0
    assert sorted(receipt.number or 0 for receipt in await asyncio.gather(*closings)) == list(range(1, 51))
    assert not writer.ready


async def test_the_end_does_not_wait_for_ever(stage: Stage, start) -> None:
    writer = await start()
    opening = stage.opening()
    await writer.open(opening)
    with held(stage):
        # A closing does not read that table, but shares the statement of an opening that does.
        tasks = [
            asyncio.create_task(writer.open(stage.opening())),
            asyncio.create_task(writer.close(stage.closing(opening))),
        ]
        await in_flight(writer)
        assert await writer.drain(0.2) == 2
    for task in tasks:
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], RegisterUnavailable)


async def test_under_load_a_batch_is_waited_for_and_a_lone_row_never_is(stage: Stage, start) -> None:
    writer = await start(pace=Pace(linger_seconds=0.2, linger_from=4, linger_until=8))
    began = time.monotonic()
    await writer.open(stage.opening())
    await writer.open(stage.opening())
    assert time.monotonic() - began < 0.2
    await asyncio.gather(*(writer.open(stage.opening()) for _ in range(6)))
    began, statements = time.monotonic(), writer.figures.statements
    await asyncio.gather(writer.open(stage.opening()), _later(writer, stage))
    assert time.monotonic() - began > 0.2
    assert writer.figures.statements == statements + 1


async def _later(writer: RegisterWriter, stage: Stage) -> None:
    await asyncio.sleep(0.05)
    await writer.open(stage.opening())
