"""Who waits in the kernel for a worker: served by the next worker, and refused at once when there will be none."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.workers import Workers, listen_on
from tests.e2e.ledgers import until

WORKER = """
import os, select, signal, socket, sys, time
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
listening = socket.socket(fileno=int(given["--listen-fd"]))

def leave(*_):
    listening.close()
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.02)
    os._exit(0)

signal.signal(signal.SIGTERM, leave)
os.write(int(given["--ready-fd"]), b"1")
os.close(int(given["--ready-fd"]))
while True:
    select.select([listening], [], [])
    with listening.accept()[0] as caller:
        caller.sendall(caller.recv(100) + str(os.getpid()).encode())
"""
"""Answers what it is sent with its own number behind it. Told to end, it lets go of its socket, and waits for a file."""
CALLERS = 20


@contextlib.asynccontextmanager
async def one_worker(may_end: Path) -> AsyncIterator[tuple[Workers, int, asyncio.Event]]:
    sockets = listen_on("127.0.0.1:0", 1)
    workers = Workers(sockets, (sys.executable, "-S", "-c", WORKER, str(may_end)), 60.0)
    shutdown, port = asyncio.Event(), sockets[0].getsockname()[1]
    running = asyncio.create_task(workers.run(shutdown))
    try:
        await asyncio.wait_for(workers.were_serving.wait(), 60)
        yield workers, port, shutdown
    finally:
        shutdown.set()
        await asyncio.to_thread(may_end.touch)
        await asyncio.wait_for(running, 90)


async def test_who_waits_for_a_worker_that_died_is_served_by_its_successor(tmp_path):
    async with one_worker(tmp_path / "may-end") as (workers, port, _):
        first = workers.serving[0].process.pid
        # It lives and takes nothing, so that the kernel alone has taken the connections.
        os.kill(first, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            callers = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(CALLERS)]
            for number, one in enumerate(callers):
                one.sendall(b"%d from " % number)
            os.kill(first, signal.SIGKILL)
            answers = [await asyncio.to_thread(one.recv, 100) for one in callers]
        second = workers.serving[0].process.pid
    assert second != first
    assert answers == [b"%d from %d" % (number, second) for number in range(CALLERS)]


async def test_when_the_parent_ends_nobody_waits_for_a_worker_that_will_not_come(tmp_path):
    async with one_worker(tmp_path / "may-end") as (workers, port, shutdown):
        shutdown.set()
        await until(lambda: workers.serving[0].is_told_to_end, 60)

        def is_refused() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 60).close()
            except ConnectionRefusedError:
                return True
            return False

        # The worker still has a call to end: it runs, and its parent too.
        await until(is_refused, 60)
        assert workers.serving[0].process.returncode is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 60)
