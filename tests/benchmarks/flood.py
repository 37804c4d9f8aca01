"""Callers of a tenant that misbehaves in every way at once, in a process of their own; or a listener that does nothing.

What such callers take of a shared machine is theirs and not the gateway's: measured beside the same flood at a listener that
refuses without looking, what is left is what the gateway makes of it.

`flood`: told over its port what to do, one line of JSON (`Flood`); it ends with the connection's next line, and tells the
statuses that came. `listener KEYS`: never answers requests with these API keys, and refuses all others.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

from tests.benchmarks.load import Connection, connect

_REFUSAL = b"HTTP/1.1 429 \r\ncontent-type: application/problem+json\r\ncontent-length: 300\r\n\r\n" + b" " * 300
_LANES = 32


@dataclass(frozen=True, slots=True)
class Flood:
    """Whom to flood, with which requests (latin-1): so many connections at once that hang and fail, and a rate over the limit."""

    port: int
    hanging: str
    at_once: int
    failing: str
    failing_at_once: int
    limited: str
    per_second: float


class Flooding:
    """One flood under way."""

    def __init__(self, flood: Flood) -> None:
        self.told: dict[str, Counter[int]] = {"hanging": Counter(), "failing": Counter(), "limited": Counter()}
        self._flood = flood
        self._connections: list[Connection] = []
        self._tasks = [
            *(self._start(self._again("hanging", flood.hanging)) for _ in range(flood.at_once)),
            *(self._start(self._again("failing", flood.failing)) for _ in range(flood.failing_at_once)),
            self._start(self._at_rate()),
        ]

    async def stop(self) -> dict[str, dict[int, int]]:
        """The statuses that came, by what was wrong with the calls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._connections:
            connection.close()
        return {name: dict(told) for name, told in self.told.items()}

    @staticmethod
    def _start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(work)

    async def _connect(self) -> Connection:
        connection = await connect(self._flood.port)
        self._connections.append(connection)
        return connection

    async def _again(self, name: str, request: str) -> None:
        connection = await self._connect()
        while status := await connection.ask(request.encode("latin-1")):
            self.told[name][status] += 1
            await asyncio.sleep(0.1)

    async def _at_rate(self) -> None:
        loop = asyncio.get_running_loop()
        lanes = [await self._connect() for _ in range(_LANES)]
        request, began, number = self._flood.limited.encode("latin-1"), loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(max(0.0, began + number / self._flood.per_second - loop.time()))
                number += 1
                # A caller that is behind does not catch up: it has no more connections than these.
                if lanes:
                    group.create_task(self._once(lanes, request))

    async def _once(self, lanes: list[Connection], request: bytes) -> None:
        connection = lanes.pop()
        self.told["limited"][await connection.ask(request)] += 1
        lanes.append(connection)


class Listener(asyncio.Protocol):
    """Reads whole requests without a second look."""

    hanging: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Transports of uvloop are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        place = self._buffer.find(b"content-length:")
        if end < 0 or place < 0:
            return
        if len(self._buffer) < end + 4 + int(self._buffer[place + 15 :].split(b"\r\n", 1)[0]):
            return
        hangs = any(one in self._buffer for one in self.hanging)
        self._buffer = b""
        if not hangs and self._transport is not None:
            self._transport.write(_REFUSAL)


async def serve_flood() -> None:
    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flooding = Flooding(Flood(**json.loads(await reader.readline())))
        with suppress(ConnectionError):
            await reader.readline()
        writer.write(json.dumps(await flooding.stop()).encode() + b"\n")
        writer.close()

    await _tell_ready(await asyncio.start_server(obey, "127.0.0.1", 0, limit=1 << 20))


async def serve_listener(keys: str) -> None:
    Listener.hanging = tuple(b"x-api-key: " + one.encode() for one in keys.split(","))
    await _tell_ready(await asyncio.get_running_loop().create_server(Listener, "127.0.0.1", 0, backlog=2048))


async def _tell_ready(server: asyncio.Server) -> None:
    sys.stdout.write(f"ready port={server.sockets[0].getsockname()[1]} watch=0\n")
    sys.stdout.flush()
    await server.serve_forever()


async def begin(port: int, flood: Flood) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Have the process at `port` begin."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(json.dumps(asdict(flood)).encode() + b"\n")
    await writer.drain()
    return reader, writer


async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, dict[int, int]]:
    """Have it end; the statuses that came."""
    writer.write(b"stop\n")
    told = json.loads(await reader.readline())
    writer.close()
    return {name: {int(status): count for status, count in those.items()} for name, those in told.items()}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_listener(sys.argv[2]) if sys.argv[1] == "listener" else serve_flood())
