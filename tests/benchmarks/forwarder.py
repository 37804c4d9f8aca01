"""The bare forwarder: starlette on hypercorn as they come, aiohttp to an mTLS upstream. No checks, no register.

Run as a process; `--ours` puts it on the product's own way of running hypercorn instead, to tell what that wins.
"""

import asyncio
import ssl
import sys
from pathlib import Path

import aiohttp
import uvloop
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.serve import ServeSettings, serve


async def run(port: int, upstream: str, certificate: str, key: str, anchors: str, *, ours: bool) -> None:
    context = ssl.create_default_context(cafile=anchors)
    context.load_cert_chain(certificate, key)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def forward(request: Request) -> Response:
        body = await request.body()
        headers = {"content-type": "application/json", "authorization": "Bearer t-1"}
        async with session.post(upstream + request.url.path, data=body, headers=headers) as answer:
            return Response(await answer.read(), answer.status, {"content-type": answer.headers["content-type"]})

    app = Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])])
    sys.stdout.write(f"ready port={port} watch=0\n")
    sys.stdout.flush()
    if ours:
        await serve(app, ServeSettings(f"127.0.0.1:{port}"), shutdown=asyncio.Event())
        return
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    await hypercorn_serve(app, config)  # type: ignore[arg-type]


if __name__ == "__main__":
    port, upstream, certificate, key, anchors = sys.argv[1:6]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            run(int(port), upstream, *(str(Path(p)) for p in (certificate, key, anchors)), ours="--ours" in sys.argv)
        )
