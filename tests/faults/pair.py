"""A main server and its synchronous standby, which change places, and everything that can be done to the two."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.clusters import Rack
from tests.faults.nodes import NAME, Node

Fault = Callable[[random.Random], Awaitable[None]]


@dataclass(slots=True)
class Pair:
    """Each fault takes its choices from the chance that it is given, and lasts `longest` seconds at most.

    `promoted` is told at once when the standby has become the main server.
    """

    servers: Rack
    main: Node
    standby: Node
    longest: float = 6.0
    promoted: Callable[[Node], Awaitable[None]] | None = None

    @property
    def faults(self) -> dict[str, Fault]:
        these = (self.stop, self.crash, self.freeze, self.read_only, self.lose_standby, self.cut, self.fail_over)
        return {one.__name__: one for one in these}

    async def stop(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.main.stop)
        await self._wait(chance)
        await asyncio.to_thread(self.main.start)

    async def crash(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.main.stop, signal.SIGQUIT)
        await self._wait(chance)
        await asyncio.to_thread(self.main.start)

    async def freeze(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.main.freeze)
        await self._wait(chance)
        await asyncio.to_thread(self.main.thaw)

    async def read_only(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.main.set, "default_transaction_read_only", "on")
        await self._wait(chance)
        await asyncio.to_thread(self.main.set, "default_transaction_read_only", "off")

    async def lose_standby(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.standby.stop)
        await self._wait(chance)
        await asyncio.to_thread(self.standby.start)

    async def cut(self, chance: random.Random) -> None:
        for _ in range(10):
            ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_gateway'"
            await asyncio.to_thread(self.main.execute, ends, NAME)
            await asyncio.sleep(chance.uniform(0.01, 0.2))

    async def fail_over(self, chance: random.Random) -> None:
        """The old main server is dead, hangs, or goes on as if nothing had happened; later it is the standby."""
        old, how = self.main, chance.choice(["killed", "hanging", "alive"])
        if how == "killed":
            await asyncio.to_thread(old.kill)
        elif how == "hanging":
            await asyncio.to_thread(old.freeze)
        await asyncio.to_thread(self.standby.promote)
        self.main, self.standby = self.standby, old
        if self.promoted is not None:
            await self.promoted(self.main)
        await self._wait(chance)
        if how != "killed":
            await asyncio.to_thread(old.kill)
        await asyncio.to_thread(self.servers.rebuild, old, self.main)

    async def _wait(self, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0.05, self.longest))


def make_pair(servers: Rack, north: Node) -> tuple[Node, Node]:
    """Give a main server the standby without which it confirms nothing, and let each demand the other."""
    south = servers.follower("south", north)
    for node in (north, south):
        node.set("synchronous_standby_names", "north, south")
    north.wait_for_standby()
    return north, south
