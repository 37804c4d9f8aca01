"""A server that ends, or closes what is idle, loses no request that has reached it. On both loops.

Nothing here waits for time to pass: what must have reached the server stands in its kernel before it is told to end.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.connection import Times
from gateway.entrance import Entrance
from gateway.serve import ServeSettings, serve
from tests.e2e.ledgers import until
from tests.edge.serving import read_answer, request
from tests.edge.test_serve import echo, http_only, make_server_files, trusting

GOOD = request(body=b"{}")
PATIENT = Times(head=30.0, idle=60.0, write=30.0, linger=0.3)
Loop = Callable[[], asyncio.AbstractEventLoop]
Story = Callable[["Server"], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Server:
    """One that runs. `leave` tells it to end, and `end` waits until it has."""

    port: int
    entrance: Entrance
    shutdown: asyncio.Event
    task: asyncio.Task[None]
    files: tuple[Path, Path, Path]

    def leave(self) -> None:
        self.shutdown.set()

    async def end(self) -> None:
        self.shutdown.set()
        async with asyncio.timeout(60):
            await self.task


@contextlib.asynccontextmanager
async def serving(files: tuple[Path, Path, Path], *, app: Any = echo, times: Times = PATIENT, tls: bool = False,
                  idle: float = 0.0) -> AsyncIterator[Server]:  # fmt: skip
    ready, shutdown, entrance = asyncio.get_running_loop().create_future(), asyncio.Event(), Entrance(10_000)
    settings = ServeSettings(
        "127.0.0.1:0", files[0] if tls else None, files[1] if tls else None, times=times, drain_idle_seconds=idle
    )
    task = asyncio.create_task(serve(app, settings, shutdown=shutdown, ready=ready.set_result, entrance=entrance))
    server = Server(await ready, entrance, shutdown, task, files)
    try:
        yield server
    finally:
        await server.end()


def connected(port: int) -> socket.socket:
    """Connected as the kernel sees it: the server need not have noticed."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer_over(caller: socket.socket) -> bytes:
    """All that comes until the server closes. Raises OSError when it broke off."""
    found = b""
    while octets := caller.recv(65536):
        found += octets
    return found


def is_answer(octets: bytes) -> bool:
    return octets.startswith(b"HTTP/1.1 200 ") and octets.endswith(b"POST 2")


def is_last_answer(octets: bytes) -> bool:
    return is_answer(octets) and b"connection: close" in octets


