"""One identity per connection, one sending per call, and exact knowledge of whether a byte has left."""

import asyncio
import dataclasses
import gzip
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from gateway.call import Answered, Unanswered
from gateway.catalogue import Api, Environment
from gateway.errors import IdentityUnavailable
from gateway.mtls import Identities
from gateway.pki import make_pki
from gateway.upstream import Upstream
from gateway.wire.answer import decode
from gateway.wire.pools import WireLimits, Wires
from tenants.model import Aansluiting
from tests.upstream import stage
from tests.upstream.stage import BERICHTEN, CLOSE, HANG, OK, PERSONEN, RESET

TOKEN = "token-van-rvig"
BODY = b'{"type":"RaadpleegMetBurgerservicenummer"}'


async def send(
    upstream: Upstream,
    aansluiting: Aansluiting,
    environment: Environment,
    *,
    method: str = "POST",
    body: bytes = BODY,
    seconds: float = 2.0,
    api: Api = PERSONEN,
    subpath: str = "",
    query: str = "",
    headers: Mapping[str, str] = MappingProxyType({}),
    token: str = TOKEN,
) -> Any:
    deadline = time.monotonic() + seconds
    return await upstream.send(
        aansluiting, environment, api, method, subpath, query, headers, body, token, deadline=deadline
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_interleaved_calls_to_one_host_leave_with_their_own_certificate(
    pki, tmp_path, upstream, first, second, version
):
    async with stage.serving(pki, tmp_path, version=version) as server:
        environment = stage.make_environment(server.url)
        for _ in range(10):
            calls = [
                send(upstream, one, environment, token=one.organisation_oin) for one in (first, second, second, first)
            ]
            assert all(isinstance(one, Answered) for one in await asyncio.gather(*calls))
        assert len(server.requests) == 40
        assert {one.version for one in server.requests} == {version.name.replace("_", ".")}
        for request in server.requests:
            assert request.headers["authorization"] == f"Bearer {request.oin}"
        assert {request.connection for request in server.requests if request.oin == first.organisation_oin}.isdisjoint(
            request.connection for request in server.requests if request.oin == second.organisation_oin
        )
        assert server.connections < 40


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("trouble", [RESET, CLOSE])
@pytest.mark.parametrize("kept_alive", [False, True])
async def test_a_call_that_was_read_is_never_repeated(
    server, environment, upstream, first, method, trouble, kept_alive
):
    body = BODY if method in {"POST", "PUT"} else b""
    if kept_alive:
        assert isinstance(await send(upstream, first, environment, method="GET", body=b""), Answered)
    before = len(server.requests)
    server.react = lambda _request: trouble
    result = await send(upstream, first, environment, method=method, body=body)
    assert isinstance(result, Unanswered)
    assert (result.reason, result.sent) == ("verbindingVerbroken", True)
    await asyncio.sleep(0.05)
    assert len(server.requests) == before + 1
    assert server.connections == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kept_alive", [False, True])
async def test_after_the_deadline_not_one_byte_leaves(server, environment, upstream, first, method, kept_alive):
    if kept_alive:
        await send(upstream, first, environment, method="GET", body=b"")
    before = server.bytes_read
    result = await send(upstream, first, environment, method=method, body=BODY * (method == "POST"), seconds=-0.001)
    assert isinstance(result, Unanswered)
    assert not result.sent
    await asyncio.sleep(0.05)
    assert server.bytes_read == before


async def test_a_permission_that_ends_between_connecting_and_writing_is_not_used(server, environment, upstream, first):
    await send(upstream, first, environment, method="GET", body=b"")

    async def stall() -> None:
        # Runs after the call was handed to its connection, before the task that writes its body.
        time.sleep(0.1)  # noqa: ASYNC251 - the loop itself must stand still

    # Only a large body leaves in a task of its own; a small one leaves in the step that hands the call over.
    call = asyncio.create_task(send(upstream, first, environment, body=b"x" * 40_000, seconds=0.05))
    stalling = asyncio.create_task(stall())
    result = await call
    await stalling
    assert result == dataclasses.replace(result, reason="toestemmingVerlopen", sent=False)
    assert len(server.requests) == 1
    # And the pool still works.
    assert isinstance(await send(upstream, first, environment), Answered)


async def test_a_slow_handshake_does_not_outlive_the_permission(environment, upstream, first):
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    deaf = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    begun = time.monotonic()
    result = await send(upstream, first, stage.make_environment(f"https://127.0.0.1:{port}"), seconds=0.2)
    assert (result.reason, result.sent) == ("verbindingTeLaat", False)
    assert time.monotonic() - begun < 1
    deaf.close()


async def test_an_answer_that_does_not_come_in_time_is_unanswered_and_sent(server, upstream, first):
    server.react = lambda _request: HANG
    result = await send(upstream, first, stage.make_environment(server.url, answer_timeout=0.2))
    assert (result.reason, result.sent) == ("antwoordTeLaat", True)


async def test_an_answer_that_stops_halfway_is_unanswered(server, upstream, first):
    server.react = lambda _request: OK[:-1]
    result = await send(upstream, first, stage.make_environment(server.url, answer_timeout=0.2))
    assert (result.reason, result.sent) == ("antwoordTeLaat", True)


async def test_a_redirect_is_an_answer_and_is_not_followed(server, environment, upstream, first):
    server.react = lambda _request: stage.answer(b"", f"Location: {server.url}/elders", status="307 Temporary Redirect")
    result = await send(upstream, first, environment)
    assert isinstance(result, Answered)
    assert (result.status, result.headers) == (307, {})
    assert len(server.requests) == 1


async def test_a_cookie_is_neither_kept_nor_passed_on(server, environment, upstream, first):
    server.react = lambda _request: stage.answer(b"{}", "Set-Cookie: sessie=1; Path=/")
    for _ in range(2):
        result = await send(upstream, first, environment)
        assert isinstance(result, Answered)
        assert "set-cookie" not in result.headers
    assert all("cookie" not in request.headers for request in server.requests)


async def test_only_headers_on_the_list_leave(server, environment, upstream, first):
    given = {
        "accept": "application/json, text/plain, */*",
        "accept-gezag-version": "2",
        "authorization": "Bearer van-de-aanroeper",
        "content-type": "application/json; charset=utf-8",
        "cookie": "sessie=1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "x-api-key": "sleutel",
        "x-doelbinding": "burgerzaken",
        "x-fixed": "van de aanroeper",
        "x-gebruiker": "jan",
    }
    await send(upstream, first, environment, headers=given, token="van-rvig")
    assert server.requests[0].headers == {
        "host": f"localhost:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "accept-gezag-version": "2",
        "authorization": "Bearer van-rvig",
        "content-length": str(len(BODY)),
        "content-type": "application/json; charset=utf-8",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "user-agent": "Koppelpunt",
        "x-fixed": "fixed",
    }
    assert server.requests[0].body == BODY


async def test_path_and_query_leave_as_they_came(server, environment, upstream, first):
    await send(
        upstream, first, environment, method="GET", body=b"", api=BERICHTEN, subpath="/berichten/a1,b2",
        query="status=gelezen&van=2026-11-01%2B01",
    )  # fmt: skip
    assert server.requests[0].target == ("/lap/api/brp/berichten/v1/berichten/a1,b2?status=gelezen&van=2026-11-01%2B01")


@pytest.mark.parametrize(
    ("subpath", "query"),
    [("/../personen", ""), ("/.", ""), ("/a b", ""), ("/a%2e%2e", ""), ("/a", "x y"), ("/a", "x#y"), ("", "é"),
     ("/a\r\nX-Y: z", ""), ("zonder-streep", "")],
)  # fmt: skip
async def test_a_path_that_is_not_plain_does_not_leave(server, environment, upstream, first, subpath, query):
    result = await send(upstream, first, environment, method="GET", body=b"", subpath=subpath, query=query)
    assert result == Unanswered("verzoekOnbruikbaar", sent=False)
    assert server.connections == 0


async def test_a_header_that_holds_a_line_break_does_not_leave(server, environment, upstream, first):
    result = await send(upstream, first, environment, headers={"traceparent": "a\r\nx-injected: 1"})
    assert (result.reason, result.sent) == ("verzoekOnbruikbaar", False)
    assert server.requests == []


async def test_gzip_is_undone_for_the_register(server, environment, upstream, first):
    server.react = lambda _request: stage.answer(gzip.compress(b'{"berichten":[]}'), "Content-Encoding: gzip")
    result = await send(upstream, first, environment, method="GET", body=b"", api=BERICHTEN)
    assert isinstance(result, Answered)
    assert (result.body, "content-encoding" in result.headers) == (b'{"berichten":[]}', False)
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    packed = bomb()
    tracemalloc.start()
    try:
        assert decode(packed, "gzip", 1_000_000) is None
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [1, 1 << 20, 2_000_000])
async def test_a_body_of_any_size_leaves_whole_and_once(server, environment, upstream, first, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    result = await send(upstream, first, environment, body=body)
    assert isinstance(result, Answered)
    assert [request.body for request in server.requests] == [body]
    assert server.requests[0].headers["content-type"] == "application/json"


async def test_a_post_without_a_body_says_so(server, environment, upstream, first):
    await send(upstream, first, environment, body=b"")
    assert server.requests[0].headers["content-length"] == "0"
    assert server.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (bomb(), "gzip", "antwoordTeGroot"),
        (bytes(1_000_001), "identity", "antwoordTeGroot"),
        (gzip.compress(b"{}" * 999)[:-9], "gzip", "antwoordOnleesbaar"),
        (gzip.compress(b"{}") + b"meer", "gzip", "antwoordOnleesbaar"),
        (b"geen gzip", "gzip", "antwoordOnleesbaar"),
        (b"{}", "br", "antwoordOnleesbaar"),
    ],
    ids=["bomb", "large", "cut off", "trailing", "no gzip", "brotli"],
)
async def test_an_answer_that_cannot_be_recorded_is_no_answer(
    server, environment, identities, first, body, encoding, reason
):
    server.react = lambda _request: stage.answer(body, f"Content-Encoding: {encoding}")
    wires = Wires(identities, WireLimits(answer=1_000_000))
    result = await send(Upstream(wires), first, environment)
    assert (result.reason, result.sent) == (reason, True)
    await wires.close()


