"""`make bench`: prints the figures of DESIGN §10 that this version has. `make bench BENCH="cost latency"` chooses."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from tests.benchmarks.authorisation import measure_authorisation
from tests.benchmarks.callers import measure_callers
from tests.benchmarks.figures import (
    count_tokens,
    measure_cost,
    measure_latency,
    measure_memory,
    measure_registered,
)
from tests.benchmarks.inzage import measure_inzage
from tests.benchmarks.neighbours import measure_neighbours
from tests.benchmarks.onboarding import measure_onboarding
from tests.benchmarks.size import measure_size
from tests.benchmarks.stalls import measure_stalls
from tests.benchmarks.trees import measure_sealing, measure_verification
from tests.benchmarks.workers import measure_workers
from tests.databases import Cluster, cluster

FIGURES: dict[str, Callable[[Cluster], Coroutine[Any, Any, None]]] = {
    "cost": measure_cost,
    "latency": measure_latency,
    "registered": measure_registered,
    "memory": measure_memory,
    "tokens": count_tokens,
    "neighbours": measure_neighbours,
    "authorisation": measure_authorisation,
    "sealing": measure_sealing,
    "verification": measure_verification,
    "callers": measure_callers,
    "inzage": measure_inzage,
    "size": measure_size,
    "stalls": measure_stalls,
    "workers": measure_workers,
    "onboarding": measure_onboarding,
}


def main() -> None:
    chosen = sys.argv[1:] or list(FIGURES)
    unknown = sorted(set(chosen) - set(FIGURES))
    if unknown:
        sys.exit(f"Unknown: {', '.join(unknown)}. There are: {', '.join(FIGURES)}.")
    with cluster() as postgres:
        for name in chosen:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(FIGURES[name](postgres))


main()
