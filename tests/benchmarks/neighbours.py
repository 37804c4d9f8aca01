"""p99 of other tenants beside one that misbehaves in every way at once (promise 7).

Its upstream hangs with all places taken and callers waiting, its token endpoint fails, and a caller sends twenty times its
limit. In rounds, in turns: nobody else calls; the same flood at a listener that refuses without looking, which is what the
callers themselves take of the machine; and the flood at the gateway. The ratio that counts is of the last two.
"""

import asyncio
import statistics
from dataclasses import dataclass

import asyncpg

from tenants.rate_limits import add_rate_limit
from tenants.scope import operator_scope, tenant_scope
from tests.benchmarks.figures import CALLS, check, cpu_per_call, p99, requests_of
from tests.benchmarks.flood import Flood, begin, end
from tests.benchmarks.load import closed_loop
from tests.benchmarks.machine import Idle
from tests.benchmarks.stage import Process, Stage, stage
from tests.databases import Cluster, fresh_database

ROUNDS, MEASURED = 7, 400
LIMIT, BURST, TIMES = 5.0, 10, 20
AT_ONCE, FAILING_AT_ONCE = 48, 4
"""Calls at the aansluiting that hangs, which has 32 places: the others wait for one in vain, and ask again."""
MOST = 1.25
_FIRST = 50
"""Where the aansluitingen of the second tenant begin: the first and the third are the others."""
_LIMITED = _FIRST + 49
QUIET, ELSEWHERE, BESIDE = "quiet", "the flood elsewhere", "beside the flood"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that takes part."""

    made: Stage
    gateway: Process
    flooder: Process
    listener: Process
    requests: list[bytes]

    @property
    def others(self) -> list[bytes]:
        """Ten taaksystemen of two tenants."""
        return [*self.requests[:5], *self.requests[2 * _FIRST : 2 * _FIRST + 5]]

    def flood(self, number: int, port: int) -> Flood:
        """What a round floods with: each has its own aansluitingen, so that none finds what the one before left behind."""
        hanging, failing, limited = [
            self.requests[one].decode("latin-1") for one in (hanging_in(number), failing_in(number), _LIMITED)
        ]
        return Flood(port, hanging, AT_ONCE, failing, FAILING_AT_ONCE, limited, LIMIT * TIMES)


def hanging_in(number: int) -> int:
    return _FIRST + 2 * number


def failing_in(number: int) -> int:
    return _FIRST + 2 * number + 1


def client(place: int) -> str:
    return f"client-{place + 1:06d}"


async def measure_neighbours(postgres: Cluster) -> None:
    with fresh_database(postgres) as database:
        async with stage(database, 150) as made:
            await limit(database.url("tenants"), f"Taaksysteem {_LIMITED + 1:06d}")
            hangs = [client(hanging_in(number)) for number in range(ROUNDS)]
            await made.upstream(0.05, hangs, [client(failing_in(number)) for number in range(ROUNDS)])
            scene = Scene(
                made,
                await made.gateway(),
                await made.start("flood", "-m", "tests.benchmarks.flood", "flood"),
                await made.start(
                    "listener", "-m", "tests.benchmarks.flood", "listener",
                    ",".join(made.keys[hanging_in(number)] for number in range(ROUNDS)),
                ),
                requests_of(made.keys),
            )  # fmt: skip
            check(await closed_loop(scene.gateway.port, scene.others, 300))
            figures, idle, told = await take_turns(scene)
            call = await cpu_per_call(scene.gateway, scene.others)
            refusal = await cpu_of_refusal(scene)
    for name in (ELSEWHERE, QUIET):
        ratios = [a / b for a, b in zip(figures[BESIDE], figures[name], strict=True)]
        must = f"; must be ≤ {MOST}" if name == ELSEWHERE else ""
        each = ", ".join(f"{one:.2f}" for one in ratios)
        print(f"neighbours: p99 of others beside the flood / {name}: {statistics.median(ratios):.2f} × ({each}{must})")
    for name, values in figures.items():
        free = statistics.median(idle[name])
        print(
            f"neighbours: {name}: p99 {statistics.median(values):.1f} ms ({min(values):.1f}-{max(values):.1f}), machine {free:.0%} idle"
        )
    print(f"neighbours: told in the last round: {told}; a refusal costs {refusal:.0f} µs of CPU, a call {call:.0f}")


async def take_turns(scene: Scene) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, dict[int, int]]]:
    """p99s and idle shares by kind of block, and what the last flood at the gateway was told."""
    kinds = [QUIET, ELSEWHERE, BESIDE]
    figures, idle = {kind: list[float]() for kind in kinds}, {kind: list[float]() for kind in kinds}
    told: dict[str, dict[int, int]] = {}
    for number in range(ROUNDS):
        # Each kind is first, second and last in turn: what the machine does meanwhile hits all of them alike.
        for kind in kinds[number % 3 :] + kinds[: number % 3]:
            port = {ELSEWHERE: scene.listener.port, BESIDE: scene.gateway.port}.get(kind)
            flooding = None if port is None else await begin(scene.flooder.port, scene.flood(number, port))
            await asyncio.sleep(0.5)
            free = Idle()
            figures[kind].append(await p99(scene.gateway, scene.others, MEASURED))
            idle[kind].append(free.share())
            if flooding is not None:
                heard = await end(*flooding)
                if kind == BESIDE:
                    held = (await scene.made.ask_upstream("/release"))["released"]
                    told = heard
                    must_have_flooded(heard, held)
            # What hung is closed and recorded before the next block begins.
            await asyncio.sleep(0.5)
    return figures, idle, told


def must_have_flooded(told: dict[str, dict[int, int]], held: int) -> None:
    """Raise when a block has measured less than it says."""
    refused, seconds = told["limited"].get(429, 0), MEASURED / 100
    if held < 32 or not told["failing"] or refused < 0.5 * (TIMES - 1) * LIMIT * seconds:
        raise RuntimeError(f"This was no flood: {held} calls hung, and {told}")


async def cpu_of_refusal(scene: Scene) -> float:
    """µs of CPU of the gateway for a call over its limit; those few within it are in it too."""
    before = scene.gateway.cpu()
    outcome = await closed_loop(scene.gateway.port, [scene.requests[_LIMITED]], CALLS)
    if outcome.statuses.get(429, 0) < 0.9 * CALLS:
        raise RuntimeError(f"Not refused: {outcome.statuses}")
    return (scene.gateway.cpu() - before) / CALLS * 1e6


async def limit(url: str, name: str) -> None:
    """Give a taaksysteem of the second tenant its limit."""
    connection = await asyncpg.connect(url)
    try:
        async with operator_scope(connection, actor="benchmark"):
            tenants = [row[0] for row in await connection.fetch("SELECT tenant_id FROM registry.tenant ORDER BY 1")]
        tenant_id = tenants[1]
        async with tenant_scope(connection, tenant_id, actor="benchmark"):
            taaksysteem_id = await connection.fetchval(
                "SELECT taaksysteem_id FROM registry.taaksysteem WHERE tenant_id = $1 AND name = $2", tenant_id, name
            )
            await add_rate_limit(connection, tenant_id, taaksysteem_id, LIMIT, BURST)
    finally:
        await connection.close()
