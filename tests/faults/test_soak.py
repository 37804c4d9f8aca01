"""Everything that can be done to a pair of servers, at random and for long: `make soak` (SOAK_SECONDS, SOAK_SEED)."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.clusters import NAME, Node, Rack, url_of
from tests.faults.scene import Scene, scene
from tests.faults.test_backup import assert_numbers_have_no_gap

Fault = Callable[[], Awaitable[None]]


class Pair:
    """A main server and its synchronous standby, which change places."""

    def __init__(self, servers: Rack, here: Scene, main: Node, standby: Node, chance: random.Random) -> None:
        self.servers, self.here, self.main, self.standby, self.chance = servers, here, main, standby, chance

    @property
    def faults(self) -> list[Fault]:
        return [self.stop, self.crash, self.freeze, self.read_only, self.lose_standby, self.cut, self.fail_over]

    async def stop(self) -> None:
        await self.here.do(self.main.stop)
        await self._wait()
        await self.here.do(self.main.start)

    async def crash(self) -> None:
        await self.here.do(self.main.stop, signal.SIGQUIT)
        await self._wait()
        await self.here.do(self.main.start)

    async def freeze(self) -> None:
        await self.here.do(self.main.freeze)
        await self._wait()
        await self.here.do(self.main.thaw)

    async def read_only(self) -> None:
        await self.here.do(self.main.set, "default_transaction_read_only", "on")
        await self._wait()
        await self.here.do(self.main.set, "default_transaction_read_only", "off")

    async def lose_standby(self) -> None:
        await self.here.do(self.standby.stop)
        await self._wait()
        await self.here.do(self.standby.start)

    async def cut(self) -> None:
        for _ in range(10):
            ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_gateway'"
            await self.here.do(self.main.execute, ends, NAME)
            await asyncio.sleep(self.chance.uniform(0.01, 0.2))

    async def fail_over(self) -> None:
        old, how = self.main, self.chance.choice(["killed", "hanging", "alive"])
        if how == "killed":
            await self.here.do(old.kill)
        elif how == "hanging":
            await self.here.do(old.freeze)
        await self.here.do(self.standby.promote)
        await self._wait()
        if how != "killed":
            await self.here.do(old.kill)
        self.main, self.standby = self.standby, old
        await self.here.do(self.servers.rebuild, old, self.main)

    async def _wait(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.05, 6.0))


@pytest.mark.soak
async def test_whatever_is_done_to_two_servers_no_answer_is_without_its_record(servers: Rack, stock, tmp_path, caller):
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    seed = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
    print(f"SOAK_SEED={seed}")
    north = servers.migrated("north", stock)
    south = servers.follower("south", north)
    for node in (north, south):
        node.set("synchronous_standby_names", "north, south")
    north.wait_for_standby()
    url = url_of("gateway", north, south)
    async with scene(north, tmp_path / "world", caller, url=url, durability="standby") as here:
        pair = Pair(servers, here, north, south, random.Random(seed))
        until, done = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            fault = pair.chance.choice(pair.faults)
            print(f"{fault.__name__} at {len(caller.ledger)} calls", flush=True)
            await fault()
            await here.answers(50, 60)
            done += 1
        await here.settle(pair.main)
        assert_numbers_have_no_gap(pair.main)
        print(f"{done} faults, {here.tally()}")
