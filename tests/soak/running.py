"""One run of the soak: the plan carried out under traffic, and then everything judged."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import asyncpg

from tenants.verify.expecting import Trust
from tenants.verify.running import verify_live
from tests.e2e.ledgers import Row, read_orphans, read_register, until
from tests.export.stage import quiet
from tests.faults.nodes import NAME
from tests.faults.test_backup import GAPS
from tests.soak import judging
from tests.soak.admin import Admin
from tests.soak.beside import Beside
from tests.soak.breaking import Breaker
from tests.soak.changing import Changes
from tests.soak.installation import Installation
from tests.soak.memory import Growth, Memory
from tests.soak.plan import LANES, Fault
from tests.soak.showing import Show
from tests.soak.traffic import Traffic

PATIENCE_SECONDS = 45.0
"""No caller waits longer, whatever happens: RvIG's own time-out, and the gateway's for opening and closing."""
READY_SECONDS = 180.0
ANSWERS_SECONDS = 300.0
"""Patience of the run itself, which judges nothing."""
Do = Callable[[random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run. `faults` is everything that was wrong; the rest are figures."""

    faults: list[str]
    done: Counter[str]
    tally: Counter[str]
    slowest: float
    rows: int
    verified: int
    orphans: int
    admin: Counter[int]
    growths: list[Growth]
    most_memory: float


