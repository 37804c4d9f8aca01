"""Both listeners of the product as an attacker meets them: operating-system processes, and sockets that say exactly what they are told."""

import asyncio
import contextlib
import os
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tests.world import World, question

GOOD_QUESTION = orjson.dumps(question())
BOUND = 15.0
"""Seconds in which every attack must have had its answer or lost its connection: the time for a head or a body, and slack."""

_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens, and the request that a decent user of it makes all the while."""

    name: str
    pid: int
    port: int
    good: bytes = field(repr=False)
    path: str
    authorization: bytes = field(repr=False)
    tls: ssl.SSLContext | None = None

    def resident(self) -> int:
        """Octets of memory that the process holds now."""
        found = _RSS.search(Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname=self.tls and "localhost"
        )

    async def say(self, data: bytes, *, seconds: float = BOUND) -> bytes:
        """Say it on a connection of its own; all that comes back until the server closes, or has been silent for long."""
        reader, writer = await self.connect()
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            return await read_to_end(reader, seconds)
        finally:
            writer.close()

    async def serves(self) -> float:
        """A decent request, answered; the seconds that it took."""
        begun = time.monotonic()
        reader, writer = await self.connect()
        try:
            writer.write(self.good)
            async with asyncio.timeout(BOUND):
                head = await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()
        assert head.startswith(b"HTTP/1.1 200 "), (self.name, head)
        return time.monotonic() - begun

    def post(self, body: bytes, *headers: bytes) -> bytes:
        """A POST of JSON, good but for what the test bends; its connection ends with its answer."""
        lines = (b"Connection: close", b"Content-Type: application/json", self.authorization, *headers)
        return self.head(b"POST", b"Content-Length: %d" % len(body), *lines) + body

    def head(self, method: bytes, *headers: bytes) -> bytes:
        """A request's head."""
        start = method + b" " + self.path.encode() + b" HTTP/1.1\r\nHost: koppelpunt.example\r\n"
        return start + b"".join(line + b"\r\n" for line in headers) + b"\r\n"


async def read_to_end(reader: asyncio.StreamReader, seconds: float = BOUND) -> bytes:
    """All that comes until the end. Raises TimeoutError when there is no end: an attack that hangs is a finding."""
    parts = []
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            while part := await reader.read(65536):
                parts.append(part)
    return b"".join(parts)


def statuses(answered: bytes) -> list[int]:
    """The status of every answer on a connection, in order."""
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]


@contextlib.asynccontextmanager
async def tenants_process(here: World, admin_key: str, **settings: str) -> AsyncIterator[Listener]:
    """The tenants process; its decent user asks who it is."""
    ground = here.ground
    given = {
        "DATABASE_URL": here.database.url("tenants"),
        "INZAGE_URL": here.database.url("inzage"),
        "IDENTITY_PUBLIC_FILE": str(ground.file("identity.public")),
        "REGISTER_KEYRING_FILE": str(ground.file("register.keyring")),
        "BIND": "127.0.0.1:0",
        "METRICS_BIND": "127.0.0.1:0",
    } | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "tenants", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment | {f"KOPPELPUNT_{name}": value for name, value in given.items()},
    )  # fmt: skip
    assert process.stdout is not None
    draining: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(60):
            while not (line := await process.stdout.readline()).startswith(b"ready "):
                assert line, "the process ended"
        draining = asyncio.create_task(process.stdout.read())
        port = int(re.findall(rb"port=(\d+)", line)[0])
        authorization = b"Authorization: Bearer " + admin_key.encode()
        good = b"GET /v1/tenants HTTP/1.1\r\nHost: h\r\n" + authorization + b"\r\n\r\n"
        tls = None
        if "CERTIFICATE_FILE" in settings:
            tls = ssl.create_default_context(cafile=str(ground.trust_anchors))
        yield Listener("tenants", process.pid, port, good, "/v1/tenants", authorization, tls)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if draining is not None:
            await draining


@contextlib.asynccontextmanager
async def gateway_process(here: World, **settings: str) -> AsyncIterator[Listener]:
    """A gateway process; its decent user asks for one person, and gets it."""
    member = here.members[0]
    async with here.gateways(1, **settings) as (made,):
        authorization = b"X-API-KEY: " + member.api_key.encode()
        tls = None
        if "certificate_file" in settings:
            tls = ssl.create_default_context(cafile=str(here.ground.trust_anchors))
        listener = Listener("gateway", made.process.pid, made.port, b"", "/api/brp/personen", authorization, tls)
        good = listener.post(GOOD_QUESTION)
        yield Listener("gateway", made.process.pid, made.port, good, "/api/brp/personen", authorization, tls)
