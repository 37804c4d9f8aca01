"""The figures: each sets its stage, measures in interleaved rounds, and prints a ratio with the medians behind it."""

import json
import statistics
from collections.abc import Sequence

from tests.benchmarks.load import Outcome, closed_loop, fixed_rate, make_request
from tests.benchmarks.stage import Process, Stage, stage
from tests.benchmarks.upstream import ANSWER
from tests.databases import Cluster, fresh_database

PATH = "/api/brp/personen"
FIELDS = [
    "burgerservicenummer",
    "naam.voornamen",
    "naam.geslachtsnaam",
    "naam.voorletters",
    "geboorte.datum",
    "adressering",
]
BODY = json.dumps(
    {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": ["999941112"], "fields": FIELDS}
).encode()
ROUNDS = 15
"""Many short ones, interleaved: what else the machine does meanwhile hits all of them alike."""
ROUNDS_IN_TIME = 5
"""Of the figures in which calls come at a fixed rate."""
CALLS = 1_000


def requests_of(keys: Sequence[str]) -> list[bytes]:
    return [make_request(PATH, BODY, {"x-api-key": key}) for key in keys]


async def cpu_per_call(process: Process, requests: Sequence[bytes], calls: int = CALLS) -> float:
    """µs of CPU of the process per call; raises when a call was not answered with 200."""
    before = process.cpu()
    outcome = await closed_loop(process.port, requests, calls)
    check(outcome)
    return (process.cpu() - before) / calls * 1e6


def check(outcome: Outcome) -> None:
    if set(outcome.statuses) != {200}:
        raise RuntimeError(f"Not every call was answered with 200: {outcome.statuses}")


async def measure_cost(postgres: Cluster) -> None:
    """CPU of a fully recorded call against the bare forwarder; ten aansluitingen take turns."""
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            upstream = await made.upstream()
            measured = {
                "gateway": (await made.gateway(), requests_of(made.keys)),
                "bare": (await made.forwarder(), requests_of(made.keys[:1])),
                "bare, our server": (await made.forwarder("--ours"), requests_of(made.keys[:1])),
            }
            figures: dict[str, list[float]] = {name: [] for name in measured}
            for process, requests in measured.values():
                await cpu_per_call(process, requests, 1_000)
            for _ in range(ROUNDS):
                for name, (process, requests) in measured.items():
                    figures[name].append(await cpu_per_call(process, requests))
            for process, _ in measured.values():
                await process.stop()
            await upstream.stop()
    for name, values in figures.items():
        print(f"cost: {name}: {statistics.median(values):.0f} µs a call ({min(values):.0f}-{max(values):.0f})")
    for name in ("bare", "bare, our server"):
        ratios = [a / b for a, b in zip(figures["gateway"], figures[name], strict=True)]
        print(
            f"cost: gateway / {name}: {statistics.median(ratios):.2f} × (answer {len(ANSWER)} bytes; must be ≤ 1.25 of bare)"
        )


async def measure_latency(postgres: Cluster) -> None:
    """Latency added to an upstream of 50 ms, at 100 calls a second; the bare forwarder shows what the machine adds."""
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            upstream = await made.upstream(0.05)
            measured = {"gateway": await made.gateway(), "bare": await made.forwarder()}
            request = requests_of(made.keys)[0]
            added: dict[tuple[str, str], list[float]] = {}
            for process in measured.values():
                check(await closed_loop(process.port, [request], 200))
            for _ in range(ROUNDS_IN_TIME):
                for name, process in measured.items():
                    outcome = await fixed_rate(process.port, [request], 500, 100)
                    check(outcome)
                    for quantile, share in (("p50", 0.5), ("p99", 0.99)):
                        added.setdefault((quantile, name), []).append((outcome.quantile(share) - 0.05) * 1000)
            for process in [*measured.values(), upstream]:
                await process.stop()
    for quantile, most in (("p50", 3), ("p99", 10)):
        shown = [
            f"{name} {statistics.median(values):.2f} ms ({min(values):.2f}-{max(values):.2f})"
            for (of, name), values in added.items()
            if of == quantile
        ]
        print(f"latency: {quantile} added: {', '.join(shown)}; must be ≤ {most}")


async def measure_registered(postgres: Cluster) -> None:
    """Cost of a call with 10 and with 10,000 registered aansluitingen, both gateways up at the same time."""
    with fresh_database(postgres) as few, fresh_database(postgres) as many:
        async with stage(few, 10) as small, stage(many, 10_000) as large:
            processes: list[Process] = []
            figures: dict[str, list[float]] = {"10": [], "10,000": []}
            measured: dict[str, tuple[Process, list[bytes]]] = {}
            for name, made in (("10", small), ("10,000", large)):
                processes.append(await made.upstream())
                measured[name] = (await made.gateway(), requests_of(made.keys[:10]))
            for process, requests in measured.values():
                await cpu_per_call(process, requests, 1_000)
            for _ in range(ROUNDS):
                for name, (process, requests) in measured.items():
                    figures[name].append(await cpu_per_call(process, requests))
            for process in [*processes, *(process for process, _ in measured.values())]:
                await process.stop()
    ratios = [a / b for a, b in zip(figures["10,000"], figures["10"], strict=True)]
    medians = ", ".join(f"{name}: {statistics.median(values):.0f} µs" for name, values in figures.items())
    print(f"registered: 10,000 / 10 aansluitingen: {statistics.median(ratios):.2f} × ({medians}; must be ≤ 1.10)")


async def measure_memory(postgres: Cluster) -> None:
    """Resident memory with 10,000 registered and 1,000 active aansluitingen."""
    with fresh_database(postgres) as database:
        async with stage(database, 10_000) as made:
            upstream, gateway = await made.upstream(), await made.gateway()
            idle = gateway.memory_mib()
            await use_all(made, gateway, 1_000)
            print(
                f"memory: 10,000 registered: {idle:.0f} MiB; 1,000 active: {gateway.memory_mib():.0f} MiB (must be ≤ 300)"
            )
            await gateway.stop()
            await upstream.stop()


async def use_all(made: Stage, gateway: Process, active: int) -> None:
    check(await closed_loop(gateway.port, requests_of(made.keys[:active]), active * 3, connections=16))


async def p99(gateway: Process, requests: Sequence[bytes], calls: int) -> float:
    """The p99 in ms of so many calls, a hundred a second; raises when one was not answered with 200."""
    outcome = await fixed_rate(gateway.port, requests, calls, 100)
    check(outcome)
    return outcome.quantile(0.99) * 1000


async def count_tokens(postgres: Cluster) -> None:
    """Token requests for 1,000 simultaneous first calls of one aansluiting."""
    with fresh_database(postgres) as database:
        async with stage(database, 1) as made:
            upstream = await made.upstream(0.05)
            gateway = await made.gateway(calls_per_tenant="1000", calls_at_once="4000")
            outcome = await closed_loop(gateway.port, requests_of(made.keys), 1_000, connections=1_000)
            print(
                f"tokens: {(await made.ask_upstream('/tokens'))['tokens']} request(s) for 1,000 simultaneous first calls (must be 1); answers {outcome.statuses}"
            )
            await gateway.stop()
            await upstream.stop()
