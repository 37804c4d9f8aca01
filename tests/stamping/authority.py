"""A real timestamp authority: OpenSSL behind a small HTTP server, with a root and a certificate of its own."""

import datetime as dt
import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.fetch import FetchRules
from tenants.sealer.stamping import Authority

CONFIG = """
[ tsa ]
default_tsa = tsa_config
[ tsa_config ]
serial = {directory}/serial
signer_cert = {directory}/tsa.pem
certs = {directory}/tsa.pem
signer_key = {directory}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
DAY = dt.timedelta(days=1)


@dataclass
class Tsa:
    """Where it is, what it was asked, and how it misbehaves: `says` replaces its answer, `status` its status."""

    directory: Path
    root: x509.Certificate
    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    says: bytes | None = None
    status: int = 200

    def authority(self, every: float = 3600.0, roots: tuple[x509.Certificate, ...] | None = None) -> Authority:
        rules = FetchRules(frozenset({f"127.0.0.1:{self.port}"}), (ip_network("127.0.0.0/8"),), seconds=3.0, plain=True)
        return Authority(f"http://127.0.0.1:{self.port}/tsa", rules, roots or (self.root,), every)

    def reply(self, query: bytes) -> bytes:
        """What OpenSSL answers to a query."""
        asked, answered = self.directory / "query.tsq", self.directory / "answer.tsr"
        asked.write_bytes(query)
        subprocess.run(
            [
                "openssl", "ts", "-reply", "-config", str(self.directory / "ts.conf"), "-queryfile", str(asked),
                "-out", str(answered),
            ],
            check=True, capture_output=True, timeout=20,
        )  # fmt: skip
        return answered.read_bytes()


def make_root(name: str = "TSA Root") -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + 100 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made, key


def make_tsa(directory: Path) -> Tsa:
    """Make root, certificate, key and configuration in a directory."""
    directory.mkdir()
    root, root_key = make_root()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = dt.datetime.now(dt.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TSA")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    (directory / "tsa.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (directory / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (directory / "tsa.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    (directory / "serial").write_text("01\n")
    (directory / "ts.conf").write_text(CONFIG.format(directory=directory))
    return Tsa(directory, root)


@contextmanager
def serving(tsa: Tsa) -> Iterator[Tsa]:
    """Let it listen on the loopback interface."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            tsa.asked.append(query)
            body = tsa.reply(query) if tsa.says is None else tsa.says
            self.send_response(tsa.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    tsa.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield tsa
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
