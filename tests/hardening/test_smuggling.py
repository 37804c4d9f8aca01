"""Whatever two readers could take for different requests is one refusal, and nothing behind it is ever read."""

import asyncio

import pytest

from tests.hardening.listeners import Listener, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def chunked(listener: Listener, *chunks: bytes) -> bytes:
    head = listener.head(
        b"POST", b"Content-Type: application/json", listener.authorization, b"Transfer-Encoding: chunked"
    )
    return head + b"".join(chunks)


FRAMINGS = {
    "CL.TE": (b"Content-Length: 6", b"Transfer-Encoding: chunked"),
    "TE.CL": (b"Transfer-Encoding: chunked", b"Content-Length: 4"),
    "TE.TE": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "TE twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "TE in disguise": (b"Content-Length: 4", b"Transfer-Encoding: xchunked"),
    "TE behind a tab": (b"Content-Length: 4", b"Transfer-Encoding:\tchunked"),
    "TE with a vertical tab": (b"Content-Length: 4", b"Transfer-Encoding: \x0bchunked"),
    "TE with a space before the colon": (b"Content-Length: 4", b"Transfer-Encoding : chunked"),
    "TE that is folded": (b"Content-Length: 4", b"Transfer-Encoding:\r\n chunked"),
    "TE after a bare LF": (b"Content-Length: 4", b"X: y\nTransfer-Encoding: chunked"),
    "TE after a bare CR": (b"Content-Length: 4", b"X: y\rTransfer-Encoding: chunked"),
    "CL twice, equal": (b"Content-Length: 4", b"Content-Length: 4"),
    "CL twice, unequal": (b"Content-Length: 0", b"Content-Length: 44"),
    "CL as a list": (b"Content-Length: 4, 4",),
    "CL with a sign": (b"Content-Length: +4",),
    "CL below nothing": (b"Content-Length: -1",),
    "CL in hexadecimal": (b"Content-Length: 0x4",),
    "CL with an underscore": (b"Content-Length: 1_0",),
    "CL without a number": (b"Content-Length: ",),
    "CL beyond all numbers": (b"Content-Length: " + b"9" * 400,),
    "CL with a NUL": (b"Content-Length: 4\x00",),
    "a name with a NUL": (b"X\x00Y: 4",),
    "a line without a colon": (b"Content-Length 4",),
    "a host too many": (b"Host: elders.example",),
}


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_framing_that_can_be_read_in_two_ways_is_refused(listener: Listener, framing: str) -> None:
    head = listener.head(b"POST", b"Content-Type: application/json", listener.authorization, *FRAMINGS[framing])
    answered = await listener.say(head + b"0\r\n\r\n" + SMUGGLED)
    assert statuses(answered) in ([400], [501]), answered[:200]
    await listener.serves()