@dataclass(slots=True)
class Run:
    """Everything of one run. Each lane of the plan goes its own way; a lane that fails ends the run."""

    here: Installation
    traffic: Traffic
    show: Show
    longest: float
    memory: Memory = field(default_factory=Memory)
    done: Counter[str] = field(default_factory=Counter)
    admin: Admin = field(init=False)
    changes: Changes = field(init=False)
    breaker: Breaker = field(init=False)
    beside: Beside = field(init=False)

    def __post_init__(self) -> None:
        self.admin = Admin(self.here)
        self.changes = Changes(self.admin, self.traffic, self.longest)
        self.breaker = Breaker(self.here, self.traffic, self.longest)
        self.beside = Beside(self.here, self.admin, self.longest)

    async def carry_out(self, plan: tuple[Fault, ...], callers: int) -> None:
        """Begin the traffic, do all that is planned, and let the traffic rest."""
        self.traffic.begin(callers)
        await self.traffic.answers(5, ANSWERS_SECONDS)
        looking = asyncio.create_task(self._look())
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as lanes:
                for lane in LANES:
                    lanes.create_task(self._go([one for one in plan if one.lane == lane], began))
            await self.traffic.answers(20, ANSWERS_SECONDS)
        finally:
            looking.cancel()
            await self.traffic.rest()

    async def _go(self, faults: list[Fault], began: float) -> None:
        doing = self._doing(faults[0].lane)
        for one in faults:
            await asyncio.sleep(max(0.0, one.at - (time.monotonic() - began)))
            self.show.begins(one, len(self.traffic.ledger))
            try:
                await doing[one.name](random.Random(one.seed))
                if one.lane in {"database", "gateways"}:
                    await self.traffic.answers(10, ANSWERS_SECONDS)
            except Exception as error:
                error.add_note(f"while {one.lane} did {one.name} (planned at {one.at:.1f} s, seed {one.seed})")
                raise
            self.show.ends(one)
            self.done[one.name] += 1

    def _doing(self, lane: str) -> Mapping[str, Do]:
        return {
            "database": self.here.pair.faults,
            "gateways": self.breaker.gateways,
            "processes": self.breaker.others,
            "upstream": self.breaker.upstream,
            "registry": self.changes.faults,
            "beside": self.beside.faults,
        }[lane]

    async def _look(self) -> None:
        while True:
            self.memory.look([one for one in self.here.all if one.process.returncode is None])
            self.show.now(self.traffic)
            await asyncio.sleep(1.0)

    async def judge(self, settle: float, least: float, growth: float) -> Result:
        """Wait until nothing stands open that can be closed, and judge everything.

        `growth` is the most that a process may grow, in MiB per minute, if it ran `least` seconds after `settle`.
        """
        here, visits = self.here, self.traffic.ledger
        self.show.says("everything rests; waiting for what stands open")
        rows, orphans = await self._settle()
        seen = here.world.seen()
        found = judging.judge_ledgers(visits, seen, rows, orphans)
        found += judging.judge_hopeless(visits, seen)
        found += judging.judge_stops(self.changes.stopped, rows, seen, visits)
        found += [f"answered while stopped: {one.kind} {one.trace}" for one in self.changes.passed]
        found += judging.judge_certificates(self.changes.replaced, rows)
        found += judging.judge_callers(visits, PATIENCE_SECONDS)
        for table in ("opening", "closing"):
            gaps = here.pair.main.execute(GAPS.format(table), NAME)
            found += judging.judge_numbers(one for one in gaps if one[1] != here.old.tenant_id)
        found += [f"{name} ended with status {status}" for name, status in self.breaker.statuses if status != 0]
        found += self.beside.found
        self.show.says("verifying every register")
        verified = await self._verify(rows, found)
        found += await self._judge_processes(len(orphans))
        growths = self.memory.growths(settle, least)
        found += [f"{one.name} grew {one.per_minute:.2f} MiB a minute" for one in growths if one.per_minute > growth]
        found += judging.judge_lines(here.all)
        tally = Counter(_name_of(one) for one in visits)
        slowest = max(one.ended - one.began for one in visits)
        return Result(found, self.done, tally, slowest, len(rows), verified, len(orphans), self.admin.statuses, growths,
                      self.memory.most)  # fmt: skip

    async def _settle(self) -> tuple[list[Row], set[tuple[int, UUID]]]:
        """Wait until every gateway that runs has written what it can, and the number of open calls stays."""
        here = self.here

        async def is_quiet() -> bool:
            for one in here.serving:
                metrics = judging.read_metrics(await here.metrics(one))
                if judging.total(metrics, "koppelpunt_register_waiting") or not await here.is_ready(one):
                    return False
                if judging.total(metrics, "koppelpunt_calls_running") or judging.total(metrics, "koppelpunt_blocks"):
                    return False
            await asyncio.sleep(0.2)
            return True

        await until(is_quiet, ANSWERS_SECONDS)
        database = here.world.database
        return await read_register(database), await read_orphans(database)

    async def _verify(self, rows: list[Row], found: list[str]) -> int:
        """Wait until all rows are sealed and signed, and what is too old is gone; verify every tenant's register."""
        here, database = self.here, self.here.world.database
        wanted = Counter(row.tenant_id for row in rows)
        reader, admin = await asyncpg.connect(database.url("inzage")), await asyncpg.connect(database.url("admin"))
        verified = 0
        try:

            async def is_destroyed() -> bool:
                await asyncio.sleep(0.2)
                return await here.old.count(admin) == 0

            try:
                await until(is_destroyed, ANSWERS_SECONDS)
            except TimeoutError:
                found.append(f"retention left {await here.old.count(admin)} rows of {here.old.month}")
            for tenant_id, oin in [(one.member.tenant_id, one.member.account.oin) for one in here.clients]:
                if wanted[tenant_id]:
                    found += await self._verify_one(reader, oin, wanted[tenant_id])
                    verified += 1
            found += await self._verify_one(reader, here.old.oin, 0)
        finally:
            await reader.close()
            await admin.close()
        return verified + 1

    async def _verify_one(self, reader: asyncpg.Connection, oin: str, openings: int) -> list[str]:
        trust = Trust(self.here.trusted(oin), ())
        for _ in range(600):
            verdict = await verify_live(reader, oin, trust, quiet, reason="na de proef", actor="auditor")
            if verdict.faults or verdict.tally.openings >= openings:
                break
            # The sealers are not there yet.
            await asyncio.sleep(0.5)
        if verdict.faults:
            return [f"register of {oin}: {verdict.faults[0]}"]
        if verdict.tally.openings < openings:
            return [f"register of {oin}: {verdict.tally.openings} of {openings} openings are sealed"]
        return []

    async def _judge_processes(self, orphans: int) -> list[str]:
        found: list[str] = []
        for one in self.here.serving:
            metrics = judging.read_metrics(await self.here.metrics(one))
            found += judging.judge_gateway(one, metrics, self.traffic.ledger)
        for one in self.here.sealers:
            found += judging.judge_sealer(one, judging.read_metrics(await self.here.metrics(one)), orphans)
        for one in [*self.here.sealers, *self.here.tenants, *self.here.serving]:
            try:
                # A sealer finds back to its database within the time that its sessions take.
                await until(partial(self.here.is_ready, one), READY_SECONDS)
            except TimeoutError:
                found.append(f"{one.name} is not ready {READY_SECONDS:g} s after everything was over")
        return found


def _name_of(one: object) -> str:
    status = getattr(one, "status", None)
    if status is None:
        return "broken off"
    if status == 200:
        return "200"
    document = getattr(one, "body", b"")
    return f"{status} {getattr(one, 'code', '')}" if document.startswith(b"{") else str(status)
