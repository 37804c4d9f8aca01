"""One gateway between two wires, so that a step of a call can fail before or after it was done."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.databases import Database
from tests.e2e.ledgers import (
    Called,
    Caller,
    CheckingLog,
    Row,
    check_ledgers,
    read_orphans,
    unique_question,
    until,
    wait_for_silence,
)
from tests.register.wire import Wire, wire_to
from tests.world import GatewayProcess, Member, World, world


@dataclass(slots=True)
class Stage:
    """One gateway between two wires, `database` and `rvig`, and the ledgers of its calls."""

    world: World
    database: Wire
    rvig: Wire
    gateway: GatewayProcess
    member: Member
    caller: Caller
    log: CheckingLog

    def start_call(self) -> "asyncio.Task[Called]":
        return asyncio.create_task(self.caller.call(self.gateway.url, self.member, unique_question()))

    async def call(self) -> Called:
        return await self.start_call()

    async def warm_up(self) -> None:
        """From now on token, connections and data key are there, so that the next call meets no other step."""
        assert (await self.call()).status == 200
        self.world.simulator.seen.clear()
        self.caller.ledger.clear()

    def fault(self, kind: FaultKind, match: Match, **settings: float) -> None:
        self.world.simulator.faults.add(FaultRule(kind, match, times=1, seconds=settings.get("seconds")))

    async def asked_token(self) -> None:
        await until(lambda: bool(self.world.simulator.seen.tokens()))

    async def arrived(self) -> None:
        """Wait until RvIG has the call."""
        await until(lambda: bool(self.world.seen()))

    async def opened(self) -> None:
        """Wait until the opening is durable."""
        await until(self._has_orphans)

    async def works_again(self) -> None:
        """After the fault the gateway serves as if nothing had happened. It may need a moment to find back."""

        async def works() -> bool:
            await asyncio.sleep(0.1)
            return (await self.call()).status == 200

        await until(works)

    async def kill(self) -> None:
        self.gateway.kill()
        await self.gateway.process.wait()
        # What the dead one had sent may still be on its way; its sessions end by themselves.
        await self.database.cut()
        await wait_for_silence(self.world.database)

    async def settle(self) -> dict[int, Row]:
        """Wait until nothing is open any more, check the ledgers; the first call's rows by number of the call."""

        async def is_settled() -> bool:
            return not await self._has_orphans()

        await until(is_settled)
        return await self.check()

    async def _has_orphans(self) -> bool:
        return bool(await read_orphans(self.world.database))

    async def check(self) -> dict[int, Row]:
        rows = await check_ledgers(self.world, self.caller)
        assert self.log.unopened == []
        by_trace = {row.trace_id: row for row in rows}
        return {n: by_trace[c.trace] for n, c in enumerate(self.caller.ledger) if c.trace in by_trace}


@contextlib.asynccontextmanager
async def stage_of(database: Database, directory: Path, caller: Caller) -> AsyncIterator[Stage]:
    """A stage with one member and one gateway."""
    async with contextlib.AsyncExitStack() as stack:
        wire = await stack.enter_async_context(wire_to(database.url("gateway")))
        here = await stack.enter_async_context(world(database, directory, wired=True))
        log = here.simulator.seen = CheckingLog(database)
        stack.callback(log.close)
        member = await here.add_member()
        settings = {"database_url": wire.url, "open_timeout": "1", "close_timeout": "1.5"}
        (gateway,) = await stack.enter_async_context(here.gateways(1, **settings))
        yield Stage(here, wire, here.wire, gateway, member, caller, log)