async def used_once(port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    """A connection over which a request was answered, and which is idle since."""

    def use() -> socket.socket:
        caller = connected(port)
        if context is not None:
            caller = context.wrap_socket(caller, server_hostname="localhost")
        caller.sendall(GOOD)
        found = b""
        while not found.endswith(b"POST 2"):
            found += caller.recv(65536)
        return caller

    return await asyncio.to_thread(use)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return make_server_files(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("turns", range(4))
def test_a_request_that_has_reached_the_server_is_answered_though_idle_connections_are_closed_now(
    runner, files, tls, turns
):
    async def story() -> None:
        async with serving(files, tls=tls) as server:
            with await used_once(server.port, trusting(files[2]) if tls else None) as caller:
                caller.sendall(GOOD)
                # However far the loop has come with it: in the kernel, read, about to be taken, or answered.
                for _ in range(turns):
                    await asyncio.sleep(0)
                server.leave()
                found = await asyncio.to_thread(answer_over, caller)
            assert is_answer(found)
            assert turns or is_last_answer(found)

    runner.run(story())


def test_a_connection_that_waits_to_be_accepted_is_served_by_the_server_that_ends(runner, files):
    async def story() -> None:
        async with serving(files) as server:
            with contextlib.ExitStack() as stack:
                # More than are taken in one turn of the loop.
                callers = [stack.enter_context(connected(server.port)) for _ in range(100)]
                for one in callers:
                    one.sendall(GOOD)
                server.leave()
                answers = [await asyncio.to_thread(answer_over, one) for one in callers]
            assert all(map(is_last_answer, answers))

    runner.run(story())


def test_a_handshake_that_had_begun_ends_in_an_answer(runner, files):
    async def story() -> None:
        async with serving(files, tls=True) as server:
            with connected(server.port) as caller:
                await until(lambda: server.entrance.pending == 1, 30)
                server.leave()
                # Until nobody can come in any more, the server has not begun to leave.
                await until(lambda: not is_listening(server.port), 30)

                def ask() -> bytes:
                    with trusting(files[2]).wrap_socket(caller, server_hostname="localhost") as over:
                        over.sendall(GOOD)
                        return answer_over(over)

                assert is_last_answer(await asyncio.to_thread(ask))

    runner.run(story())


def test_a_head_that_had_begun_may_end(runner, files):
    async def story() -> None:
        async with serving(files) as server:
            with await used_once(server.port) as caller:
                caller.sendall(GOOD[:30])
                server.leave()
                await until(lambda: not is_listening(server.port), 30)
                caller.sendall(GOOD[30:])
                assert is_last_answer(await asyncio.to_thread(answer_over, caller))

    runner.run(story())


def test_a_connection_made_just_before_may_ask_once(runner, files):
    async def story() -> None:
        async with serving(files, times=Times(head=30.0, idle=60.0, write=30.0, linger=20.0)) as server:
            with connected(server.port) as caller:
                server.leave()
                await until(lambda: not is_listening(server.port), 30)
                caller.sendall(GOOD)
                assert is_last_answer(await asyncio.to_thread(answer_over, caller))

    runner.run(story())


def test_a_connection_that_never_asks_anything_holds_nobody_up(runner, files):
    async def story() -> None:
        async with serving(files) as server:
            with connected(server.port) as silent, await used_once(server.port) as idle:
                await server.end()
                assert [await asyncio.to_thread(answer_over, one) for one in (silent, idle)] == [b"", b""]

    runner.run(story())


def test_an_idle_connection_may_ask_once_more_before_it_is_closed(runner, files):
    async def story() -> None:
        async with serving(files, idle=30.0) as server:
            with await used_once(server.port) as caller:
                server.leave()
                await until(lambda: not is_listening(server.port), 30)
                caller.sendall(GOOD)
                assert is_last_answer(await asyncio.to_thread(answer_over, caller))

    runner.run(story())


def test_an_answer_whose_head_left_before_the_end_does_not_keep_its_connection(runner, files):
    halfway, going_on = asyncio.Event(), asyncio.Event()

    @http_only
    async def in_two(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ha", "more_body": True})
        halfway.set()
        await going_on.wait()
        await send({"type": "http.response.body", "body": b"lf"})

    async def story() -> None:
        async with serving(files, app=in_two) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request("GET", "/", without=("Content-Length",)))
            await halfway.wait()
            server.leave()
            await until(lambda: not is_listening(server.port), 30)
            going_on.set()
            assert (await read_answer(reader)).body == b"half"
            assert await reader.read() == b""
            writer.close()

    runner.run(story())


def test_a_request_that_comes_while_the_server_is_busy_past_the_idle_time_is_answered(runner, files):
    async def story() -> None:
        async with serving(files, times=Times(head=30.0, idle=0.3, write=30.0, linger=0.3)) as server:
            with await used_once(server.port) as caller:
                caller.sendall(GOOD)
                # Nothing runs here meanwhile, as when a process has no core: the clock of the connection goes on.
                time.sleep(0.4)  # noqa: ASYNC251
                found = await asyncio.to_thread(caller.recv, 65536)
            assert found.startswith(b"HTTP/1.1 200 ")

    runner.run(story())


def is_listening(port: int) -> bool:
    """Asked of the kernel, so that nobody knocks."""
    local = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return any(row[1] == local and row[3] == "0A" for row in rows)