async def test_an_answer_that_is_no_http_is_unanswered(server, environment, upstream, first):
    server.react = lambda _request: b"Goedemorgen\r\n\r\n"
    result = await send(upstream, first, environment)
    assert (result.reason, result.sent) == ("antwoordOnleesbaar", True)


async def test_a_server_of_another_name_gets_nothing(pki, tmp_path, upstream, first):
    async with stage.serving(pki, tmp_path, names=("elders.invalid",)) as server:
        result = await send(upstream, first, stage.make_environment(server.url))
        assert (result.reason, result.sent) == ("tlsMislukt", False)
        assert server.requests == []


async def test_a_server_under_another_root_gets_nothing(tmp_path, pki, upstream, first):
    stranger = make_pki("Vreemd")
    async with stage.serving(stranger, tmp_path) as server:
        result = await send(upstream, first, stage.make_environment(server.url))
        assert (result.reason, result.sent) == ("tlsMislukt", False)
        assert server.requests == []


async def test_nobody_listening_means_not_sent(upstream, first):
    result = await send(upstream, first, stage.make_environment("https://localhost:1"))
    assert (result.reason, result.sent) == ("geenVerbinding", False)


async def test_an_unknown_name_means_not_sent(upstream, first):
    result = await send(upstream, first, stage.make_environment("https://bestaat-niet.invalid"))
    assert (result.reason, result.sent) == ("naamOnbekend", False)


