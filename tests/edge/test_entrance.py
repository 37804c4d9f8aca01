"""Connections that say nothing have a bound, and each source a share of it: nobody else is shut out."""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.entrance import Entrance, source_of
from tests.e2e.ledgers import until
from tests.edge.serving import QUICK, ask, running
from tests.edge.test_serve import GOOD, echo, make_server_files, trusting

SILENT = 3000
MOST = 256


@pytest.fixture(scope="module")
def server_files(tmp_path_factory):
    return make_server_files(tmp_path_factory.mktemp("tls"))


def connect_silently(port: int, count: int, source: str) -> list[socket.socket]:
    made = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.bind((source, 0))
        one.connect_ex(("127.0.0.1", port))
        made.append(one)
    return made


def close_all(silent: list[socket.socket]) -> None:
    for one in silent:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


async def ask_from(source: str, port: int, context: ssl.SSLContext) -> int:
    answer = await ask(port, GOOD, ssl=context, server_hostname="localhost", local_addr=(source, 0))
    return answer.status


async def silent_connections_shut_out_nobody(server_files) -> None:
    chain, key, anchor = server_files
    entrance, context = Entrance(MOST), trusting(anchor)
    async with running(
        echo, certificate_file=chain, key_file=key, entrance=entrance, handshake_seconds=3.0, times=QUICK
    ) as port:
        silent: list[socket.socket] = []
        try:
            for _ in range(SILENT // 500):
                silent += connect_silently(port, 500, "127.0.0.1")
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            # One source has half at most; what came after it was closed unheard.
            assert MOST // 2 - 1 <= entrance.pending <= MOST // 2
            assert entrance.refused >= SILENT // 2
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await ask_from("127.0.0.1", port, context)
            # A second source that does the same leaves room too.
            silent += connect_silently(port, 500, "127.0.0.3")
            await asyncio.sleep(0.2)
            begun = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(ask_from(f"127.0.0.{n}", port, context) for n in range(10, 40)))
            assert set(answers) == {200}
            assert asyncio.get_running_loop().time() - begun < 2.5
            # And when their time is over, their places are free again.
            async with asyncio.timeout(10):
                await until(lambda: not entrance.pending)
            assert await ask_from("127.0.0.1", port, context) == 200
        finally:
            close_all(silent)


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_thousands_of_connections_that_say_nothing_shut_out_nobody_else(server_files, make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(silent_connections_shut_out_nobody(server_files))


async def first_words_are_heard(server_files) -> None:
    """What a caller says before its connection was taken is heard all the same, be it whole or in pieces."""
    chain, key, anchor = server_files
    context = trusting(anchor)
    async with running(echo, certificate_file=chain, key_file=key) as port:
        for piece in (1, 7, 4096):
            raw = socket.create_connection(("127.0.0.1", port))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            talk = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                talk.do_handshake()
            hello = outgoing.read()
            # The loop has not run since the connection was made: these bytes are there before it is accepted.
            for start in range(0, len(hello), piece):
                raw.sendall(hello[start : start + piece])
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(5):
                while True:
                    incoming.write(await loop.sock_recv(raw, 65536))
                    try:
                        talk.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        continue
            raw.close()


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_what_came_before_the_connection_was_taken_is_heard(server_files, make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(first_words_are_heard(server_files))


async def test_a_handshake_that_fails_gives_its_place_back(server_files):
    chain, key, _ = server_files
    entrance = Entrance(10)
    async with running(echo, certificate_file=chain, key_file=key, entrance=entrance) as port:
        for _ in range(50):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(OSError):
                await reader.read()
            writer.close()
        await asyncio.sleep(0.05)
    assert (entrance.pending, entrance.refused) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=300), st.integers(1, 40))
def test_places_are_kept_and_a_new_source_finds_one_while_there_is_one(steps, most):
    entrance = Entrance(most)
    inside: dict[str, int] = {}
    for number, enters in steps:
        source = f"192.0.2.{number}"
        if not enters:
            if inside.get(source):
                entrance.leave(source)
                inside[source] -= 1
        elif entrance.enter(source):
            inside[source] = inside.get(source, 0) + 1
        assert entrance.pending == sum(inside.values()) <= most
        fresh = entrance.enter("198.51.100.1")
        assert fresh == (entrance.pending - fresh < most)
        if fresh:
            entrance.leave("198.51.100.1")


def test_a_source_is_an_address_or_what_one_subscriber_has():
    assert source_of("192.0.2.7") == "192.0.2.7"
    assert source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("2001:db8:1:2::7") == source_of("2001:db8:1:2:ffff::1") != source_of("2001:db8:1:3::7")
    assert source_of("fe80::1%eth0") == "fe80::/64"
