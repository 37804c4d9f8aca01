"""Callers, as cheap as can be: raw HTTP/1.1 over kept-alive connections. Closed loop or a fixed rate."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast


def make_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Outcome:
    """Latencies in seconds, and how often each status came."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def note(self, status: int, seconds: float) -> None:
        self.latencies.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.buffer = b""
        self.waiting: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of uvloop are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self.buffer) >= end + 4 + length and self.waiting is not None:
            status = int(head[9:12])
            self.buffer = self.buffer[end + 4 + length :]
            waiting, self.waiting = self.waiting, None
            if not waiting.done():
                waiting.set_result(status)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(0)

    async def ask(self, request: bytes) -> int:
        assert self.transport is not None
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiting

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def closed_loop(port: int, requests: Sequence[bytes], calls: int, connections: int = 32) -> Outcome:
    """`calls` calls over `connections` connections, each as fast as it is answered; the requests take turns."""
    outcome = Outcome()
    left = iter(range(calls))

    async def worker() -> None:
        connection = await connect(port)
        for number in left:
            begun = time.perf_counter()
            status = await connection.ask(requests[number % len(requests)])
            outcome.note(status, time.perf_counter() - begun)
        connection.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    return outcome


async def fixed_rate(
    port: int, requests: Sequence[bytes], calls: int, per_second: float, connections: int = 64
) -> Outcome:
    """`calls` calls at a fixed rate, whatever the answers take; the requests take turns.

    A latency counts from when its call was sent off, and holds the wait for a free connection: not how late this loop was.
    """
    outcome = Outcome()
    made = [await connect(port) for _ in range(connections)]
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in made:
        free.put_nowait(connection)
    start = time.perf_counter()

    async def one(number: int) -> None:
        due = start + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        connection = await free.get()
        status = await connection.ask(requests[number % len(requests)])
        outcome.note(status, time.perf_counter() - begun)
        free.put_nowait(connection)

    await asyncio.gather(*(one(number) for number in range(calls)))
    for connection in made:
        connection.close()
    return outcome
