"""A connection lost in a commit does not mean *not written*: nothing is lost, doubled or left open."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from gateway.errors import RegisterUnavailable
from gateway.register import Closing, Opening, Patience, Permission, Receipt, RegisterWriter
from tests.databases import Database, cluster
from tests.register.stage import Stage, make_stage
from tests.register.wire import Wire, wire_to


@pytest.fixture
async def wire(stage: Stage) -> AsyncIterator[Wire]:
    async with wire_to(stage.database.url("gateway")) as made:
        yield made


async def settled(writer: RegisterWriter) -> None:
    """Wait until the fate of every row is known."""
    until = time.monotonic() + 10.0
    while writer.unsettled:
        assert time.monotonic() < until, "rows stay behind"
        await asyncio.sleep(0.01)


async def is_ready(writer: RegisterWriter) -> None:
    until = time.monotonic() + 5.0
    while not writer.ready:
        assert time.monotonic() < until, "no session comes back"
        await asyncio.sleep(0.01)


async def has_rows(stage: Stage, table: str, number: int) -> None:
    until = time.monotonic() + 5.0
    while len(stage.rows(f"SELECT id FROM register.{table}")) < number:  # noqa: S608
        assert time.monotonic() < until, f"no {number} rows in {table}"
        await asyncio.sleep(0.01)


async def test_an_opening_whose_commit_was_not_heard_is_refused_and_closed_as_not_sent(
    stage: Stage, start, wire
) -> None:
    writer = await start(url=wire.url)
    wire.dumb = True
    opening = asyncio.create_task(writer.open(stage.opening()))
    await has_rows(stage, "opening", 1)
    await wire.cut()
    with pytest.raises(RegisterUnavailable) as refused:
        await opening
    assert (refused.value.code, refused.value.sent) == ("registerOnbereikbaar", False)
    await settled(writer)
    assert stage.rows("SELECT outcome, code FROM register.closing") == [
        {"outcome": "niet_verzonden", "code": "registerOnbevestigd"}
    ]
    assert stage.rows("SELECT id FROM register.running") == []
    assert (writer.figures.lost_sessions, writer.figures.unsent) == (1, 1)
    stage.assert_gapless()


async def test_an_opening_that_postgresql_never_heard_of_leaves_nothing(stage: Stage, start, wire) -> None:
    writer = await start(url=wire.url)
    wire.deaf = True
    opening = asyncio.create_task(writer.open(stage.opening()))
    await wire.swallowed.wait()
    await wire.cut()
    with pytest.raises(RegisterUnavailable):
        await opening
    await settled(writer)
    assert stage.rows("SELECT id FROM register.opening UNION ALL SELECT id FROM register.closing") == []
    assert isinstance(await writer.open(stage.opening()), Permission)


async def test_a_closing_whose_commit_was_not_heard_is_durable_once(stage: Stage, start, wire) -> None:
    writer = await start(url=wire.url)
    opening = stage.opening()
    await writer.open(opening)
    wire.dumb = True
    closing = asyncio.create_task(writer.close(stage.closing(opening)))
    await has_rows(stage, "closing", 1)
    await wire.cut()
    assert await closing == Receipt(None, None)
    assert [row["outcome"] for row in stage.rows("SELECT outcome FROM register.closing")] == ["beantwoord"]
    stage.assert_gapless()


async def test_a_closing_that_postgresql_never_heard_of_is_written_again(stage: Stage, start, wire) -> None:
    writer = await start(url=wire.url)
    opening = stage.opening()
    await writer.open(opening)
    wire.deaf = True
    closing = asyncio.create_task(writer.close(stage.closing(opening)))
    await wire.swallowed.wait()
    await wire.cut()
    receipt = await closing
    [row] = stage.rows("SELECT number, hash, writer_id FROM register.closing")
    assert receipt == Receipt(row["number"], row["hash"])
    assert row["writer_id"] != stage.rows("SELECT writer_id FROM register.opening")[0]["writer_id"]
    stage.assert_gapless()


async def test_away_means_refused_at_once_and_back_by_itself(stage: Stage, start, wire) -> None:
    writer = await start(url=wire.url)
    opening = stage.opening()
    await writer.open(opening)
    await wire.go_away()
    closing = asyncio.create_task(writer.close(stage.closing(opening)))
    until = time.monotonic() + 5.0
    while writer.ready or any(slot.is_reachable for slot in writer._slots):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    began = time.monotonic()
    with pytest.raises(RegisterUnavailable) as refused:
        await writer.open(stage.opening())
    assert time.monotonic() - began < 0.05
    assert (refused.value.code, refused.value.retry_after) == ("registerOnbereikbaar", 1)
    assert not closing.done()
    await wire.listen()
    assert (await closing).number == 1
    assert writer.ready
    assert isinstance(await writer.open(stage.opening()), Permission)


async def test_a_caller_that_gave_up_on_its_closing_has_it_written_all_the_same(stage: Stage, start, wire) -> None:
    writer = await start(url=wire.url, patience=Patience(closing=0.2))
    sent, unsent = stage.opening(), stage.opening()
    await asyncio.gather(writer.open(sent), writer.open(unsent))
    await wire.go_away()
    closings = (stage.closing(sent), stage.closing(unsent, (), outcome="niet_verzonden"))
    results = await asyncio.gather(*map(writer.close, closings), return_exceptions=True)
    assert [(r.code, r.sent) for r in results if isinstance(r, RegisterUnavailable)] == [
        ("registerOnbereikbaar", True),
        ("registerOnbereikbaar", False),
    ]
    await wire.listen()
    await settled(writer)
    assert len(stage.rows("SELECT id FROM register.closing")) == 2


async def test_a_writer_starts_before_its_database(stage: Stage, start, wire) -> None:
    await wire.go_away()
    writer = await start(url=wire.url)
    assert not writer.ready
    await wire.listen()
    await is_ready(writer)
    assert isinstance(await writer.open(stage.opening()), Permission)


async def test_an_idle_session_that_was_ended_costs_no_call(stage: Stage, writer: RegisterWriter) -> None:
    await writer.open(stage.opening())
    stage.change(TERMINATE)
    await asyncio.sleep(0.2)
    assert isinstance(await writer.open(stage.opening()), Permission)
    assert writer.figures.unsent == 0


TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'koppelpunt gateway' AND datname = current_database()"
)


async def calls(
    writer: RegisterWriter,
    stage: Stage,
    enough: asyncio.Event,
    done: list[tuple[Opening, Permission, Closing, Receipt]],
) -> None:
    """Make calls until it is enough and note what was acknowledged; a refusal is no fault, a loss would be."""
    number = 0
    while not enough.is_set():
        number += 1
        opening = stage.opening(stage.tenants[number % len(stage.tenants)])
        try:
            permission = await writer.open(opening)
        except RegisterUnavailable:
            await asyncio.sleep(0.005)
            continue
        assert isinstance(permission, Permission)
        closing = stage.closing(opening)
        done.append((opening, permission, closing, await writer.close(closing)))


@pytest.mark.parametrize("sessions", [1, 2])
async def test_sessions_that_are_ended_under_load_lose_and_double_nothing(stage: Stage, start, sessions) -> None:
    writer = await start(sessions=sessions)
    done: list[tuple[Opening, Permission, Closing, Receipt]] = []
    enough = asyncio.Event()
    load = [asyncio.create_task(calls(writer, stage, enough, done)) for _ in range(24)]
    with psycopg.connect(stage.database.url("admin"), autocommit=True) as admin:
        # However fast the machine is: sessions are ended until enough were lost and enough calls got through all the same.
        while writer.figures.lost_sessions < 5 or len(done) <= 50:
            await asyncio.sleep(0.15)
            admin.execute(TERMINATE)
    enough.set()
    await asyncio.gather(*load)
    await settled(writer)
    openings = {row["id"]: row for row in stage.rows("SELECT id, number, hash, refusal FROM register.opening")}
    closings = {row["id"]: row for row in stage.rows("SELECT id, number, hash, outcome FROM register.closing")}
    assert len(done) > 50
    for opening, permission, _, receipt in done:
        assert (openings[opening.id]["number"], openings[opening.id]["hash"]) == (permission.number, permission.hash)
        assert closings[opening.id]["outcome"] == "beantwoord"
        assert receipt.hash in {None, closings[opening.id]["hash"]}
    acknowledged = {opening.id for opening, *_ in done}
    assert all(row["outcome"] == "niet_verzonden" for call, row in closings.items() if call not in acknowledged)
    assert closings.keys() == openings.keys()
    assert stage.rows("SELECT id FROM register.running") == []
    assert writer.figures.lost_sessions >= 5
    stage.assert_gapless()


def backend_of(stage: Stage) -> int:
    """The process of the writer's session, on this machine."""
    if os.environ.get("DATABASE_URL"):
        pytest.skip("needs the embedded PostgreSQL, whose processes a test may signal")
    [row] = stage.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'koppelpunt gateway' AND datname = current_database()"
    )
    return int(row["pid"])


