"""Two afnemers with real certificates, and a real TLS server that does to each request what the test says."""

import asyncio
import contextlib
import dataclasses
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.catalogue import Api, Environment, TokenTexts
from gateway.pki import Issued, Pki
from tenants.keyring import Keyring
from tenants.model import Aansluiting, Certificate
from tenants.sealing import seal
from tests import values

PERSONEN = Api(
    name="personen",
    kind="personen",
    path="/lap/api/brp/personen",
    endpoint="brp-lap",
    headers={"X-Fixed": "fixed"},
    pass_headers=("accept-gezag-version", "X-Fixed", "authorization"),
)
BERICHTEN = Api(
    name="berichten",
    kind="berichten",
    path="/lap/api/brp/berichten/v1",
    methods=("GET", "HEAD", "POST", "DELETE"),
    subpaths=True,
    endpoint="brp-berichten-lap",
    resource_server="ResourceServer02",
)
RESET = "reset"
CLOSE = "close"
HANG = "hang"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def make_environment(base_url: str, name: str = "proef", **changes: object) -> Environment:
    given = {
        "name": name,
        "kind": "proef",
        "base_url": base_url,
        "token_url": base_url + "/nidp/oauth/nam/token",
        "token_refused": (TokenTexts(status=401, detail="APIGW: client-access_token is not valid"),),
        "account_blocked": (TokenTexts(status=401, code="BBA-AUTH-F002"),),
        "connect_timeout": 2.0,
        "answer_timeout": 5.0,
        "token_timeout": 5.0,
        "apis": (PERSONEN, BERICHTEN),
    }
    return Environment.model_validate(given | changes)


def make_certificate(issued: Issued, keyring: Keyring, number: int) -> Certificate:
    """The registry's row of an issued certificate, its key sealed."""
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem)
    fingerprint = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
    return dataclasses.replace(
        values.certificate(number),
        fingerprint=fingerprint,
        chain_pem=issued.chain_pem.decode(),
        key_sealed=seal(keyring, issued.key_pem, purpose="certificate-key", context=fingerprint.hex()),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def make_aansluiting(pki: Pki, keyring: Keyring, number: int, *, issued: Issued | None = None) -> Aansluiting:
    """An aansluiting of proef with a certificate of its own organisation, and a secret that it alone has."""
    plain = values.aansluiting(number, environment="proef")
    issued = issued or pki.issue_client(plain.organisation_oin, f"Gemeente {number}")
    context = f"{number}/{plain.credential.client_id}"
    secret = seal(keyring, f"geheim {number}/%é".encode(), purpose="client-secret", context=context)
    return dataclasses.replace(
        plain,
        mailbox_id=f"{number:06d}0",
        certificate=make_certificate(issued, keyring, number),
        credential=dataclasses.replace(plain.credential, secret_sealed=secret),
    )


@dataclass
class Request:
    """What the server saw of one request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    oin: str
    connection: int
    version: str


@dataclass
class Server:
    """A TLS server that demands a client certificate. `react` gives bytes to answer, or RESET, CLOSE or HANG."""

    port: int = 0
    react: Callable[[Request], bytes | str] = lambda _request: OK
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    bytes_read: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            await self._converse(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open_connections -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        tls = writer.get_extra_info("ssl_object")
        subject = x509.load_der_x509_certificate(tls.getpeercert(True)).subject
        oin = str(subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value)
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.bytes_read += len(head)
            line, *fields = head.decode().rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in fields)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, target, _ = line.split(" ")
            request = Request(method, target, headers, body, oin, number, tls.version())
            self.requests.append(request)
            self.arrived.set()
            reaction = self.react(request)
            if reaction == RESET:
                # Linger of zero: the kernel sends RST instead of FIN.
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                return
            if reaction == CLOSE:
                return
            if reaction == HANG:
                await reader.read()
                return
            assert isinstance(reaction, bytes)
            writer.write(reaction)
            await writer.drain()


@contextlib.asynccontextmanager
async def serving(
    pki: Pki,
    directory: Path,
    *,
    names: tuple[str, ...] = ("localhost",),
    version: ssl.TLSVersion | None = None,
    clients_pem: bytes | None = None,
) -> AsyncIterator[Server]:
    """Run a server with a certificate for `names`; `version` allows one version of TLS only."""
    chain, key = pki.issue_server(list(names)).save(directory, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.load_verify_locations(cadata=(clients_pem or pki.root_pem).decode())
    context.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        context.minimum_version = context.maximum_version = version
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0.01)


async def fetch(server: Server, context: ssl.SSLContext) -> str:
    """Make one request without the gateway's sending; the OIN that the server saw."""
    reader, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"{}")
    writer.close()
    return server.requests[-1].oin
