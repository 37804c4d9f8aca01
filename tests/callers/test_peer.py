"""The listener asks for client certificates, and the application finds the caller's in the ASGI TLS extension."""

import asyncio
import socket
import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki import make_pki
from tests.edge.serving import read_answer, request, running

PKI, STRANGER = make_pki(), make_pki("Een ander")
OIN = "00000001001234567000"
ISSUERS = [one.certificate for one in reversed(PKI.authorities)]


class Seen:
    """An application that keeps the extension of each request."""

    def __init__(self) -> None:
        self.extensions: list[Any] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        self.extensions.append(scope["extensions"].get("tls"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    (directory / "root.pem").write_bytes(PKI.root_pem)
    certificate, key = PKI.issue_server(["localhost"]).save(directory, "server")
    PKI.issue_client(OIN, 'Gemeente Één, "Noord"').save(directory, "caller")
    STRANGER.issue_client(OIN, "Gemeente").save(directory, "stranger")
    return {"certificate_file": certificate, "key_file": key, "client_ca_file": directory / "root.pem"}


def context_of(files, name: str | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files["client_ca_file"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if name is not None:
        directory = files["client_ca_file"].parent
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
    return context


async def call(
    port: int, context: ssl.SSLContext | None, data: bytes = request("GET", "/"), times: int = 1
) -> list[int]:
    name = None if context is None else "localhost"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    statuses = []
    try:
        async with asyncio.timeout(5):
            for _ in range(times):
                writer.write(data)
                statuses.append((await read_answer(reader)).status)
    finally:
        writer.close()
    return statuses


CHUNKED = request("GET", "/", headers=(("Transfer-Encoding", "chunked"),), without=("Content-Length",)) + b"0\r\n\r\n"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("data", [request("GET", "/"), CHUNKED], ids=["plain", "chunked"])
async def test_a_callers_certificate_is_in_every_scope_of_its_connection(files, version, data):
    seen = Seen()
    async with running(seen, **files) as port:
        assert await call(port, context_of(files, "caller", version), data, times=3) == [200, 200, 200]
    wire = {ssl.TLSVersion.TLSv1_2: 0x0303, ssl.TLSVersion.TLSv1_3: 0x0304}[version]
    for extension in seen.extensions:
        pem, *above = extension["client_cert_chain"]
        # The whole way that OpenSSL verified, up to the anchor: revocation is looked up at every level.
        assert [x509.load_pem_x509_certificate(one.encode()) for one in above] == ISSUERS
        found = x509.load_pem_x509_certificate(pem.encode())
        own = x509.load_pem_x509_certificate((files["client_ca_file"].parent / "caller.pem").read_bytes())
        assert found.public_bytes(Encoding.DER) == own.public_bytes(Encoding.DER)
        assert extension["client_cert_name"] == own.subject.rfc4514_string()
        assert (extension["tls_version"], extension["client_cert_error"]) == (wire, None)
    assert len(seen.extensions) == 3
    assert seen.extensions[0] is not seen.extensions[1]


async def test_a_certificate_is_asked_for_and_may_be_left_out(files):
    seen = Seen()
    async with running(seen, **files) as port:
        assert await call(port, context_of(files)) == [200]
    assert seen.extensions[0]["client_cert_chain"] == ()
    assert seen.extensions[0]["client_cert_name"] is None


async def test_where_it_is_required_nobody_gets_through_without_one(files):
    seen = Seen()
    async with running(seen, **files, client_required=True) as port:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await call(port, context_of(files))
        assert await call(port, context_of(files, "caller")) == [200]
    assert len(seen.extensions) == 1


async def test_a_certificate_of_another_authority_gets_no_connection_asked_or_not(files):
    seen = Seen()
    for required in (False, True):
        async with running(seen, **files, client_required=required) as port:
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await call(port, context_of(files, "stranger"))
    assert seen.extensions == []


async def test_nothing_is_asked_where_no_anchors_were_named(files):
    seen = Seen()
    async with running(seen, **{**files, "client_ca_file": None}) as port:
        assert await call(port, context_of(files, "caller")) == [200]
    assert seen.extensions[0]["client_cert_chain"] == ()


async def test_without_tls_there_is_no_extension():
    seen = Seen()
    async with running(seen) as port:
        assert await call(port, None) == [200]
    assert seen.extensions == [None]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_with_a_certificate_gets_no_ticket_to_come_back_with(files, version):
    async with running(Seen(), **files) as port:
        context = context_of(files, "caller", version)

        def ask() -> tuple[bool, bool]:
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as tls,
            ):
                tls.sendall(request("GET", "/"))
                tls.recv(4096)
                return tls.session is not None and tls.session.has_ticket, bool(tls.session_reused)

        assert await asyncio.to_thread(ask) == (False, False)
