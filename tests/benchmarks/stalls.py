"""p99 of calls while the register is sealed, destroyed, exported, searched, sampled and verified, against p99 while it is not.

In rounds, in turns: nothing but the calls; all that work in another database of the same server, which is what it takes of the
machine; and all of it in the register that the calls are written to.
"""

import os
import statistics
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

from gateway.pki import make_pki
from tenants.checkpoints import make_signing_key, read_signing_keys
from tenants.sealer.signing import Signer
from tests.benchmarks.busy import ORIGIN
from tests.benchmarks.figures import check, p99, requests_of
from tests.benchmarks.load import closed_loop
from tests.benchmarks.machine import Idle
from tests.benchmarks.stage import Process, Stage, stage
from tests.benchmarks.trees import signer
from tests.databases import Cluster, fresh_database
from tests.db.calls import Writer
from tests.e2e.ledgers import until
from tests.retention.stage import Past
from tests.trees.stage import Calls, seal, sign_all
from tests.worlds import Keyrings, make_world

ROUNDS, MEASURED = 5, 400
UNSEALED, OUTDATED = 1_500, 60
"""Calls of each block with work that the sealer finds unsealed, and that have had their term."""
MOST = 1.25
QUIET, ELSEWHERE, BESIDE = "quiet", "all at once, elsewhere", "all at once"
# What must have moved in a block, or it has measured nothing.
_WORK = {
    "leaves sealed": "SELECT sum(size)::bigint FROM register.tree",
    "readings": "SELECT count(*) FROM register.reading",
    "steekproeven": "SELECT count(*) FROM register.steekproef",
    "old calls destroyed": "SELECT -count(*) FROM register.opening WHERE opened_at < now() - interval '2 years'",
}
_AT_WORK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' "
    "AND pid <> pg_backend_pid() AND usename = ANY ($1)"
)


@dataclass(frozen=True, slots=True)
class Worked:
    """A register that there is work in, and how it is asked."""

    made: Stage
    gateway: Process
    requests: list[bytes]
    past: Past

    async def prepare(self, number: int) -> None:
        """Leave something to be sealed, and something to be destroyed."""
        check(await closed_loop(self.gateway.port, self.requests, UNSEALED))
        await self.past.had(date(datetime.now(UTC).year - 4, number % 12 + 1, 1), OUTDATED)

    async def count(self) -> list[int]:
        return [int(await self.past.admin.fetchval(query) or 0) for query in _WORK.values()]


async def measure_stalls(postgres: Cluster) -> None:
    with fresh_database(postgres) as database, fresh_database(postgres) as elsewhere:
        async with stage(database, 10) as made, stage(elsewhere, 10) as other:
            (made.ground.directory / "checkpoint.key").write_bytes(make_signing_key())
            await made.upstream(0.05)
            await other.upstream(0.05)
            roles = ("gateway", "admin", "sealer", "inzage")
            connections = [await asyncpg.connect(database.url(role)) for role in roles]
            worked = Worked(made, await made.gateway(), requests_of(made.keys), await past_of(made, *connections))
            untouched = await other.gateway(), requests_of(other.keys)
            check(await closed_loop(untouched[0].port, untouched[1], UNSEALED))
            await worked.prepare(0)
            await sign_first(worked)
            figures, idle, done = await take_turns(worked, untouched)
            for connection in connections:
                await connection.close()
    for name in (QUIET, ELSEWHERE):
        ratios = [a / b for a, b in zip(figures[BESIDE], figures[name], strict=True)]
        must = f"; must be ≤ {MOST}" if name == QUIET else ""
        each = ", ".join(f"{one:.2f}" for one in ratios)
        print(f"stalls: p99 of calls, all at once / {name}: {statistics.median(ratios):.2f} × ({each}{must})")
    for name, values in figures.items():
        free = statistics.median(idle[name])
        print(
            f"stalls: {name}: p99 {statistics.median(values):.1f} ms ({min(values):.1f}-{max(values):.1f}), machine {free:.0%} idle"
        )
    print(f"stalls: done in each block: {'; '.join(done)}")


