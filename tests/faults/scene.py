"""Callers that never stop calling while something is done to the database, and what must hold of every call.

Whatever is done: a caller gets an answer, or a 503 with a code, within the patience of the gateway; no answer without
its closing row; no call at RvIG without its opening row; and in the end nothing stands open.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.ledgers import Called, Caller, Row, check_ledgers, read_orphans, unique_question, until
from tests.faults.nodes import Node
from tests.world import GatewayProcess, Member, World, world

OPEN_SECONDS, CLOSE_SECONDS = 1.0, 1.5
"""The patience that these gateways are given."""
BOUND_SECONDS = OPEN_SECONDS + CLOSE_SECONDS + 1.0
"""No caller waits longer, whatever happens; a second of it is for a machine that is busy with all of this."""
CODES = frozenset(
    {"registerOnbereikbaar", "registerVol", "uitkomstOnbekend", "registratieOnbereikbaar", "registratieInBeweging"}
)


@dataclass(slots=True)
class Scene:
    """One gateway under load. `stretches` are names of what happened, and where in the ledger it began."""

    world: World
    gateway: GatewayProcess
    members: Sequence[Member]
    caller: Caller
    load: list[asyncio.Task[None]] = field(default_factory=list)
    going: bool = True

    async def do(self, action: Callable[..., object], *arguments: object) -> None:
        """Do something to a server while the callers go on calling."""
        await asyncio.to_thread(action, *arguments)

    async def answers(self, count: int = 20, seconds: float = 30.0) -> None:
        """Wait until the service is back: so many answers from now on."""
        begun = len(self.caller.ledger)
        await until(lambda: sum(1 for one in self.caller.ledger[begun:] if one.status == 200) >= count, seconds)

    async def refusals(self, count: int = 20, seconds: float = 30.0) -> list[Called]:
        """Wait until nothing is answered any more: so many 503 in a row. Return these."""
        begun = len(self.caller.ledger)

        def ended() -> list[Called]:
            return sorted((one for one in self.caller.ledger[begun:] if one.ended), key=lambda one: one.ended)

        def are_refused() -> bool:
            found = ended()
            return len(found) >= count and all(one.status == 503 for one in found[-count:])

        await until(are_refused, seconds)
        return ended()[-count:]

    async def watch(self, path: str) -> tuple[int, dict[str, Any]]:
        """Ask the port of the watchers."""
        async with self.caller.session.get(f"http://127.0.0.1:{self.gateway.watch}{path}") as answer:
            return answer.status, await answer.json()

    async def is_down(self) -> dict[str, Any]:
        """Wait until /ready says no, with a reason; the process lives all the while."""

        async def says_no() -> bool:
            return (await self.watch("/ready"))[0] == 503

        await until(says_no, 15)
        assert (await self.watch("/live"))[0] == 200
        return (await self.watch("/ready"))[1]

    async def is_up(self) -> None:
        """Wait until /ready says yes."""

        async def says_yes() -> bool:
            return (await self.watch("/ready"))[0] == 200

        await until(says_yes, 30)

    async def settle(self, node: Node) -> list[Row]:
        """End the load, wait until nothing stands open on the node that is the main server now, check every promise."""
        await self.rest()
        self.world.database = node.database

        async def is_settled() -> bool:
            return not await read_orphans(node.database)

        await until(is_settled, 30)
        rows = await check_ledgers(self.world, self.caller)
        self.check_callers()
        return rows

    async def rest(self) -> None:
        """End the load."""
        self.going = False
        await asyncio.gather(*self.load)
        self.load.clear()

    def check_callers(self) -> None:
        """What callers got: an answer, or a 503 with a code of the register's, in time."""
        for one in self.caller.ledger:
            assert one.status in {200, 503}, one
            assert one.ended - one.began <= BOUND_SECONDS, f"{one.ended - one.began:.2f} s: {one}"
            if one.status == 503:
                assert one.code in CODES, one.code
                # Whoever is told that it may have happened is not told to try again.
                assert ("retry-after" in one.headers) == (one.code != "uitkomstOnbekend")

    def tally(self) -> Counter[str]:
        """How often what came back."""
        return Counter("200" if one.status == 200 else one.code for one in self.caller.ledger)

    def begin(self, callers: int) -> None:
        """Begin to call, again and again."""
        self.going = True
        self.load += [
            asyncio.create_task(self._call_on(self.members[number % len(self.members)])) for number in range(callers)
        ]

    async def _call_on(self, member: Member) -> None:
        while self.going:
            called = await self.caller.call(self.gateway.url, member, unique_question())
            # Whoever is refused at once would ask thousands of times a second.
            await asyncio.sleep(0.01 if called.status == 200 else 0.05)


@contextlib.asynccontextmanager
async def scene(
    main: Node, directory: Path, caller: Caller, *, callers: int = 8, url: str | None = None, **settings: str
) -> AsyncIterator[Scene]:
    """A gateway whose database is `main` (or `url`), with callers that have had answers."""
    async with world(main.database, directory) as here:
        members = await here.add_members(2)
        chosen = {
            "database_url": url or main.database.url("gateway"),
            "open_timeout": str(OPEN_SECONDS),
            "close_timeout": str(CLOSE_SECONDS),
            "durability": "disk",
        }
        async with here.gateways(1, **chosen | settings) as (gateway,):
            made = Scene(here, gateway, members, caller)
            made.begin(callers)
            try:
                await made.answers()
                yield made
            finally:
                await made.rest()