CHUNKS = {
    "a size with a sign": b"+2\r\n{}\r\n0\r\n\r\n",
    "a size in hexadecimal notation": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size without digits": b"\r\n{}\r\n0\r\n\r\n",
    "a size beyond all numbers": b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": b"2\r\n{}GET / HTTP/1.1\r\n0\r\n\r\n",
    "a bare LF after the size": b"2\n{}\r\n0\r\n\r\n",
    "an extension that never ends": b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "an extension with a line of its own": b"2;a=\nb\r\n{}\r\n0\r\n\r\n",
    "trailers that never end": b"2\r\n{}\r\n0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
async def test_a_doubtful_chunk_ends_the_connection(listener: Listener, name: str) -> None:
    answered = await listener.say(chunked(listener, CHUNKS[name]) + SMUGGLED)
    got = statuses(answered)
    assert len(got) <= 1, answered
    assert not got or 400 <= got[0] < 500, answered[:200]
    await listener.serves()


async def test_what_is_hidden_in_an_extension_or_a_trailer_is_no_request(listener: Listener) -> None:
    hidden = b'2;x="GET /v1/smuggled HTTP/1.1"\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\nHost: elders\r\n\r\n'
    answered = await listener.say(chunked(listener, hidden) + listener.post(b"{}"))
    got = statuses(answered)
    assert len(got) <= 2, answered
    assert all(400 <= one < 500 for one in got), answered[:200]
    assert 404 not in got


async def test_a_second_request_behind_a_refusal_of_form_is_not_read(listener: Listener) -> None:
    refused = listener.head(b"POST", b"Content-Length: 2", b"Content-Length: 2") + b"{}"
    answered = await listener.say(refused + listener.good * 3)
    assert statuses(answered) == [400]


TARGETS = {
    "absolute form": (b"GET http://elders.example/v1/tenants HTTP/1.1", {400, 404}),
    "authority form": (b"CONNECT elders.example:443 HTTP/1.1", {400, 404, 405}),
    "asterisk form": (b"OPTIONS * HTTP/1.1", {400, 404, 405}),
    "dot segments": (b"GET /v1/../v1/tenants HTTP/1.1", {400, 404}),
    "hidden dot segments": (b"GET /v1/%2e%2e/v1/tenants HTTP/1.1", {400, 404}),
    "a hidden NUL": (b"GET /v1/tenants%00 HTTP/1.1", {400, 404}),
    "a hidden line": (b"GET /v1/tenants%0d%0aX:y HTTP/1.1", {400, 404}),
    "two slashes": (b"GET //v1/tenants HTTP/1.1", {400, 404}),
    "a backslash": (b"GET /v1\\tenants HTTP/1.1", {400, 404}),
    "a fragment": (b"GET /v1/tenants#x HTTP/1.1", {400, 404}),
    "a space in it": (b"GET /v1/tenants /x HTTP/1.1", {400}),
    "letters beyond ASCII": ("GET /v1/tenänts HTTP/1.1".encode(), {400, 404}),
    "a small word for HTTP": (b"GET /v1/tenants http/1.1", {400, 505}),
    "HTTP/0.9": (b"GET /v1/tenants", {400}),
    "HTTP/1.2": (b"GET /v1/tenants HTTP/1.2", {400, 401, 404, 505}),
    "HTTP/3.0": (b"GET /v1/tenants HTTP/3.0", {400, 505}),
    "a method that nobody knows": (b"B\xc3\x89VRAAG /v1/tenants HTTP/1.1", {400, 404, 405, 501}),
    "a method of a kilobyte": (b"A" * 1024 + b" /v1/tenants HTTP/1.1", {400, 404, 405, 501}),
    "a target of a hundred kilobytes": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1", {414, 431}),
}


@pytest.mark.parametrize("name", TARGETS)
async def test_a_target_that_means_something_else_elsewhere_is_refused(listener: Listener, name: str) -> None:
    line, allowed = TARGETS[name]
    answered = await listener.say(line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
    got = statuses(answered)
    assert len(got) == 1, answered[:200]
    assert got[0] in allowed, answered[:200]


async def test_there_is_no_http_2_so_that_nothing_can_be_reset_rapidly(listener: Listener) -> None:
    settings, reset = b"\0\0\0\x04\0\0\0\0\0", b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"
    answered = await listener.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + reset * 1000)
    assert statuses(answered) == [505]
    # Not a frame of HTTP/2: the answer is HTTP/1.1 from its first octet.
    assert answered.startswith(b"HTTP/1.1 505 ")
    upgrade = (b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    answered = await listener.say(listener.head(b"GET", *upgrade) + settings + reset * 1000)
    assert 101 not in statuses(answered)
    assert all(400 <= one < 500 for one in statuses(answered)), answered[:200]
    await listener.serves()


async def test_a_caller_that_closes_its_half_still_gets_its_answer(listener: Listener) -> None:
    reader, writer = await listener.connect()
    writer.write(listener.good)
    writer.write_eof()
    async with asyncio.timeout(15):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        rest = await reader.read()
    assert statuses(rest) == []
    writer.close()
