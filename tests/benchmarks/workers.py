"""Two workers against one: what a call costs the gateway and PostgreSQL with either, and what that makes of two cores.

A machine with two cores cannot show it in time: callers, upstream and PostgreSQL need cores of their own. So the CPU is measured
(the processes' own accounting), in short rounds that take turns. A worker with a core of its own answers one call per
CPU of a call, and two do twice that, less what each call costs more than with one. Throughput is printed beside it as it was.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.benchmarks.figures import CALLS, ROUNDS, check, requests_of
from tests.benchmarks.load import closed_loop
from tests.benchmarks.stage import Process, stage
from tests.databases import Cluster, fresh_database

CONNECTIONS = 64


@dataclass(slots=True)
class Figures:
    """Of one number of workers, a round each: µs of CPU of a call in the gateway and in PostgreSQL, and calls a second."""

    gateway: list[float] = field(default_factory=list)
    postgresql: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)


async def measure_workers(postgres: Cluster) -> None:
    """Print what two workers do against one."""
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            upstream = await made.upstream()
            requests = requests_of(made.keys)
            running = {count: await made.gateway(workers=str(count), instance=f"bench-{count}") for count in (1, 2)}
            figures = {count: Figures() for count in running}
            admin = await asyncpg.connect(database.url("admin"))
            for gateway in running.values():
                check(await closed_loop(gateway.port, requests, CALLS, CONNECTIONS))
            for _ in range(ROUNDS):
                for count, gateway in running.items():
                    await _round(gateway, requests, admin, figures[count])
            await admin.close()
            for process in (*running.values(), upstream):
                await process.stop()
    for count, found in figures.items():
        print(
            f"workers: {count}: {statistics.median(found.gateway):.0f} µs of the gateway and "
            f"{statistics.median(found.postgresql):.0f} µs of PostgreSQL a call, {statistics.median(found.per_second):.0f} calls/s here"
        )
    one, two = figures[1], figures[2]
    ratios = [2 * a / b for a, b in zip(one.gateway, two.gateway, strict=True)]
    print(f"workers: two against one, each with a core of its own: {statistics.median(ratios):.2f} × (must be ≥ 1.7)")


async def _round(gateway: Process, requests: Sequence[bytes], admin: asyncpg.Connection, figures: Figures) -> None:
    backends = [
        row[0] for row in await admin.fetch("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    ]
    before = _cpu(_family(gateway.process.pid)), _cpu(backends), time.perf_counter()
    check(await closed_loop(gateway.port, requests, CALLS, CONNECTIONS))
    after = _cpu(_family(gateway.process.pid)), _cpu(backends), time.perf_counter()
    figures.gateway.append((after[0] - before[0]) / CALLS * 1e6)
    figures.postgresql.append((after[1] - before[1]) / CALLS * 1e6)
    figures.per_second.append(CALLS / (after[2] - before[2]))


def _family(number: int) -> list[int]:
    """A process and its children: a parent and its workers."""
    children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [number, *(int(one) for one in children.split())]


def _cpu(processes: Sequence[int]) -> float:
    """Seconds of CPU of these processes since each began."""
    total = 0
    for number in processes:
        with suppress(OSError):
            for task in Path(f"/proc/{number}/task").iterdir():
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9