async def test_a_session_that_hangs_is_replaced_and_its_rows_are_set_right_when_it_is_over(stage: Stage, start) -> None:
    writer = await start(patience=Patience(opening=0.3, closing=10.0, stall=0.5))
    first, second = stage.opening(), stage.opening()
    await writer.open(first)
    backend = backend_of(stage)
    os.kill(backend, signal.SIGSTOP)
    try:
        closing = asyncio.create_task(writer.close(stage.closing(first)))
        began = time.monotonic()
        with pytest.raises(RegisterUnavailable):
            await writer.open(second)
        assert time.monotonic() - began < 0.5
        # The next session does not wait for the one that hangs …
        while writer.figures.lost_sessions == 0:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
        third = await writer.open(stage.opening())
        assert isinstance(third, Permission)
        # … but the lost closing does: whether it has been written cannot be known yet.
        await asyncio.sleep(0.5)
        assert not closing.done()
    finally:
        os.kill(backend, signal.SIGCONT)
    receipt = await closing
    await settled(writer)
    rows = {row["id"]: row for row in stage.rows("SELECT id, outcome, hash FROM register.closing")}
    assert rows[first.id]["outcome"] == "beantwoord"
    assert receipt.hash in {None, rows[first.id]["hash"]}
    # Whoever was told no has no call that stands open.
    assert second.id not in {row["id"] for row in stage.rows("SELECT id FROM register.running")}
    stage.assert_gapless()


