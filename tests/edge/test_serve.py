"""The server by itself: what it lets through to an application, how it cuts off who is slow, and how it stops."""

import asyncio
import ssl
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway import pki
from gateway.serve import ServeSettings, make_server_context, serve
from tests.edge.serving import ask, read_answer, request, running, send_raw


def http_only(application):
    """An application without lifespan, as the ASGI specification lets it be: it raises."""

    async def called(scope, receive, send):
        assert scope["type"] == "http"
        await application(scope, receive, send)

    return called


@http_only
async def echo(scope, receive, send):
    """Says which method came and how long its body was."""
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = f"{scope['method']} {size}".encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@http_only
async def refuse(scope, receive, send):
    """Answers without reading the body."""
    await send(
        {
            "type": "http.response.start",
            "status": 413,
            "headers": [(b"content-length", b"2"), (b"connection", b"close")],
        }
    )
    await send({"type": "http.response.body", "body": b"no"})


GOOD = request(body=b"{}")


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("a bare LF after a header", GOOD.replace(b"example\r\n", b"example\n"), 400),
        ("a bare LF everywhere", GOOD.replace(b"\r\n", b"\n"), 400),
        ("a folded header", GOOD.replace(b"Accept: ", b"Accept:\r\n "), 400),
        ("a NUL in a value", GOOD.replace(b"sleutel", b"sl\0tel"), 400),
        ("a control character in a value", GOOD.replace(b"sleutel", b"sl\x01tel"), 400),
        ("a bare CR in a value", GOOD.replace(b"sleutel", b"sl\rtel"), 400),
        ("a space before the colon", GOOD.replace(b"Accept:", b"Accept :"), 400),
        ("the same length twice", GOOD.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"), 400),
        ("two lengths in one", GOOD.replace(b"Content-Length: 2", b"Content-Length: 2, 2"), 400),
        (
            "length and encoding",
            GOOD.replace(b"Content-Length: 2", b"Content-Length: 2\r\nTransfer-Encoding: chunked"),
            400,
        ),
        (
            "length and encoding, in capitals",
            GOOD.replace(b"Content-Length: 2", b"CONTENT-LENGTH: 2\r\nTRANSFER-ENCODING: chunked"),
            400,
        ),
        ("an unknown encoding", GOOD.replace(b"Content-Length: 2", b"Transfer-Encoding: gzip"), 501),
        ("encodings in a row", GOOD.replace(b"Content-Length: 2", b"Transfer-Encoding: gzip, chunked"), 400),
        ("two hosts", GOOD.replace(b"Accept:", b"Host: elders.example\r\nAccept:"), 400),
        ("no host", GOOD.replace(b"Host:", b"Hest:"), 400),
        ("a large head in one read", request(headers=(("X-Groot", "a" * 20_000),)), 431),
        ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505),
    ],
)
async def test_a_doubtful_head_is_refused_and_its_connection_closed(name, data, status):
    async with running(echo) as port:
        answered = await send_raw(port, data + request("GET", "/smuggled"))
    assert answered.startswith(f"HTTP/1.1 {status} ".encode()), (name, answered[:100])
    assert answered.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answered.lower()
    assert b'"transactieId"' in answered


async def test_a_head_that_never_ends_is_refused_at_its_limit():
    async with running(echo) as port:
        answered = await send_raw(port, b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 3000)
    assert answered.startswith(b"HTTP/1.1 431 ")


async def test_an_upgrade_to_h2c_or_websocket_is_never_made():
    asked = (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ),
    )
    async with running(echo) as port:
        for data in asked:
            answer = await ask(port, data)
            assert (answer.status, answer.body) == (200, b"GET 0")


async def test_a_slow_head_is_cut_off():
    async with running(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = asyncio.get_running_loop().time()
        for byte in (b"POST", b" /api", b" HTTP/1.1", b"\r\n", b"Host", b": h") * 3:
            writer.write(byte)
            await asyncio.sleep(0.1)
            if reader.at_eof():
                break
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - started < 2
        writer.close()


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not():
    @http_only
    async def slow(scope, receive, send):
        await asyncio.sleep(1.2)
        await echo(scope, receive, send)

    async with running(slow) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        assert (await read_answer(reader)).status == 200
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        writer.close()


async def test_one_connection_carries_many_requests_pipelined_ones_too():
    async with running(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD * 5)
        answers = [await read_answer(reader) for _ in range(5)]
        writer.write(request(body=b"abc"))
        answers.append(await read_answer(reader))
        writer.close()
    assert [answer.body for answer in answers] == [b"POST 2"] * 5 + [b"POST 3"]


async def test_a_refused_body_that_still_comes_neither_hangs_nor_loses_the_answer():
    async with running(refuse) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(body=b"", without=("Content-Length",), headers=(("Content-Length", "50000000"),)))
        for _ in range(100):
            writer.write(b"x" * 65536)
        async with asyncio.timeout(5):
            answer = await read_answer(reader)
            rest = await reader.read()
        writer.close()
    assert (answer.status, answer.body, rest) == (413, b"no", b"")


async def test_a_caller_that_does_not_read_its_answer_is_cut_off():
    done = asyncio.Event()

    @http_only
    async def large(scope, receive, send):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(400):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        finally:
            done.set()

    async with running(large) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(request("GET", "/"))
        async with asyncio.timeout(5):
            await done.wait()
        writer.close()


