"""p99 of calls while the register is sealed, destroyed, exported, searched and reported on, against p99 while it is not."""

import os
import statistics
from datetime import UTC, date, datetime

import asyncpg

from gateway.pki import make_pki
from tenants.checkpoints import make_signing_key
from tests.benchmarks.figures import ROUNDS_IN_TIME, check, p99, requests_of
from tests.benchmarks.load import closed_loop
from tests.benchmarks.stage import Process, Stage, stage
from tests.benchmarks.trees import signer
from tests.databases import Cluster, fresh_database
from tests.db.calls import Writer
from tests.retention.stage import Past
from tests.trees.stage import Calls
from tests.worlds import Keyrings, make_world

UNSEALED, OUTDATED = 3_000, 200
"""Calls of each round that the sealer finds unsealed, and that have had their term."""
MOST = 1.25


async def measure_stalls(postgres: Cluster) -> None:
    """In rounds: quiet, and with all of it at once. All share the machine; what is no gateway runs at a lower priority."""
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            (made.ground.directory / "checkpoint.key").write_bytes(make_signing_key())
            upstream, gateway = await made.upstream(0.05), await made.gateway()
            connections = [
                await asyncpg.connect(database.url(role)) for role in ("gateway", "admin", "sealer", "inzage")
            ]
            past, request = await past_of(made, *connections), requests_of(made.keys)[0]
            check(await closed_loop(gateway.port, [request], UNSEALED))
            figures: dict[str, list[float]] = {"quiet": [], "all at once": []}
            done: list[str] = []
            for number in range(ROUNDS_IN_TIME):
                check(await closed_loop(gateway.port, requests_of(made.keys), UNSEALED))
                await past.had(date(datetime.now(UTC).year - 4, number + 1, 1), OUTDATED)
                before = await count_work(past.admin)
                figures["quiet"].append(await p99(gateway, [request], 500))
                workers = await start_workers(made, past.admin)
                figures["all at once"].append(await p99(gateway, [request], 500))
                for worker in workers:
                    await worker.stop()
                done.append(
                    ", ".join(
                        f"{b - a} {name}"
                        for name, (a, b) in zip(_WORK, pairs(before, await count_work(past.admin)), strict=True)
                    )
                )
            for process in (gateway, upstream):
                await process.stop()
            for connection in connections:
                await connection.close()
    ratios = [b / a for a, b in zip(*figures.values(), strict=True)]
    medians = ", ".join(
        f"{name} {statistics.median(values):.1f} ms ({min(values):.1f}-{max(values):.1f})"
        for name, values in figures.items()
    )
    print(f"stalls: of each round: {'; '.join(done)}")
    print(f"stalls: p99 of calls: {statistics.median(ratios):.2f} x ({medians}; must be ≤ {MOST})")


# What must have moved in a round, or it has measured nothing.
_WORK = {
    "leaves sealed": "SELECT sum(size)::bigint FROM register.tree",
    "readings": "SELECT count(*) FROM register.reading",
    "old rows left": "SELECT count(*) FROM register.opening WHERE opened_at < now() - interval '2 years'",
}


async def count_work(admin: asyncpg.Connection) -> list[int]:
    return [int(await admin.fetchval(query) or 0) for query in _WORK.values()]


def pairs(before: list[int], after: list[int]) -> list[tuple[int, int]]:
    return list(zip(before, after, strict=True))


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


async def start_workers(made: Stage, admin: asyncpg.Connection) -> list[Process]:
    """The sealer as it is, but in a hurry; and auditors. In productie each has a machine, or a share of one."""
    settings = {
        "database_url": made.database.url("sealer"), "metrics_bind": "127.0.0.1:0", "every": "1", "seal_every": "1",
        "retention_every": "1", "retention_step": "50", "checkpoint_key_file": str(made.ground.directory / "checkpoint.key"),
    }  # fmt: skip
    environment = {f"KOPPELPUNT_{name.upper()}": value for name, value in settings.items()}
    tenant = await admin.fetchrow("SELECT tenant_id, oin FROM registry.tenant ORDER BY tenant_id LIMIT 1")
    auditors = [
        "-m", "tests.benchmarks.busy", made.database.url("inzage"), str(tenant["tenant_id"]), tenant["oin"],
        str(made.ground.file("register.keyring")),
    ]  # fmt: skip
    workers = [
        await made.start("sealer", "-m", "gateway", "sealer", environment=environment),
        await made.start("auditors", *auditors),
    ]
    for worker in workers:
        os.setpriority(os.PRIO_PROCESS, worker.process.pid, 10)
    return workers
