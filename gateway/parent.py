"""The parent of several workers, put together: its sockets, its workers, and one watchers' port for all of them.

What a worker does for its parent stands here too.
"""

import asyncio
import ctypes
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.config import GatewayConfig
from gateway.serve import ServeSettings, serve
from gateway.telemetry import configure_logging
from gateway.worker_watching import make_workers_watching
from gateway.workers import Workers, listen_on

_SET_PARENT_DEATH_SIGNAL: Final = 1
_MARGIN: Final = 10.0


def stop_seconds(config: GatewayConfig) -> float:
    """How long a gateway may take to end after SIGTERM; a worker that takes longer is killed."""
    return config.drain_idle_seconds + config.drain_seconds + config.close_timeout + _MARGIN


def tell_ready(descriptor: int, watch: int) -> None:
    """Called in a worker when it serves: tell its parent the port of its watchers."""
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(str(watch).encode())


async def run_parent(config: GatewayConfig, *, shutdown: asyncio.Event, ready: Callable[[int, int], None]) -> None:
    """Run the workers that the settings ask for. As `run_workers`."""
    configure_logging()
    await run_workers(
        listen_on(config.bind, config.workers),
        (sys.executable, "-m", "gateway", "worker"),
        watchers=ServeSettings(config.metrics_bind),
        end_seconds=stop_seconds(config),
        shutdown=shutdown,
        ready=ready,
    )


def settings_of_worker(config: GatewayConfig, slot: int) -> GatewayConfig:
    """The settings of one worker: a name of its own in the register, and watchers that only its parent reaches."""
    return config.model_copy(update={"instance": f"{config.instance}-{slot}", "metrics_bind": "127.0.0.1:0"})


async def run_workers(
    sockets: Sequence[socket.socket],
    command: Sequence[str],
    *,
    watchers: ServeSettings,
    end_seconds: float,
    shutdown: asyncio.Event,
    ready: Callable[[int, int], None],
) -> None:
    """Be the parent until `shutdown`: the workers and one watchers' port for all of them. SIGHUP replaces the workers.

    `ready` is told the callers' port and the watchers' port when every worker serves. Raises WorkersFailing, OSError.
    """
    own = CollectorRegistry()
    lost = Counter("koppelpunt_workers_lost", "Workers that ended by themselves and were replaced", registry=own)
    workers = Workers(sockets, command, end_seconds, on_loss=lost.inc)
    Gauge("koppelpunt_workers", "Workers that serve", registry=own).set_function(
        lambda: sum(one.is_serving for one in workers.serving.values())
    )
    watching = make_workers_watching(
        lambda: {slot: one.watch for slot, one in workers.serving.items() if one.is_serving},
        len(sockets),
        own,
        lambda: workers.shut,
    )
    replacing: set[asyncio.Task[None]] = set()

    def replace() -> None:
        if not replacing:
            task = asyncio.create_task(workers.replace_all())
            replacing.add(task)
            task.add_done_callback(replacing.discard)

    port = asyncio.get_running_loop().create_future()
    calls_ended = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(serve(watching, watchers, shutdown=calls_ended, ready=port.set_result)),
        asyncio.create_task(workers.run(shutdown)),
        asyncio.create_task(_tell(workers, port, lambda watch: ready(sockets[0].getsockname()[1], watch))),
    ]
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, replace)
    try:
        await _until_ended(tasks)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        calls_ended.set()
        for task in (*replacing, *tasks[1:]):
            task.cancel()
        await asyncio.gather(*replacing, *tasks, return_exceptions=True)


async def _until_ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait until the watchers or the workers end, and raise what they ended with."""
    watchers, workers, telling = tasks
    await asyncio.wait({watchers, workers}, return_when=asyncio.FIRST_COMPLETED)
    telling.cancel()
    for one in (workers, watchers):
        if one.done():
            one.result()


async def _tell(workers: Workers, port: asyncio.Future[int], ready: Callable[[int], None]) -> None:
    watch = await port
    await workers.were_serving.wait()
    ready(watch)


def end_with_parent(descriptor: int) -> None:
    """Called in a worker, with the pipe that it tells its parent over: be told to end when the parent dies.

    Ends at once when the parent is dead already: it died while the worker was starting, and nobody would tell it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    pipe = select.poll()
    pipe.register(descriptor, 0)
    # Nobody reads it any more. The parent's number would not tell: in a container an orphan's new parent has the same.
    if any(events & select.POLLERR for _, events in pipe.poll(0)):
        os.kill(os.getpid(), signal.SIGTERM)
