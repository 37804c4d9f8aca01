"""Lets the simulator listen, on one version of TLS after another if so asked."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any

from gateway.demo.ground import HOST, Ground
from gateway.simulator.app import Simulator
from gateway.simulator.serve import _Server, make_server_context, serving


class _InTurn(ssl.SSLContext):
    """Gives each connection the next of several contexts."""

    turns: "itertools.cycle[ssl.SSLContext]"

    def wrap_bio(self, *arguments: Any, **settings: Any) -> ssl.SSLObject:
        return next(self.turns).wrap_bio(*arguments, **settings)


@contextlib.asynccontextmanager
async def listening(
    simulator: Simulator, ground: Ground, port: int, versions: Sequence[ssl.TLSVersion]
) -> AsyncIterator[int]:
    """Let the simulator listen; yields its port."""
    files = (ground.directory / "upstream.pem", ground.directory / "upstream.key", ground.trust_anchors)
    host = "127.0.0.1" if port == 0 else HOST
    if not versions:
        certificate, key, anchors = files
        async with serving(
            simulator, certificate_file=certificate, key_file=key, trust_anchors_file=anchors, host=host, port=port
        ) as address:
            yield address.port
        return
    contexts = []
    for version in versions:
        context = make_server_context(*files)
        context.minimum_version = context.maximum_version = version
        contexts.append(context)
    in_turn = _InTurn(ssl.PROTOCOL_TLS_SERVER)
    in_turn.turns = itertools.cycle(contexts)
    loop = asyncio.get_running_loop()
    server = _Server(simulator, loop)
    listener = await loop.create_server(server, host, port, ssl=in_turn, backlog=1024)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(0.5)
        await listener.wait_closed()
