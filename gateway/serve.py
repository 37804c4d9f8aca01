"""Runs an ASGI application on hypercorn in this process, over plain HTTP/1.1 or TLS, until told to stop.

TLS is 1.2 or 1.3 with ECDHE and AES-GCM or CHACHA20 (NCSC), HTTP/1.1 alone by ALPN. What a connection may do stands in
`gateway.connection` and `gateway.http1`; only these three know hypercorn. Shutting down stops listening and lets running calls end
(`gateway.draining`); hypercorn's own `graceful_timeout` cuts calls with a 500, and is not honoured by Python 3.12.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app

from gateway.call import Outgoing
from gateway.connection import Connection, Times
from gateway.draining import Connections
from gateway.entrance import Entrance, source_of
from gateway.http1 import Application, Http1
from gateway.listening import BACKLOG, Incoming, Listener, bind_to
from gateway.peer import tls_extension, with_tls

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_log = structlog.get_logger("koppelpunt.http")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where to listen (`host:port`, `[::1]:port`), as whom, and within which limits. Times in seconds.

    `client_ca_file` are the anchors that callers' certificates must lead to: without it none is asked for. With
    `client_required` nobody gets a connection without one.
    """

    bind: str
    certificate_file: Path | None = None
    key_file: Path | None = None
    times: Times = field(default_factory=Times)
    handshake_seconds: float = 10.0
    drain_seconds: float = 40.0
    drain_idle_seconds: float = 0.0
    most_head: int = 16 * 1024
    most_connections: int = 4096
    most_handshakes: int = 1024
    most_requests: int = 10_000
    reuse_port: bool = False
    listen_fd: int | None = None
    renew_seconds: float = 10.0
    client_ca_file: Path | None = None
    client_required: bool = False


class _CachedDate(Config):
    """Hypercorn's settings, with the Date header made once a second and no word about which server this is."""

    errorlog = None
    include_server_header = False
    _second = 0
    _made: list[tuple[bytes, bytes]] = []  # noqa: RUF012 - replaced, never changed

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        second = int(time.time())
        if second != self._second:
            self._second, self._made = second, super().response_headers(protocol)
        return self._made


def make_server_context(
    certificate_file: Path, key_file: Path, client_ca_file: Path | None = None, *, client_required: bool = False
) -> ssl.SSLContext:
    """Return the TLS context of a server. Raises OSError or ssl.SSLError when the files are not what they should be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    # A ticket is opened by one key for as long as the process lives: whoever takes that reads what was recorded before. And
    # a resumed session would bring its client certificate back without another look at it.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.load_cert_chain(certificate_file, key_file)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        # What the operator listed is trusted, root or not. A certificate that is shown must be good, asked for or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


def empty_refusal(status: int) -> Outgoing:
    """The answer to what is no HTTP, for an application that has no words for it."""
    return Outgoing(status, [], b"")


async def serve(
    app: Application,
    settings: ServeSettings,
    *,
    shutdown: asyncio.Event,
    ready: Callable[[int], None] | None = None,
    unreadable: Callable[[int], Outgoing] = empty_refusal,
    entrance: Entrance | None = None,
) -> None:
    """Serve `app` until `shutdown` is set and the running calls have ended. `ready` is told the port.

    `entrance` bounds the connections that have not done their handshake yet; without one, one of its own does.

    Raises OSError when the address or the certificate cannot be used, and whatever the application's start raises.
    """
    config = _make_config(settings)
    context = WorkerContext(None)
    http: type[Http1] = type("Http1OfServer", (Http1,), {"unreadable": staticmethod(unreadable)})
    state: Any = {}
    connections = Connections(settings.most_connections)

    async def accept(reader: Incoming, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        # Gone already: it has no address any more, and needs no place.
        source = source_of(peer[0]) if peer else ""
        if connections.are_full or not connections.have_room(source):
            writer.transport.abort()
            return
        application = with_tls(app, tls_extension(writer.get_extra_info("ssl_object")))
        await connections.run(
            Connection(application, http, settings.times, config, context, state, reader, writer), source
        )

    tls = _tls(settings)
    lifespan = Lifespan(wrap_app(app, 0, "asgi"), config, asyncio.get_running_loop(), state)
    lifespan_task = asyncio.create_task(lifespan.handle_lifespan())
    try:
        await lifespan.wait_for_startup()
        if lifespan_task.done():
            lifespan_task.result()
        listener = Listener(
            await _listening(settings),
            entrance or Entrance(settings.most_handshakes),
            accept,
            tls,
            lambda: connections.are_full,
        )
        if ready is not None:
            ready(listener.port)
        renewing = asyncio.create_task(_renew(settings, tls.get("ssl")))
        try:
            await shutdown.wait()
        finally:
            renewing.cancel()
            listener.close()
            await context.terminated.set()
            await connections.drain(listener.entering, settings.drain_idle_seconds, settings.drain_seconds)
            await listener.end()
        await lifespan.wait_for_shutdown()
    finally:
        lifespan_task.cancel()
        await asyncio.gather(lifespan_task, return_exceptions=True)


async def _renew(settings: ServeSettings, context: ssl.SSLContext | None) -> None:
    """Show the certificate that its files hold, soon after they change; a pair that does not fit is not taken."""
    if context is None or settings.certificate_file is None or settings.key_file is None:
        return
    known = _written(settings)
    while True:
        await asyncio.sleep(settings.renew_seconds)
        try:
            found = _written(settings)
            if found != known:
                # First into a context of its own: a living one must never be left with half a pair.
                make_server_context(settings.certificate_file, settings.key_file)
                context.load_cert_chain(settings.certificate_file, settings.key_file)
                known = found
                _log.info("server_certificate_renewed")
        except (OSError, ssl.SSLError) as error:
            _log.error("server_certificate_not_renewed", error=type(error).__name__)


def _written(settings: ServeSettings) -> list[tuple[int, int]]:
    files = (settings.certificate_file, settings.key_file)
    return [(found.st_mtime_ns, found.st_ino) for found in (one.stat() for one in files if one is not None)]


def _make_config(settings: ServeSettings) -> Config:
    config = _CachedDate()
    config.h11_max_incomplete_size = settings.most_head
    config.keep_alive_max_requests = settings.most_requests
    return config


def _tls(settings: ServeSettings) -> dict[str, Any]:
    if settings.certificate_file is None or settings.key_file is None:
        if settings.certificate_file is not None or settings.key_file is not None:
            raise ValueError("A certificate needs its key, and a key its certificate.")
        return {}
    return {
        "ssl": make_server_context(
            settings.certificate_file,
            settings.key_file,
            settings.client_ca_file,
            client_required=settings.client_required,
        ),
        "ssl_handshake_timeout": settings.handshake_seconds,
        "ssl_shutdown_timeout": settings.times.linger,
    }


async def _listening(settings: ServeSettings) -> list[socket.socket]:
    if settings.listen_fd is not None:
        one = socket.socket(fileno=settings.listen_fd)
        # Its parent may have shut it, when a worker before this one could not begin.
        one.listen(BACKLOG)
        return [one]
    host, port = _split(settings.bind)
    return await bind_to(host, port, reuse_port=settings.reuse_port)


def _split(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{bind!r} is no host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)
