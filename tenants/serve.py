"""Serves an ASGI application with hypercorn until told to stop, over TLS when given a certificate.

TLS is 1.2 or 1.3 with ECDHE and AES-GCM or CHACHA20 only (NCSC), and HTTP/1.1 alone is offered. Requests that run when
the stop is asked for may end, within `drain_seconds`.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from pathlib import Path
from typing import Any, Protocol, cast

from hypercorn.asyncio import serve as serve_hypercorn
from hypercorn.config import Config

_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
_BACKLOG = 128


class Application(Protocol):
    """An ASGI application (version 3)."""

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        /,
    ) -> None: ...


class _Config(Config):
    include_server_header = False
    keep_alive_timeout = 30.0
    h11_max_incomplete_size = 16 * 1024
    alpn_protocols = ["http/1.1"]  # noqa: RUF012 - hypercorn's own attribute
    errorlog = None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        context = super().create_ssl_context()
        if context is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        return context


async def serve(
    application: Application,
    *,
    bind: str,
    shutdown: asyncio.Event,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    ready: Callable[[int], None] | None = None,
    drain_seconds: float = 10.0,
) -> None:
    """Serve on `host:port` (port 0: any free one) until `shutdown`; `ready` is told the port once it listens.

    Raises OSError when the address or the files cannot be used, ValueError for a certificate without key.
    """
    if (certificate_file is None) != (key_file is None):
        raise ValueError("A server certificate needs its key, and a key its certificate.")
    listening = _listen(bind)
    config = _Config()
    # hypercorn takes the socket over and closes it in the end.
    config.bind = [f"fd://{listening.fileno()}"]
    config.ciphers = _SUITES
    config.graceful_timeout = drain_seconds
    if certificate_file is not None and key_file is not None:
        config.certfile, config.keyfile = str(certificate_file), str(key_file)
    port = listening.getsockname()[1]
    listening.detach()
    if ready is not None:
        # Connections wait in the backlog until hypercorn accepts them.
        ready(port)
    await serve_hypercorn(cast("Any", application), config, shutdown_trigger=shutdown.wait, mode="asgi")


async def run_together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a process until all have ended. When one fails the others are cancelled, and its error raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failed:
        # The operator is helped by "address in use", not by a group of one.
        raise failed.exceptions[0] from None


def _listen(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    made.setblocking(False)
    return made
