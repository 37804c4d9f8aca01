"""A database that is stopped, crashes, hangs, is cut off or takes no writes: calls get a 503, and service comes back."""

import asyncio
import random
import signal

import pytest

from tests.e2e.ledgers import Caller
from tests.faults.clusters import Rack
from tests.faults.scene import OPEN_SECONDS, scene
from tests.register.wire import wire_to

LITTLE = OPEN_SECONDS / 2
"""What a refusal may take that waits for nothing."""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_server_that_is_stopped_under_load_comes_back_by_itself(servers: Rack, stock, tmp_path, caller, how):
    main = servers.migrated("main", stock)
    async with scene(main, tmp_path / "world", caller) as here:
        await here.do(main.stop, how)
        refused = await here.refusals()
        # Nobody queues behind a server that is away.
        assert max(one.ended - one.began for one in refused) < LITTLE
        ready = await here.is_down()
        assert not ready["checks"]["register productie"]
        assert ready["reasons"]["register productie"]
        await here.do(main.start)
        await here.answers()
        await here.is_up()
        await here.settle(main)
        assert set(here.tally()) - {"uitkomstOnbekend"} == {"200", "registerOnbereikbaar"}


async def test_a_server_that_hangs_is_waited_for_as_long_as_a_call_may_and_no_longer(
    servers: Rack, stock, tmp_path, caller
):
    main = servers.migrated("main", stock)
    async with scene(main, tmp_path / "world", caller) as here:
        await here.do(main.freeze)
        await here.refusals(8)
        ready = await here.is_down()
        assert ready["reasons"]["register productie"]
        await here.do(main.thaw)
        await here.answers()
        await here.is_up()
        await here.settle(main)


async def test_a_server_that_hangs_while_nobody_calls_is_seen_too(servers: Rack, stock, tmp_path, caller):
    main = servers.migrated("main", stock)
    async with scene(main, tmp_path / "world", caller) as here:
        await here.rest()
        await here.do(main.freeze)
        await here.is_down()
        await here.do(main.thaw)
        await here.is_up()
        here.begin(1)
        await here.answers(1)
        await here.settle(main)


async def test_connections_that_are_reset_again_and_again_lose_and_double_nothing(
    servers: Rack, stock, tmp_path, caller: Caller
):
    main = servers.migrated("main", stock)
    async with (
        wire_to(main.database.url("gateway")) as wire,
        scene(main, tmp_path / "world", caller, url=wire.url) as here,
    ):
        for number in range(400):
            await asyncio.sleep(random.uniform(0.02, 0.15))
            await wire.cut()
            if number >= 25 and any(one.ended and one.status != 200 for one in caller.ledger):
                break
        for _ in range(15):
            await here.answers(8)
            # What the server says is lost: what it was told stands, and the gateway cannot know.
            wire.dumb = True
            await asyncio.wait_for(wire.swallowed.wait(), 30)
            await wire.cut()
        await here.answers()
        rows = await here.settle(main)
        assert here.tally()["200"] > 0
        # Some calls were caught between their rows: had none been, this would prove nothing.
        assert {row.outcome for row in rows} > {"beantwoord"}


async def test_a_server_that_takes_no_writes_is_not_written_to_and_comes_back_by_itself(
    servers: Rack, stock, tmp_path, caller
):
    main = servers.migrated("main", stock)
    async with scene(main, tmp_path / "world", caller) as here:
        await here.do(main.set, "default_transaction_read_only", "on")
        refused = await here.refusals()
        assert max(one.ended - one.began for one in refused) < LITTLE
        ready = await here.is_down()
        assert ready["reasons"]["register productie"] == "registerNietDeHoofdserver"
        await here.do(main.set, "default_transaction_read_only", "off")
        await here.answers()
        await here.is_up()
        await here.settle(main)