async def test_an_aansluiting_of_another_environment_does_not_leave(server, upstream, first):
    productie = stage.make_environment(server.url, "productie")
    assert await send(upstream, first, productie) == Unanswered("omgevingTegenstrijdig", sent=False)


async def test_an_identity_that_cannot_be_used_is_a_value_too(server, environment, upstream, first):
    revoked = dataclasses.replace(first, certificate=dataclasses.replace(first.certificate, state="revoked"))
    assert await send(upstream, revoked, environment) == Unanswered("certificaatNietActief", sent=False)
    assert server.connections == 0


async def test_a_cancelled_call_ends_as_cancelled_and_leaves_no_connection(server, environment, upstream, first):
    server.react = lambda _request: HANG
    call = asyncio.create_task(send(upstream, first, environment))
    await server.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.05)
    assert server.open_connections == 0


async def test_rotation_drains_the_old_certificate_and_starts_the_new(
    pki, keyring, server, environment, wires, upstream, first
):
    renewed = stage.make_aansluiting(pki, keyring, 1)
    server.react = lambda request: HANG if request.target.endswith("wacht") else OK
    slow = asyncio.create_task(send(upstream, first, environment, subpath="/wacht", api=BERICHTEN))
    await server.arrived.wait()
    await send(upstream, first, environment)
    assert server.open_connections == 2
    wires.keep([renewed.certificate.fingerprint])
    assert isinstance(await send(upstream, renewed, environment), Answered)
    assert not slow.done()
    assert len(wires) == 2
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await asyncio.sleep(0.05)
    # Only the connection of the new certificate is left.
    assert (server.open_connections, len(wires)) == (1, 1)


async def test_a_call_that_was_permitted_before_a_rotation_still_leaves_with_its_own_certificate(
    server, environment, wires, identities, upstream, first, second
):
    wires.keep([second.certificate.fingerprint])
    assert isinstance(await send(upstream, first, environment), Answered)
    assert server.requests[0].oin == first.organisation_oin
    await asyncio.sleep(0.05)
    assert (server.open_connections, len(wires), len(identities)) == (0, 0, 0)


async def test_an_idle_pool_is_closed_and_made_again_when_needed(server, environment, identities, first):
    wires = Wires(identities, WireLimits(idle_pool=0.1))
    upstream = Upstream(wires)
    await send(upstream, first, environment)
    await asyncio.sleep(0.3)
    assert (server.open_connections, len(wires), len(identities)) == (0, 0, 0)
    assert isinstance(await send(upstream, first, environment), Answered)
    await wires.close()


async def test_closing_ends_running_calls_as_unanswered(server, environment, wires, upstream, first):
    server.react = lambda _request: HANG
    call = asyncio.create_task(send(upstream, first, environment))
    await server.arrived.wait()
    await wires.close()
    result = await call
    assert (result.reason, result.sent) == ("verbindingVerbroken", True)


async def test_a_token_request_over_an_expired_certificate_does_not_start(pki, keyring, server, environment, first):
    later = Identities(keyring, {"proef": pki.root_pem.decode()}, clock=lambda: time.time() + 10 * 365 * 86400)
    wires = Wires(later)
    with pytest.raises(IdentityUnavailable):
        later.get(first.certificate, "proef")
    assert await send(Upstream(wires), first, environment) == Unanswered("certificaatVerlopen", sent=False)
    assert server.connections == 0
    await wires.close()
