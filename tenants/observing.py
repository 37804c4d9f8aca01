"""The port for the operator's machines: /live, /ready and /metrics. No personal data, and no way into anything else.

Liveness says that this process runs, and touches nothing outside it. Readiness says why not, by name.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

from tenants.serve import Application

Ready = Callable[[], Awaitable[Mapping[str, bool]]]
"""What the process leans on, each with whether it is there."""

_JSON = b"application/json"


def make_observed(registry: CollectorRegistry, ready: Ready) -> Application:
    """Make the application of the port. What readiness says is a metric too."""
    shown = Gauge("koppelpunt_ready", "Whether this part of the process is ready", ["check"], registry=registry)

    async def ask() -> Mapping[str, bool]:
        parts = await ready()
        for name, is_there in parts.items():
            shown.labels(name).set(is_there)
        return parts

    async def observed(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        /,
    ) -> None:
        if scope["type"] == "lifespan":
            await _live_through(receive, send)
            return
        if scope["type"] != "http":
            return
        status, kind, body = await _answer(scope, registry, ask)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return observed


async def _answer(
    scope: MutableMapping[str, Any], registry: CollectorRegistry, ready: Ready
) -> tuple[int, bytes, bytes]:
    if scope["method"] not in {"GET", "HEAD"}:
        return 405, _JSON, b"{}"
    match scope["path"]:
        case "/live":
            return 200, _JSON, b'{"live":true}'
        case "/ready":
            parts = await ready()
            return 200 if all(parts.values()) else 503, _JSON, orjson.dumps(dict(parts))
        case "/metrics":
            await ready()
            encode, content_type = choose_encoder(dict(scope["headers"]).get(b"accept", b"").decode("latin-1"))
            return 200, content_type.encode(), encode(registry)
        case _:
            return 404, _JSON, b"{}"


async def _live_through(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """The server's own start and stop: there is nothing to do at either."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
