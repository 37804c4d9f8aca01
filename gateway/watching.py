"""The port for whoever watches: /live, /ready and /metrics. Apart from the port of the callers.

Liveness touches neither PostgreSQL nor RvIG: it says that this process still takes its turns. Readiness says whether a
call could be recorded now; what is missing stands in the answer.
"""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def make_watching(
    registry: CollectorRegistry,
    checks: Mapping[str, Callable[[], bool]],
    reasons: Mapping[str, Callable[[], str]] | None = None,
    *,
    told: Collection[str] = (),
) -> Starlette:
    """The application of that port. `checks` are what readiness asks, by name; all must say yes, but those that are only
    `told`.

    `reasons` say in a code why one of them does not; they hold nothing of a call.
    """

    async def live(_request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_request: Request) -> Response:
        found = {name: check() for name, check in checks.items()}
        why = {name: reason() for name, reason in (reasons or {}).items() if not found.get(name)}
        is_ready = all(said for name, said in found.items() if name not in told)
        return JSONResponse({"ready": is_ready, "checks": found, "reasons": why}, status_code=200 if is_ready else 503)

    async def metrics(request: Request) -> Response:
        # Exemplars exist in OpenMetrics alone, which a scraper asks for.
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", metrics)])
