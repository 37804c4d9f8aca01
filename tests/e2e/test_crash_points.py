"""Every step of a call fails before it was done, after it was done, and with the process killed at that point.

The register and RvIG are reached over wires that swallow what is said, so that a step can have been done without the
gateway knowing. Whatever happens, three ledgers agree: callers', simulator's, register's.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.simulator.faults import FaultKind, Match
from tests.databases import Database
from tests.e2e.ledgers import HANNA, Caller, read_orphans
from tests.e2e.stage import Stage, stage_of

TOKEN, API = Match(api="token"), Match(api="personen")
SLOW_SECONDS = 0.3


@pytest.fixture
async def stage(database: Database, tmp_path, caller: Caller) -> AsyncIterator[Stage]:
    async with stage_of(database, tmp_path / "world", caller) as made:
        yield made


# Token: there is no opening yet, so nothing may be in the register and nothing at RvIG's APIs.


async def test_token_refused_leaves_nothing_anywhere(stage):
    stage.fault(FaultKind.TOKEN_REFUSED, TOKEN)
    called = await stage.call()
    assert (called.status, called.place) == (502, "token")
    assert await stage.check() == {}
    assert stage.world.seen() == []


async def test_token_issued_and_its_answer_lost_leaves_nothing_anywhere(stage):
    stage.fault(FaultKind.SLOW, TOKEN, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.asked_token()
    stage.rvig.dumb = True
    await stage.rvig.swallowed.wait()
    await stage.rvig.cut()
    called = await call
    assert (called.status, called.place) == (503, "token")
    assert await stage.check() == {}
    assert stage.world.seen() == []
    await stage.works_again()
    await stage.settle()


async def test_killed_while_asking_for_a_token_leaves_nothing_anywhere(stage):
    stage.fault(FaultKind.HANG, TOKEN)
    call = stage.start_call()
    await stage.asked_token()
    await stage.kill()
    assert (await call).status is None
    assert await stage.check() == {}
    assert stage.world.seen() == []


# Open: what is not known to be recorded does not leave.


async def test_opening_that_never_reached_the_register_does_not_leave(stage):
    await stage.warm_up()
    stage.database.deaf = True
    called = await stage.call()
    assert (called.status, called.place, called.code) == (503, "register", "registerOnbereikbaar")
    assert stage.world.seen() == []
    await stage.database.cut()
    await stage.works_again()
    rows = await stage.settle()
    assert 0 not in rows


async def test_opening_that_is_recorded_unknown_to_the_gateway_does_not_leave_and_is_closed_as_such(stage):
    await stage.warm_up()
    stage.database.dumb = True
    called = await stage.call()
    assert (called.status, called.place, called.code) == (503, "register", "registerOnbereikbaar")
    (orphan,) = await read_orphans(stage.world.database)
    await stage.check()
    await stage.database.cut()
    await stage.works_again()
    rows = await stage.settle()
    assert (rows[0].id, rows[0].outcome, rows[0].code) == (orphan[1], "niet_verzonden", "registerOnbevestigd")


async def test_killed_before_the_opening_was_recorded_leaves_nothing_anywhere(stage):
    await stage.warm_up()
    stage.database.deaf = True
    call = stage.start_call()
    await stage.database.swallowed.wait()
    await stage.kill()
    assert (await call).status is None
    assert await stage.check() == {}
    assert stage.world.seen() == []


async def test_killed_when_the_opening_was_recorded_leaves_a_visible_orphan(stage):
    await stage.warm_up()
    stage.database.dumb = True
    call = stage.start_call()
    await stage.opened()
    await stage.kill()
    assert (await call).status is None
    rows = await stage.check()
    assert rows[0].running
    assert stage.world.seen() == []


# Send: a call that could not leave is closed as such; one that may have been processed is, too.


async def test_call_without_a_connection_to_rvig_is_closed_as_not_sent(stage):
    await stage.warm_up()
    await stage.rvig.go_away()
    await asyncio.sleep(0.1)
    called = await stage.call()
    assert (called.status, called.place, called.code) == (502, "upstream", "geenVerbinding")
    rows = await stage.settle()
    assert (rows[0].outcome, rows[0].code) == ("niet_verzonden", "geenVerbinding")
    await stage.rvig.listen()
    await stage.works_again()


async def test_call_whose_permission_expires_while_it_waits_for_a_connection_never_leaves(stage):
    await stage.warm_up()
    await stage.rvig.cut()
    stage.rvig.deaf = True
    await asyncio.sleep(0.1)
    called = await stage.call()
    assert (called.status, called.place) == (504, "upstream")
    assert called.ended - called.began < 3.0
    await stage.rvig.cut()
    rows = await stage.settle()
    assert rows[0].outcome == "niet_verzonden"
    await stage.works_again()
    assert len(stage.world.seen()) == 1


async def test_call_that_rvig_never_heard_is_closed_as_unanswered_and_not_repeated(stage):
    await stage.warm_up()
    stage.rvig.deaf = True
    call = stage.start_call()
    await stage.rvig.swallowed.wait()
    await stage.rvig.cut()
    called = await call
    assert (called.status, called.place, called.code) == (502, "upstream", "verbindingVerbroken")
    rows = await stage.settle()
    assert rows[0].outcome == "niet_beantwoord"
    assert stage.world.seen() == []


async def test_call_that_rvig_processed_and_whose_answer_was_lost_is_closed_as_unanswered_and_not_repeated(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.rvig.dumb = True
    await stage.rvig.swallowed.wait()
    await stage.rvig.cut()
    called = await call
    assert (called.status, called.place, called.code) == (502, "upstream", "verbindingVerbroken")
    assert "RvIG kan de bevraging hebben verwerkt" in called.document["detail"]
    assert "retry-after" not in called.headers
    rows = await stage.settle()
    assert rows[0].outcome == "niet_beantwoord"
    assert [one.status for one in stage.world.seen()] == [200]


async def test_killed_while_rvig_works_leaves_a_visible_orphan(stage):
    await stage.warm_up()
    stage.fault(FaultKind.HANG, API)
    call = stage.start_call()
    await stage.arrived()
    await stage.kill()
    assert (await call).status is None
    rows = await stage.check()
    assert rows[0].running
    assert len(stage.world.seen()) == 1


# Close: what is not known to be recorded is not given to the caller.


async def test_answer_whose_closing_never_reached_the_register_is_dropped_and_recorded_later(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.database.deaf = True
    called = await call
    assert (called.status, called.place, called.code) == (503, "register", "uitkomstOnbekend")
    assert "retry-after" not in called.headers
    assert HANNA.encode() not in called.body
    rows = await stage.check()
    assert rows[0].running
    await stage.database.cut()
    rows = await stage.settle()
    assert (rows[0].outcome, rows[0].status) == ("beantwoord", 200)


async def test_answer_whose_closing_is_recorded_unknown_to_the_gateway_is_dropped_and_not_recorded_twice(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.database.dumb = True
    called = await call
    assert (called.status, called.place, called.code) == (503, "register", "uitkomstOnbekend")
    assert HANNA.encode() not in called.body
    await stage.database.cut()
    await stage.works_again()
    rows = await stage.settle()
    assert (rows[0].outcome, rows[0].status) == ("beantwoord", 200)


async def test_answer_whose_closing_turns_out_to_be_recorded_in_time_is_given(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.database.dumb = True
    await stage.database.swallowed.wait()
    await stage.database.cut()
    called = await call
    assert called.status == 200
    rows = await stage.settle()
    assert (rows[0].outcome, rows[0].status) == ("beantwoord", 200)


async def test_killed_before_the_closing_was_recorded_leaves_a_visible_orphan(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.database.deaf = True
    await stage.database.swallowed.wait()
    await stage.kill()
    assert (await call).status is None
    rows = await stage.check()
    assert rows[0].running


async def test_killed_when_the_closing_was_recorded_leaves_a_closed_call_that_nobody_got(stage):
    await stage.warm_up()
    stage.fault(FaultKind.SLOW, API, seconds=SLOW_SECONDS)
    call = stage.start_call()
    await stage.arrived()
    stage.database.dumb = True
    await stage.database.swallowed.wait()
    await stage.kill()
    assert (await call).status is None
    rows = await stage.settle()
    assert (rows[0].outcome, rows[0].status) == ("beantwoord", 200)
