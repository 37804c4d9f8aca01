"""What stands on the way to RvIG in a closed network: a DNS server over UDP and TCP, and a proxy that speaks CONNECT."""

import asyncio
import base64
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any


def answer_to(question: bytes, records: Mapping[str, tuple[str, ...]], *, seconds: int = 60, rcode: int = 0) -> bytes:
    """A whole answer: addresses of the name, over an alias when the record begins with one (`=other.name`)."""
    name, end = _read_name(question)
    (kind,) = struct.unpack_from("!H", question, end)
    found = records.get(name)
    body, count, owner = b"", 0, b"\xc0\x0c"
    if found and found[0].startswith("="):
        alias = _packed(found[0][1:])
        body += owner + struct.pack("!HHIH", 5, 1, seconds, len(alias)) + alias
        owner, found, count = alias, found[1:], 1
    for one in found or ():
        address = ip_address(one)
        if (address.version == 4) == (kind == 1):
            packed = address.packed
            body += owner + struct.pack("!HHIH", kind, 1, seconds, len(packed)) + packed
            count += 1
    code = rcode or (0 if found else 3)
    head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0)
    return head + question[12 : end + 4] + body


def _read_name(message: bytes) -> tuple[str, int]:
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), at + 1


def _packed(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


@dataclass
class Dns(asyncio.DatagramProtocol):
    """`react` makes the datagrams that go back; by default the whole answer. Over TCP always the whole answer."""

    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    over_tcp: int = 0
    react: Callable[[bytes], list[bytes]] | None = None
    transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.asked.append((_read_name(data)[0], address[0]))
        for one in self.react(data) if self.react else [answer_to(data, self.records)]:
            self.transport.sendto(one, address)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        self.over_tcp += 1
        answer = answer_to(question, self.records)
        writer.write(len(answer).to_bytes(2) + answer)
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def dns_server() -> AsyncIterator[Dns]:
    """A resolver on the loopback interface, on one port for UDP and TCP. Add to its `records`."""
    made = Dns()
    tcp = await asyncio.start_server(made.converse, "127.0.0.1", 0)
    made.port = tcp.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: made, local_addr=("127.0.0.1", made.port)
    )
    try:
        yield made
    finally:
        transport.close()
        tcp.close()


@dataclass
class Proxy:
    """Connects by CONNECT, to `target` whatever name it is given. Keeps what it saw in the clear."""

    target: tuple[str, int]
    credentials: str | None = None
    port: int = 0
    heads: list[str] = field(default_factory=list)
    passed: bytearray = field(default_factory=bytearray)
    refuse: str | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._tunnel(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        wanted = self.credentials and base64.b64encode(self.credentials.encode()).decode()
        if self.refuse or (wanted and f"Proxy-Authorization: Basic {wanted}\r\n" not in head):
            writer.write(
                f"HTTP/1.1 {self.refuse or '407 Proxy Authentication Required'}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            return
        there, back = await asyncio.open_connection(*self.target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.wait(
                [asyncio.ensure_future(self._pump(reader, back)), asyncio.ensure_future(self._pump(there, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            back.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.passed += data
                writer.write(data)
                await writer.drain()


@contextlib.asynccontextmanager
async def proxy_to(port: int, credentials: str | None = None) -> AsyncIterator[Proxy]:
    """A proxy that leads to a port of the loopback interface."""
    made = Proxy(("127.0.0.1", port), credentials)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.sleep(0.01)
