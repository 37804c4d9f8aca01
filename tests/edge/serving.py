"""A real server for a test, and a caller that sends exactly the bytes it is given."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.connection import Times
from gateway.edge import answer_unreadable
from gateway.entrance import Entrance
from gateway.http1 import Application
from gateway.serve import ServeSettings, serve

QUICK = Times(head=0.5, idle=0.8, write=0.5, linger=0.3)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def running(
    app: Application, *, times: Times = QUICK, entrance: Entrance | None = None, **settings: Any
) -> AsyncIterator[int]:
    """Serve `app` on a free port while the block runs; the server must end by itself afterwards."""
    shutdown = asyncio.Event()
    ports: list[int] = []
    started = asyncio.Event()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    options = ServeSettings("127.0.0.1:0", times=times, **{"drain_seconds": 2.0, **settings})
    server = asyncio.create_task(
        serve(app, options, shutdown=shutdown, ready=ready, unreadable=answer_unreadable, entrance=entrance)
    )
    server.add_done_callback(lambda _: started.set())
    try:
        await started.wait()
        if server.done():
            server.result()
        yield ports[0]
    finally:
        shutdown.set()
        async with asyncio.timeout(10):
            await server


async def send_raw(port: int, data: bytes, *, seconds: float = 5.0, **connection: Any) -> bytes:
    """Send bytes on a fresh connection; return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **connection)
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


async def ask(port: int, data: bytes, *, seconds: float = 5.0, **connection: Any) -> Answer:
    """Send one request by its bytes and read one answer; the connection may stay open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **connection)
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0")) if has_body else 0
    return Answer(int(head[0].split()[1]), headers, await reader.readexactly(length))


def request(
    method: str = "POST",
    path: str = "/api/brp/personen",
    body: bytes = b"",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    without: tuple[str, ...] = (),
) -> bytes:
    """A good request by default; every test bends one thing."""
    given = {
        "Host": "koppelpunt.example",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-API-KEY": "sleutel",
        "Content-Length": str(len(body)),
    }
    lines = [f"{name}: {value}" for name, value in given.items() if name not in without]
    lines += [f"{name}: {value}" for name, value in headers]
    return f"{method} {path} HTTP/1.1\r\n".encode() + "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