async def take_turns(
    worked: Worked, untouched: tuple[Process, list[bytes]]
) -> tuple[dict[str, list[float]], dict[str, list[float]], list[str]]:
    """p99s and idle shares by kind of block, and what was done in each that had work."""
    asked = {QUIET: (worked.gateway, worked.requests), ELSEWHERE: untouched, BESIDE: (worked.gateway, worked.requests)}
    kinds = list(asked)
    figures, idle = {kind: list[float]() for kind in kinds}, {kind: list[float]() for kind in kinds}
    done: list[str] = []
    for number in range(ROUNDS):
        # Each kind is first, second and last in turn: what the machine does meanwhile hits all of them alike.
        for kind in kinds[number % 3 :] + kinds[: number % 3]:
            workers: list[Process] = []
            if kind != QUIET:
                await worked.prepare(2 * number + (kind == BESIDE) + 1)
                before = await worked.count()
                workers = await start_workers(worked)
            free = Idle()
            figures[kind].append(await p99(*asked[kind], MEASURED))
            idle[kind].append(free.share())
            if workers:
                done.append(moved(before, await worked.count()))
                await stop_workers(worked, workers)
    return figures, idle, done


def moved(before: list[int], after: list[int]) -> str:
    """What a block has done. Raises RuntimeError when it sealed or read nothing."""
    steps = dict(zip(_WORK, (b - a for a, b in zip(before, after, strict=True)), strict=True))
    if not (steps["leaves sealed"] > 0 and steps["readings"] > 0):
        raise RuntimeError(f"A block without its work: {steps}")
    return ", ".join(f"{count} {name}" for name, count in steps.items())


async def past_of(
    made: Stage,
    gateway: asyncpg.Connection,
    admin: asyncpg.Connection,
    sealing: asyncpg.Connection,
    reader: asyncpg.Connection,
) -> Past:
    """A tenant beside the others, that keeps its calls for two years and has older ones."""
    registrar = await asyncpg.connect(made.database.url("tenants"))
    world = await make_world(registrar, make_pki(), Keyrings(), oin="00000001999999000000", afnemer_id="990001")
    await registrar.close()
    number = await gateway.fetchval("SELECT register.begin_writer('benchmark')")
    past = Past(world, Calls(Writer(gateway, "register", number)), sealing, signer(), reader, admin)
    await past.keeps(2)
    return past


async def sign_first(worked: Worked) -> None:
    """Seal and sign what there is, with the sealer's own key: a register without a checkpoint is not verified."""
    keys = tuple(read_signing_keys((worked.made.ground.directory / "checkpoint.key").read_bytes()))
    await seal(worked.past.sealing)
    if not all(await sign_all(worked.past.sealing, Signer(keys, ORIGIN), samples=0)):
        raise RuntimeError("A tree was not signed.")


async def start_workers(worked: Worked) -> list[Process]:
    """The sealer as it is, but in a hurry; and auditors. In productie each has a machine, or a share of one."""
    made = worked.made
    key_file = str(made.ground.directory / "checkpoint.key")
    settings = {
        "database_url": made.database.url("sealer"), "metrics_bind": "127.0.0.1:0", "every": "1", "seal_every": "1",
        "retention_every": "1", "retention_step": "50", "checkpoint_key_file": key_file, "checkpoint_origin": ORIGIN,
    }  # fmt: skip
    environment = {f"KOPPELPUNT_{name.upper()}": value for name, value in settings.items()}
    tenant = await worked.past.admin.fetchrow("SELECT tenant_id, oin FROM registry.tenant ORDER BY tenant_id LIMIT 1")
    auditors = [
        "-m", "tests.benchmarks.busy", made.database.url("inzage"), str(tenant["tenant_id"]), tenant["oin"],
        str(made.ground.file("register.keyring")), key_file,
    ]  # fmt: skip
    workers = [
        await made.start("sealer", "-m", "gateway", "sealer", environment=environment),
        await made.start("auditors", *auditors),
    ]
    for worker in workers:
        os.setpriority(os.PRIO_PROCESS, worker.process.pid, 10)
    return workers


async def stop_workers(worked: Worked, workers: list[Process]) -> None:
    """End them, and wait until PostgreSQL has ended what they had asked it for. Raises when one had ended by itself."""
    fallen = [one.output.read_text(errors="replace") for one in workers if one.process.returncode is not None]
    for worker in workers:
        await worker.stop()
    if fallen:
        raise RuntimeError(f"A worker ended by itself: {fallen[0][-2_000:]}")
    await until(lambda: is_silent(worked), 60)


async def is_silent(worked: Worked) -> bool:
    users = worked.made.database.cluster.users
    return not await worked.past.admin.fetchval(_AT_WORK, [users["sealer"], users["inzage"]])
