"""Several gateway processes behind one port: who starts them, replaces them and lets them end.

The parent owns the listening sockets, one per worker (SO_REUSEPORT, so that the kernel spreads connections evenly), and
holds them as long as it lives: a connection that waits for a worker that died, or that is being replaced, is taken by
its successor. It serves no call itself. A worker that dies is replaced; when workers keep ending before they are ready and
none serves, the parent ends with an error, so that the supervisor above it sees it. (Hypercorn's own master ends everything, with
status 0, when one worker dies.) SIGHUP replaces the workers one by one, each only when its successor is ready: that is
how new keys, certificates and settings come in without a call being lost.
"""

import asyncio
import os
import signal
import socket
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

LISTEN_BACKLOG: Final = 1024
_PAUSES: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a worker is started again, by how many of its forerunners ended before they were ready."""
_MOST_FAILURES: Final = 5
_log = structlog.get_logger("koppelpunt.workers")


class WorkersFailing(Exception):
    """Workers end before they serve, again and again, and none serves."""


def listen_on(bind: str, count: int) -> list[socket.socket]:
    """Make `count` sockets that listen on `host:port` together; port 0 takes any free one. Raises OSError, ValueError."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{bind!r} is no host:port.")
    host, number = host.removeprefix("[").removesuffix("]"), int(port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, number))
            number = one.getsockname()[1]
        for one in made:
            one.listen(LISTEN_BACKLOG)
            one.setblocking(False)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


@dataclass(slots=True, eq=False)
class Worker:
    """One process and what it said of itself. `watch` is the port of its watchers, 0 before it is ready."""

    slot: int
    process: asyncio.subprocess.Process
    watch: int = 0
    is_told_to_end: bool = False

    @property
    def is_serving(self) -> bool:
        return self.watch != 0 and self.process.returncode is None


@dataclass(slots=True)
class Workers:
    """The workers of one parent. `command` is what each runs; it is given `--slot`, `--listen-fd` and `--ready-fd`.
    `were_serving` is set once all of them serve, for the first time. `shut` are the slots whose worker could not begin while
    others serve: the kernel gives their connections to those.

    `end_seconds` is how long a worker may take to end after SIGTERM before it is killed.
    """

    sockets: Sequence[socket.socket]
    command: Sequence[str]
    end_seconds: float
    on_loss: Callable[[], None] = lambda: None
    serving: dict[int, Worker] = field(default_factory=dict)
    were_serving: asyncio.Event = field(default_factory=asyncio.Event)
    shut: set[int] = field(default_factory=set)
    _living: set[Worker] = field(default_factory=set)
    _failures: int = 0
    _changing: dict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def are_serving(self) -> bool:
        """Whether every socket has a worker that serves it."""
        return len(self.serving) == len(self.sockets) and all(one.is_serving for one in self.serving.values())

    async def run(self, shutdown: asyncio.Event) -> None:
        """Keep one worker per socket until `shutdown`, then let all of them end. Raises WorkersFailing."""
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(shutdown.wait())]
        tasks += [asyncio.create_task(self._keep(slot)) for slot in range(len(self.sockets))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # From here on nobody follows a worker: what waits on its socket it must take itself, and does when it ends.
            # Held open here, the sockets would go on taking connections that nobody will ever serve.
            for one in self.sockets:
                one.close()
            await asyncio.gather(*(self._end(one) for one in tuple(self._living)))

    async def replace_all(self) -> None:
        """Replace each worker by a new one, one after another: the old one ends when the new one serves.

        A new one that ends before it serves leaves the old one, and those after it, where they are.
        """
        for slot in range(len(self.sockets)):
            async with self._changing[slot]:
                old, new = self.serving.get(slot), await self._start(slot)
                if not new.is_serving:
                    _log.error("worker_not_replaced", slot=slot)
                    return
                self.serving[slot] = new
            if old is not None:
                await self._end(old)
        _log.info("workers_replaced", count=len(self.sockets))

    async def _keep(self, slot: int) -> None:
        while True:
            async with self._changing[slot]:
                worker = self.serving.get(slot)
                if worker is None or worker.process.returncode is not None:
                    worker = self.serving[slot] = await self._start_at_last(slot)
            if self.are_serving:
                self.were_serving.set()
            status = await worker.process.wait()
            # One that was replaced in order is not missed.
            if not worker.is_told_to_end:
                _log.error("worker_ended", slot=slot, pid=worker.process.pid, status=status)
                self.on_loss()

    async def _start_at_last(self, slot: int) -> Worker:
        while True:
            await asyncio.sleep(_PAUSES[min(self._failures, len(_PAUSES) - 1)])
            worker = await self._start(slot)
            if worker.is_serving:
                self._failures = 0
                self.shut.discard(slot)
                return worker
            self._failures += 1
            _log.error("worker_not_begun", slot=slot, in_a_row=self._failures)
            # Those that serve are never ended for one that does not.
            if any(one.is_serving for one in self.serving.values()):
                self._shut(slot)
            elif self._failures >= _MOST_FAILURES:
                raise WorkersFailing(f"{_MOST_FAILURES} workers ended before they served; their log lines say why.")

    def _shut(self, slot: int) -> None:
        """Take no more connections on a slot that nobody serves; who waits there is reset. Its next worker listens again.

        What Linux does: the socket keeps its port, where it was bound to one by number.
        """
        if slot not in self.shut:
            self.shut.add(slot)
            self.sockets[slot].shutdown(socket.SHUT_RDWR)

    async def _start(self, slot: int) -> Worker:
        """Start a worker; return it when it serves, or has ended before that."""
        listening = self.sockets[slot].fileno()
        reading, telling = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, "--slot", str(slot), "--listen-fd", str(listening), "--ready-fd", str(telling),
                pass_fds=(listening, telling),
            )  # fmt: skip
        finally:
            os.close(telling)
        worker = Worker(slot, process)
        self._living.add(worker)
        # Who ends before it has told anything closes the pipe by that.
        told = await _read_all(reading)
        worker.watch = int(told) if told.isdigit() else 0
        if not worker.watch:
            await process.wait()
            self._living.discard(worker)
        return worker

    async def _end(self, worker: Worker) -> None:
        """Let a worker end its calls; kill it when it takes too long."""
        worker.is_told_to_end = True
        with suppress(ProcessLookupError):
            worker.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.end_seconds):
                await worker.process.wait()
        except TimeoutError:
            _log.error("worker_killed", slot=worker.slot, pid=worker.process.pid)
            with suppress(ProcessLookupError):
                worker.process.kill()
            await worker.process.wait()
        self._living.discard(worker)


async def _read_all(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            return (await reader.read()).strip()
        finally:
            transport.close()
