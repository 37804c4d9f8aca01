"""Carries calls to a simulator over mutual TLS, and breaks connections where a fault says so.

Owns the server: TLS 1.2 and 1.3 with ECDHE and AES-GCM or CHACHA20 only, a client certificate required and checked
strictly. A request is read whole before anything is done with it. Built on aiohttp's server, which gives the peer
certificate of a connection and the transport to abort it.
"""

import asyncio
import contextlib
import gzip
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from gateway.simulator.app import Exchange, Simulator
from gateway.simulator.calls import Call, Connection, Reply
from gateway.simulator.control import serving_control
from gateway.simulator.faults import FaultKind

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_RESETS: Final = frozenset({FaultKind.RESET, FaultKind.RESET_KEPT_ALIVE})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a simulator listens. `control_port` is None where it has none."""

    host: str
    port: int
    control_port: int | None = None


def make_server_context(certificate_file: Path, key_file: Path, trust_anchors_file: Path) -> ssl.SSLContext:
    """Make the context that demands a client certificate under one of the anchors. Raises OSError or ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(certificate_file, key_file)
    context.load_verify_locations(cafile=trust_anchors_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@contextlib.asynccontextmanager
async def serving(
    simulator: Simulator,
    *,
    certificate_file: Path,
    key_file: Path,
    trust_anchors_file: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    control_port: int | None = None,
) -> AsyncIterator[Address]:
    """Serve until the block ends; 0 takes any free port. At the end connections are cut, hanging ones too."""
    context = make_server_context(certificate_file, key_file, trust_anchors_file)
    loop = asyncio.get_running_loop()
    server = _Server(simulator, loop)
    listener = await loop.create_server(server, host, port, ssl=context, backlog=1024)
    bound = listener.sockets[0].getsockname()[1]
    try:
        if control_port is None:
            yield Address(host, bound)
        else:
            async with serving_control(simulator, control_port) as control:
                yield Address(host, bound, control)
    finally:
        listener.close()
        for connection in list(simulator.connections.values()):
            connection.gone.set()
        await server.shutdown(0.5)
        await listener.wait_closed()


async def serve(
    simulator: Simulator,
    *,
    host: str,
    port: int,
    certificate_file: Path,
    key_file: Path,
    trust_anchors_file: Path,
    shutdown: asyncio.Event,
    ready: Callable[[Address], None],
    control_port: int | None = None,
) -> None:
    """Serve until `shutdown` is set; `ready` is called once with the address that was bound."""
    async with serving(
        simulator,
        certificate_file=certificate_file,
        key_file=key_file,
        trust_anchors_file=trust_anchors_file,
        host=host,
        port=port,
        control_port=control_port,
    ) as address:
        ready(address)
        await shutdown.wait()


class _Server(web.Server):
    """aiohttp's server, which keeps the identity of each connection from its first moment to its last."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._simulator = simulator
        self._identities: dict[RequestHandler, Connection] = {}
        self._subjects: dict[str, str | None] = {}
        limit = simulator.settings.body_limit

        def make_request(message: Any, payload: Any, carrier: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, carrier, writer, task, loop, client_max_size=limit)

        super().__init__(
            self._handle,
            request_factory=make_request,
            access_log=None,
            keepalive_timeout=simulator.settings.keepalive_seconds,
        )

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(True)
        fingerprint = hashlib.sha256(der).hexdigest()
        if fingerprint not in self._subjects:
            self._subjects[fingerprint] = _serial_number(tls.getpeercert())
        self._identities[handler] = self._simulator.opened(
            self._subjects[fingerprint], fingerprint, tls.version() or "unknown"
        )

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        connection = self._identities.pop(handler, None)
        if connection is not None:
            self._simulator.closed(connection)
        super().connection_lost(handler, exc)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._identities[request.protocol]
        try:
            body = await request.read()
        except (HttpProcessingError, web.RequestPayloadError):
            return web.Response(status=400)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            # A repeated header counts as one list (RFC 9110 section 5.3): two tokens are no valid token.
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        call = Call(
            request.method, request.path, request.query if request.query_string else {}, headers, body, connection
        )
        exchange = self._simulator.begin(call)
        if exchange.faults and not await self._survives(exchange, request):
            return web.Response(status=500)
        reply = self._simulator.reply(exchange)
        if exchange.faults:
            for rule in exchange.faults:
                if rule.kind == FaultKind.TRUNCATED:
                    return await _send_part(request, reply, promised=len(reply.body))
                if rule.kind == FaultKind.WRONG_LENGTH:
                    return await _send_part(request, reply, promised=len(reply.body) + 1, sent=len(reply.body))
        return self._response(reply, headers.get("accept-encoding", ""))

    async def _survives(self, exchange: Exchange, request: web.BaseRequest) -> bool:
        """Do what delays or kills; False when the connection is no more."""
        connection = exchange.call.connection
        for rule in exchange.faults:
            if rule.kind == FaultKind.SLOW:
                await _wait_gone(connection, rule.seconds or 0.0)
            elif rule.kind == FaultKind.HANG:
                await _wait_gone(connection, rule.seconds)
                _abort(request)
                return False
            elif rule.kind in _RESETS:
                _abort(request)
                return False
        return not connection.gone.is_set()

    def _response(self, reply: Reply, accepted: str) -> web.Response:
        headers = dict(reply.headers)
        if reply.content_type is not None:
            headers["Content-Type"] = reply.content_type
        body = reply.body
        if len(body) >= self._simulator.settings.gzip_minimum and "gzip" in accepted and "gzip;q=0" not in accepted:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return web.Response(status=reply.status, body=body or None, headers=headers)


async def _wait_gone(connection: Connection, seconds: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await connection.gone.wait()


def _abort(request: web.BaseRequest) -> None:
    """Close with a TCP RST: no TLS goodbye, nothing lingers."""
    transport = request.transport
    if transport is None:
        return
    found = transport.get_extra_info("socket")
    if found is not None:
        # A duplicate shares the options of the connection and may be closed by itself, under any event loop.
        with socket.socket(fileno=socket.dup(found.fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _send_part(
    request: web.BaseRequest, reply: Reply, *, promised: int, sent: int | None = None
) -> web.StreamResponse:
    """Send a head that promises more than the body that follows, then end the connection."""
    response = web.StreamResponse(status=reply.status, headers={**reply.headers, hdrs.CONTENT_LENGTH: str(promised)})
    response.content_type = (reply.content_type or "application/octet-stream").partition(";")[0]
    await response.prepare(request)
    await response.write(reply.body[: promised // 2 if sent is None else sent])
    if request.transport is not None:
        request.transport.close()
    return response


def _serial_number(certificate: Mapping[str, Any] | None) -> str | None:
    """subject.serialNumber; None where there is none, or more than one."""
    names = [value for part in (certificate or {}).get("subject", ()) for key, value in part if key == "serialNumber"]
    return str(names[0]) if len(names) == 1 else None