async def test_no_session_is_begun_while_too_many_hang(stage: Stage, start) -> None:
    writer = await start(patience=Patience(opening=0.2, stall=0.2, hanging=1))
    backend = backend_of(stage)
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(RegisterUnavailable):
            await writer.open(stage.opening())
        await asyncio.sleep(0.5)
        began = time.monotonic()
        with pytest.raises(RegisterUnavailable):
            await writer.open(stage.opening())
        assert time.monotonic() - began < 0.05
        assert not writer.ready
        assert stage.rows("SELECT count(*) AS n FROM register.writer") == [{"n": 1}]
    finally:
        os.kill(backend, signal.SIGCONT)
    await settled(writer)
    await is_ready(writer)
    assert isinstance(await writer.open(stage.opening()), Permission)


async def test_a_crash_of_postgresql_is_survived() -> None:
    # A server of its own, as a crash ends the sessions of all its databases.
    with cluster() as crashing:
        stage = make_stage(Database(crashing, crashing.template))
        writer = RegisterWriter(stage.settings(), stage.seal_unsent)
        await writer.start()
        opening = stage.opening()
        permission = await writer.open(opening)
        # One process killed: PostgreSQL ends all sessions, recovers from its log and serves again.
        os.kill(backend_of(stage), signal.SIGKILL)
        receipt = await writer.close(stage.closing(opening))
        assert receipt.number == 1
        [row] = stage.rows("SELECT number, hash FROM register.opening")
        assert isinstance(permission, Permission)
        assert (row["number"], row["hash"]) == (permission.number, permission.hash)
        assert isinstance(await writer.open(stage.opening()), Permission)
        assert await writer.drain(5.0) == 0
