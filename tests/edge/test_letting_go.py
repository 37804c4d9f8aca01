"""A connection that has ended is gone at once, with what its TLS held: not when the collector of cycles comes by.

The collector runs seldom in a gateway, and counts objects, not the 115 KiB that OpenSSL and its buffers hold for each.
"""

import asyncio
import contextlib
import gc
import ssl
from collections import Counter
from collections.abc import Iterator

import pytest

from gateway.connection import Connection
from gateway.listening import Incoming
from tests.e2e.ledgers import until
from tests.edge.serving import read_answer, request
from tests.edge.test_leaving import files, runner, serving  # noqa: F401 - fixtures
from tests.edge.test_serve import trusting

COUNT = 5
HELD = (Connection, Incoming, asyncio.StreamReaderProtocol, ssl.SSLObject)


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def held() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, HELD))


async def use(port: int, data: bytes, context: ssl.SSLContext | None) -> None:
    """One request over a connection of its own, which the caller ends."""
    name = None if context is None else "localhost"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    writer.write(data)
    await read_answer(reader)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "data",
    [
        request(body=b"{}"),
        # Not by the short way, but by hypercorn's.
        request(headers=(("Transfer-Encoding", "chunked"),), without=("Content-Length",)) + b"2\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["plainly", "by h11"],
)
def test_a_connection_that_has_ended_is_gone_at_once(runner, files, tls, data):  # noqa: F811 - fixtures
    async def story() -> None:
        async with serving(files, tls=tls) as server:
            context = trusting(files[2]) if tls else None
            with without_collector():
                before = held()
                for _ in range(COUNT):
                    await use(server.port, data, context)
                # The server's side ends a few turns of the loop later.
                await until(lambda: not held() - before, 30)

    runner.run(story())
