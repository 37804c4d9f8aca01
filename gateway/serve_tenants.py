"""Serves the admin API as strictly as the calls are read: with the arguments of `tenants.serve.serve`, for `koppelpunt tenants`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.call import Outgoing
from gateway.http1 import Application
from gateway.serve import ServeSettings, serve
from tenants.api.edge import problem_of_unreadable


async def serve_strictly(
    app: Application,
    *,
    bind: str,
    shutdown: asyncio.Event,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    ready: Callable[[int], None] | None = None,
    drain_seconds: float = 60.0,
) -> None:
    """Serve until `shutdown`. What is no HTTP gets a problem document too. Raises OSError, and ValueError for an address."""
    settings = ServeSettings(bind, certificate_file, key_file, drain_seconds=drain_seconds)
    await serve(app, settings, shutdown=shutdown, ready=ready, unreadable=_answer_unreadable)


def _answer_unreadable(status: int) -> Outgoing:
    status, headers, body = problem_of_unreadable(status)
    return Outgoing(status, headers, body)