async def test_a_caller_that_hangs_up_cancels_nothing():
    started, ended = asyncio.Event(), asyncio.Event()

    @http_only
    async def slow(scope, receive, send):
        started.set()
        await asyncio.sleep(0.5)
        ended.set()
        await echo(scope, receive, send)

    async with running(slow) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        await started.wait()
        writer.transport.abort()
        async with asyncio.timeout(3):
            await ended.wait()


async def test_a_caller_that_has_closed_its_half_still_gets_its_answer():
    async with running(echo) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        writer.write_eof()
        assert (await read_answer(reader)).body == b"POST 2"
        writer.close()


async def test_stopping_lets_running_calls_end_and_closes_idle_connections():
    started = asyncio.Event()

    @http_only
    async def slow(scope, receive, send):
        started.set()
        await asyncio.sleep(0.5)
        await echo(scope, receive, send)

    async with running(slow) as port:
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        await started.wait()
        # The block's end stops the server; the answer must be there all the same.
    answer = await read_answer(reader)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await idle_reader.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    idle_writer.close()
    writer.close()


async def test_stopping_waits_no_longer_than_its_limit():
    started = asyncio.Event()
    cancelled = asyncio.Event()

    @http_only
    async def endless(scope, receive, send):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with running(endless, drain_seconds=0.3) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        await started.wait()
    assert cancelled.is_set()
    writer.close()


async def test_an_application_that_fails_gives_a_bare_500_and_the_server_goes_on():
    @http_only
    async def broken(scope, receive, send):
        raise RuntimeError("999990019")

    async with running(broken) as port:
        for _ in range(2):
            answer = await ask(port, GOOD)
            assert (answer.status, answer.body) == (500, b"")


async def test_answers_tell_no_server_and_leave_in_one_piece():
    async with running(echo) as port:
        answer = await ask(port, GOOD)
    assert "server" not in answer.headers
    assert "date" in answer.headers


async def test_the_start_and_the_end_of_the_application_are_told_to_it():
    told = []

    async def with_lifespan(scope, receive, send):
        if scope["type"] != "lifespan":
            await echo(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            told.append((await receive())["type"])
            await send({"type": f"lifespan.{step}.complete"})

    async with running(with_lifespan) as port:
        assert told == ["lifespan.startup"]
        await ask(port, GOOD)
    assert told == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_address_without_a_port_and_a_certificate_without_a_key_are_refused(tmp_path):
    with pytest.raises(ValueError, match="host:port"):
        await serve(echo, ServeSettings("localhost"), shutdown=asyncio.Event())
    with pytest.raises(ValueError, match="key"):
        await serve(echo, ServeSettings("127.0.0.1:0", certificate_file=tmp_path / "a"), shutdown=asyncio.Event())


@pytest.fixture(scope="module")
def server_files(tmp_path_factory):
    return make_server_files(tmp_path_factory.mktemp("tls"))


def make_server_files(directory: Path) -> tuple[Path, Path, Path]:
    authorities = pki.make_pki()
    issued = authorities.issue_server(["localhost", "127.0.0.1"])
    chain, key = issued.save(directory, "server")
    anchor = directory / "root.pem"
    anchor.write_bytes(authorities.root_pem)
    return chain, key, anchor


def trusting(anchor) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(anchor)
    return context


async def test_tls_is_1_2_or_1_3_with_the_suites_that_may_be_used(server_files: tuple[Path, Path, Path]) -> None:
    chain, key, anchor = server_files
    async with running(echo, certificate_file=chain, key_file=key) as port:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(anchor)
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            answer = await ask(port, GOOD, ssl=context, server_hostname="localhost")
            assert answer.body == b"POST 2"
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.close()


@pytest.mark.parametrize("suites", ["AES256-GCM-SHA384", "ECDHE+AES:!AESGCM", "DHE+AESGCM"])
async def test_no_other_suite_is_agreed(server_files, suites):
    chain, key, anchor = server_files
    context = trusting(anchor)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suites)
    async with running(echo, certificate_file=chain, key_file=key) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, GOOD, ssl=context, server_hostname="localhost")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_no_older_version_is_agreed(server_files):
    chain, key, anchor = server_files
    assert make_server_context(chain, key).minimum_version is ssl.TLSVersion.TLSv1_2
    context = trusting(anchor)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with running(echo, certificate_file=chain, key_file=key) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(port, GOOD, ssl=context, server_hostname="localhost")


async def test_above_its_number_of_connections_the_server_takes_no_more():
    async with running(echo, most_connections=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        assert (await read_answer(reader)).status == 200
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(port, GOOD)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert (await ask(port, GOOD)).status == 200


async def test_one_address_that_holds_all_it_can_leaves_places_for_another():
    held = []
    async with running(echo, most_connections=16) as port:
        for _ in range(14):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            held.append(writer)
            writer.write(GOOD)
            assert (await read_answer(reader)).status == 200
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(port, GOOD)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        held.append(writer)
        writer.write(GOOD)
        assert (await read_answer(reader)).status == 200
        for one in held:
            one.close()
            await one.wait_closed()


async def test_a_caller_that_never_finishes_its_tls_handshake_is_cut_off(server_files):
    chain, key, _ = server_files
    async with running(echo, certificate_file=chain, key_file=key, handshake_seconds=0.3) as port:
        assert await send_raw(port, b"\x16\x03\x01", seconds=3) == b""


def test_the_server_stands_on_the_version_of_hypercorn_whose_inside_it_extends():
    assert version("hypercorn") == "0.18.0"
