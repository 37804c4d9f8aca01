"""What is done to the processes, and what goes wrong at RvIG."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.e2e.ledgers import until
from tests.soak.installation import Installation
from tests.soak.processes import Process
from tests.soak.traffic import Traffic

Break = Callable[[random.Random], Awaitable[None]]
_KILLED_LOOSE_SECONDS = 0.2
_TRIES = 5
_AT_LAST = 300.0
"""Seconds after which something that a process must do is not only slow: nothing is judged by how soon it comes."""


@dataclass(slots=True)
class Breaker:
    """Owns what was found wrong while processes were stopped: statuses of processes that were asked to end."""

    here: Installation
    traffic: Traffic
    longest: float
    statuses: list[tuple[str, int]] = field(default_factory=list)

    @property
    def gateways(self) -> dict[str, Break]:
        these = (self.roll_gateway, self.kill_gateway, self.kill_worker, self.replace_workers)
        return {one.__name__: one for one in these}

    @property
    def others(self) -> dict[str, Break]:
        these = (self.roll_tenants, self.kill_tenants, self.kill_sealer, self.roll_sealer)
        return {one.__name__: one for one in these}

    async def roll_gateway(self, chance: random.Random) -> None:
        """As an upgrade does: a new one is in service before the old one is asked to end."""
        old = chance.choice(self.here.serving)
        await self.here.start_gateway(old.workers)
        self.here.serving.remove(old)
        # Who was sent to it before that is there: a balancer takes a gateway out of service, and only then it is told to end.
        await self.traffic.settled(old)
        self.statuses.append((old.name, await old.stop()))

    async def kill_gateway(self, chance: random.Random) -> None:
        """It is gone without a word; the balancer notices, and another one comes."""
        old = chance.choice(self.here.serving)
        await old.kill()
        await asyncio.sleep(_KILLED_LOOSE_SECONDS)
        self.here.serving.remove(old)
        await self.here.start_gateway(old.workers)

    async def kill_worker(self, chance: random.Random) -> None:
        """Its parent begins another."""
        parents = [one for one in self.here.serving if one.workers > 1]
        if not parents:
            return
        parent = chance.choice(parents)
        workers = parent.pids[1:]
        parent.killed.append(time.time())
        os.kill(chance.choice(workers), signal.SIGKILL)
        await until(
            lambda: len(set(parent.pids[1:]) - set(workers)) > 0 and len(parent.pids) == parent.workers + 1, _AT_LAST
        )

    async def replace_workers(self, chance: random.Random) -> None:
        """SIGHUP: all workers are replaced, one by one, and no call is lost."""
        parents = [one for one in self.here.serving if one.workers > 1]
        if not parents:
            return
        parent = chance.choice(parents)
        parent.replaced = True
        for _ in range(_TRIES):
            if await self._told_to_replace(parent):
                return
            # A new worker that cannot begin, because the database is away, leaves the old ones: then it is told again.
            await asyncio.sleep(1.0)
        raise AssertionError(f"{parent.name} does not replace its workers")

    async def _told_to_replace(self, parent: Process) -> bool:
        """Tell it, and wait until it says what came of it."""
        done, failed = parent.said("workers_replaced"), parent.said("worker_not_replaced")
        parent.process.send_signal(signal.SIGHUP)
        await until(
            lambda: parent.said("workers_replaced") > done or parent.said("worker_not_replaced") > failed, _AT_LAST
        )
        return parent.said("workers_replaced") > done

    async def roll_tenants(self, _chance: random.Random) -> None:
        old = self.here.tenants[-1]
        await self.here.start_tenants()
        self.here.tenants.remove(old)
        self.statuses.append((old.name, await old.stop()))

    async def kill_tenants(self, _chance: random.Random) -> None:
        old = self.here.tenants[-1]
        await old.kill()
        self.here.tenants.remove(old)
        await self.here.start_tenants()

    async def kill_sealer(self, _chance: random.Random) -> None:
        """The one that leads dies; the other one takes over, and a new one stands by."""
        leader = await self._leader()
        await leader.kill()
        self.here.sealers.remove(leader)
        await self.here.start_sealer()

    async def roll_sealer(self, chance: random.Random) -> None:
        old = chance.choice(self.here.sealers)
        self.here.sealers.remove(old)
        self.statuses.append((old.name, await old.stop()))
        await self.here.start_sealer()

    async def _leader(self) -> Process:
        for one in self.here.sealers:
            with contextlib.suppress(OSError):
                if "koppelpunt_sealing_leader 1.0" in await self.here.metrics(one):
                    return one
        # Nobody leads while the database is away.
        return self.here.sealers[0]

    @property
    def upstream(self) -> dict[str, Break]:
        """What RvIG does, each for a while or for a number of calls."""
        kinds = {
            "slow": (FaultRule(FaultKind.SLOW, seconds=1.5), True),
            "hang": (FaultRule(FaultKind.HANG, seconds=4.0, times=10), True),
            "reset": (FaultRule(FaultKind.RESET, times=10), False),
            "reset_kept_alive": (FaultRule(FaultKind.RESET_KEPT_ALIVE, times=10), False),
            "truncated": (FaultRule(FaultKind.TRUNCATED, Match(method="POST"), times=10), False),
            "failing": (FaultRule(FaultKind.STATUS, times=20, status=503), False),
            "garbage": (
                FaultRule(
                    FaultKind.ANSWER, Match(api="personen"), times=10, status=200, body=b'{"personen": 999941112'
                ),
                False,
            ),
            "no_tokens": (FaultRule(FaultKind.TOKEN_REFUSED, times=5), False),
            "dead_tokens": (FaultRule(FaultKind.TOKEN_INVALID, times=10), False),
        }
        made = {name: self._failing(rule, lasts) for name, (rule, lasts) in kinds.items()}
        return made | {"forgotten_tokens": self.forget_tokens, "cut_off": self.cut_off}

    def _failing(self, rule: FaultRule, lasts: bool) -> Break:
        async def fail(chance: random.Random) -> None:
            faults = self.here.world.simulator.faults
            if rule.kind == FaultKind.TOKEN_REFUSED:
                self.here.world.simulator.tokens.expire()
            number = faults.add(rule)
            seconds = chance.uniform(0.3, self.longest) if lasts else self.longest
            with contextlib.suppress(TimeoutError):
                await until(lambda: faults.remaining(number) == 0, seconds)
            faults.remove(number)

        return fail

    async def forget_tokens(self, _chance: random.Random) -> None:
        """RvIG knows none of its tokens any more."""
        self.here.world.simulator.tokens.expire()

    async def cut_off(self, chance: random.Random) -> None:
        """The network to RvIG breaks, again and again."""
        for _ in range(5):
            await self.here.world.wire.cut()
            await asyncio.sleep(chance.uniform(0.05, 0.5))
