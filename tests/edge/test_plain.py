"""The short way of ordinary requests: it reads nothing that the long way would refuse, and nothing otherwise."""

import asyncio
from typing import Any

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.http1 import StrictConnection
from gateway.plain import read_plain
from tests.edge.serving import ask, read_answer, request, running, send_raw
from tests.edge.test_serve import echo, http_only

MOST_HEAD = 16 * 1024
GOOD = request(body=b"{}")

PIECES = st.sampled_from(
    [
        b"POST", b"GET", b"HEAD", b"post", b" ", b"  ", b"/", b"/api?a=b", b"*", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r",
        b"\t", b":", b": ", b"Host", b"host: h\r\n", b"Content-Length", b"Content-Length: 2\r\n", b"content-length: 2, 2\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n",
        b"Upgrade: h2c\r\n", b"X-A: b\r\n", b"X-A:b\r\n", b"X-A: b \r\n", b"X-A:  b\r\n", b"X-A:\r\n", b"X A: b\r\n", b"X-\xe9: b\r\n",
        b"X-A: \xe9\r\n", b"X-A: a\tb\r\n", b" folded\r\n", b"\0", b"\x7f", b"{}", b"0", b"2", b"+2", b"\r\n\r\n", b"POST / HTTP/1.1\r\n",
    ]
)  # fmt: skip


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """A good request with pieces put in, taken out and put in place of others."""
    place = st.integers(0, len(data))
    edits = st.lists(st.tuples(place, st.integers(0, 12), PIECES), max_size=4)

    def apply(list_of_edits: list[tuple[int, int, bytes]]) -> bytes:
        made = data
        for at, out, piece in list_of_edits:
            made = made[:at] + piece + made[at + out :]
        return made

    return edits.map(apply)


def read_by_h11(data: bytes) -> tuple[Any, bytes, Any]:
    """What the long way makes of the first request of these bytes, and of its body."""
    connection = StrictConnection(MOST_HEAD)
    connection.receive_data(data)
    head = connection.next_event()
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    return head, body, event


@given(st.one_of(mutated(GOOD), mutated(GOOD + request("GET", "/next")), st.lists(PIECES).map(b"".join)))
@example(GOOD)
@settings(max_examples=2_000, deadline=None)
def test_what_is_plain_is_read_as_h11_reads_it(data):
    plain = read_plain(data, MOST_HEAD)
    if plain is None:
        return
    head, body, event = read_by_h11(data)
    assert isinstance(head, h11.Request)
    assert (head.method, head.target, head.http_version) == (plain.method, plain.target, b"1.1")
    assert list(head.headers) == plain.headers
    assert body == plain.body
    assert isinstance(event, h11.EndOfMessage) == (len(plain.body) == plain.length)
    assert data.endswith(plain.ahead)


def test_what_callers_send_every_day_is_plain():
    plain = read_plain(GOOD + b"rest", MOST_HEAD)
    assert plain is not None
    assert (plain.method, plain.target, plain.body, plain.ahead) == (b"POST", b"/api/brp/personen", b"{}", b"rest")
    assert (b"x-api-key", b"sleutel") in plain.headers
    assert read_plain(GOOD[:-1], MOST_HEAD) is not None
    assert read_plain(request("GET", without=("Content-Length",)), MOST_HEAD) is not None


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:60],
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GOOD.replace(b"POST", b"HEAD"),
        GOOD.replace(b"Host", b"Hest"),
        GOOD.replace(b"Accept:", b"Host: two\r\nAccept:"),
        GOOD.replace(b"Length: 2", b"Length: +2"),
        GOOD.replace(b"Length: 2", b"Length: 2, 2"),
        request(headers=(("Transfer-Encoding", "chunked"),)),
        request(headers=(("Connection", "close"),)),
        request(headers=(("Expect", "100-continue"),)),
        request(headers=(("Upgrade", "h2c"),)),
        request(headers=(("X-Groot", "a" * MOST_HEAD),)),
    ],
)
def test_what_is_doubtful_or_unusual_is_left_to_the_long_way(data):
    assert read_plain(data, MOST_HEAD) is None


async def test_a_body_that_comes_behind_its_head_is_read_to_its_end_and_no_further():
    async with running(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = request(body=b"abcdef")
        writer.write(sent[:-4])
        await asyncio.sleep(0.05)
        writer.write(sent[-4:] + GOOD)
        assert (await read_answer(reader)).body == b"POST 6"
        assert (await read_answer(reader)).body == b"POST 2"
        writer.close()


async def test_plain_and_other_requests_take_turns_on_one_connection():
    chunked = (
        request("POST", without=("Content-Length",), headers=(("Transfer-Encoding", "chunked"),))
        + b"3\r\nabc\r\n0\r\n\r\n"
    )
    async with running(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for data, expected in ((GOOD, b"POST 2"), (chunked, b"POST 3"), (GOOD, b"POST 2"), (chunked + GOOD, b"POST 3")):
            writer.write(data)
            assert (await read_answer(reader)).body == expected
        assert (await read_answer(reader)).body == b"POST 2"
        writer.close()


@pytest.mark.parametrize(
    "headers",
    [[(b"x-a", b"b\r\nset-cookie: c")], [(b"x a", b"b")], [(b"x-a", b"\0")], [(b"content-length", b"1")]],
)
async def test_an_answer_that_http_cannot_hold_becomes_a_bare_500(headers):
    @http_only
    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"abc"})

    async with running(broken) as port:
        answered = await send_raw(port, GOOD)
    assert answered.startswith(b"HTTP/1.1 500 ")
    assert answered.count(b"HTTP/1.1") == 1
    assert b"set-cookie" not in answered


async def test_an_answer_without_a_length_gets_one_or_comes_in_chunks():
    @http_only
    async def piecemeal(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        if scope["path"] == "/chunks":
            await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"def"})

    async with running(piecemeal) as port:
        assert (await ask(port, request(body=b"{}"))).body == b"def"
        answered = await send_raw(port, request("POST", "/chunks") + b"no request\r\n\r\n")
    assert answered.split(b"\r\n\r\n", 1)[1].startswith(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")


async def test_an_application_that_stops_in_the_middle_of_its_answer_loses_its_connection():
    @http_only
    async def halfway(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})

    async with running(halfway) as port:
        answered = await send_raw(port, GOOD + GOOD)
    assert answered.endswith(b"\r\n\r\nabc")


async def test_the_application_hears_that_its_caller_has_gone():
    heard = asyncio.Event()

    @http_only
    async def listening(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        heard.set()

    async with running(listening) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        await asyncio.sleep(0.05)
        writer.transport.abort()
        async with asyncio.timeout(3):
            await heard.wait()
