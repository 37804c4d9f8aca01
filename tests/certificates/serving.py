"""A web server that gives out revocation lists and OCSP answers, as CAs do, over plain HTTP; and can do it wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.certificates.authorities import Authority, Tree


@dataclass
class Lists:
    """What is served, by path; `lists` makes a list anew at each request. `asked` counts by path."""

    base: str = ""
    lists: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    responders: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    down: bool = False
    held: set[str] = field(default_factory=set)
    """Paths that do not answer before `released`."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def host(self) -> str:
        return self.base.removeprefix("http://")

    def serve(self, tree: Tree) -> None:
        """Serve the lists of all three authorities, as they are when they are asked for."""
        for one in tree.authorities:
            self.lists[f"/{one.slug}.crl"] = one.crl

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        if request.path in self.held:
            await self.released.wait()
        if self.down:
            return web.Response(status=503)
        if request.method == "POST" and request.path in self.responders:
            return web.Response(body=self.responders[request.path](await request.read()))
        if request.path in self.lists:
            return web.Response(body=self.lists[request.path](), content_type="application/pkix-crl")
        return web.Response(status=404)


@asynccontextmanager
async def serving_lists() -> AsyncIterator[Lists]:
    made = Lists()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        made.released.set()
        await runner.cleanup()


def ocsp_answer(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    signer: Authority,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    age: timedelta = timedelta(minutes=1),
    life: timedelta = timedelta(hours=8),
    shown: tuple[x509.Certificate, ...] = (),
) -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    revoked = status == ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            certificate,
            issuer,
            hashes.SHA1(),  # noqa: S303 - how OCSP names an issuer
            status,
            now - age,
            now - age + life,
            now - timedelta(hours=1) if revoked else None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if shown:
        builder = builder.certificates(list(shown))
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)
