"""The watchers' port of a parent with workers: one answer for all of them.

`/metrics` is every worker's exposition with a label `worker` (its slot) on each sample, so that nothing is added up that
should not be, and what should be is added by the query. `/ready` says yes when every worker does that calls can come to, and there is one.
"""

import asyncio
import http.client
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_SECONDS: Final = 5.0
_SAMPLE: Final = re.compile(rb"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(\})?)?(.*)", re.DOTALL)
_COMMENT: Final = re.compile(rb"# (HELP|TYPE|UNIT) (\S+)")


def make_workers_watching(
    ports: Callable[[], Mapping[int, int]],
    count: int,
    own: CollectorRegistry,
    shut: Callable[[], Collection[int]] = tuple,
) -> Starlette:
    """The application of that port. `ports` tells the watchers' port by slot of the workers that serve now.

    `count` slots there are; a worker must be there for each that is not `shut`. `own` are the parent's own metrics.
    """

    async def live(_request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_request: Request) -> Response:
        found = await _ask_all(ports(), "/ready", "application/json")
        checks = {str(slot): _is_ready(answer) for slot, answer in found.items()}
        closed = sorted(set(shut()) - found.keys())
        are_ready = bool(checks) and len(checks) + len(closed) == count and all(checks.values())
        return JSONResponse(
            {"ready": are_ready, "workers": checks, "shut": closed}, status_code=200 if are_ready else 503
        )

    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        encode, content_type = choose_encoder(accept)
        found = await _ask_all(ports(), "/metrics", accept)
        texts = {str(slot): answer[1] for slot, answer in found.items() if answer is not None and answer[0] == 200}
        return Response(merge(encode(own), texts), headers={"content-type": content_type})

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", metrics)])


def merge(own: bytes, texts: Mapping[str, bytes]) -> bytes:
    """Put expositions of the same format together: each family once, each worker's samples with its label."""
    families: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
    is_open_metrics = own.rstrip().endswith(b"# EOF")
    _gather(families, own.splitlines(), None)
    for worker, text in texts.items():
        _gather(families, text.splitlines(), worker.encode())
    lines = [line for comments, samples in families.values() for line in (*comments, *samples)]
    return b"".join(line + b"\n" for line in (*lines, *([b"# EOF"] if is_open_metrics else [])))


def _gather(
    families: dict[bytes, tuple[list[bytes], list[bytes]]], lines: Iterable[bytes], worker: bytes | None
) -> None:
    comments: list[bytes] = []
    samples: list[bytes] = []
    for line in lines:
        if found := _COMMENT.match(line):
            comments, samples = families.setdefault(found[2], ([], []))
            if line not in comments:
                comments.append(line)
        elif line and not line.startswith(b"#"):
            samples.append(line if worker is None else _labelled(line, worker))


def _labelled(line: bytes, worker: bytes) -> bytes:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise ValueError("This is no line of an exposition.")
    name, opening, closing, rest = found.groups()
    label = b'worker="' + worker + b'"'
    if opening is None:
        return name + b"{" + label + b"}" + rest
    return name + b"{" + label + (b"}" if closing else b",") + rest


def _is_ready(answer: tuple[int, bytes] | None) -> bool:
    if answer is None or answer[0] != 200:
        return False
    found = json.loads(answer[1])
    return bool(found.get("ready"))


async def _ask_all(ports: Mapping[int, int], path: str, accept: str) -> dict[int, tuple[int, bytes] | None]:
    asked = [asyncio.to_thread(_ask, port, path, accept) for port in ports.values()]
    return dict(zip(ports, await asyncio.gather(*asked), strict=True))


def _ask(port: int, path: str, accept: str) -> tuple[int, bytes] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
