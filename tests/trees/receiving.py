"""The outside world of deliveries: an https server that takes POSTs, and a mail server, each in a thread of its own."""

import email
import email.policy
import http.server
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from gateway.pki import Pki


@dataclass(slots=True)
class Inbox:
    """What arrived, and how the server answers."""

    port: int = 0
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    status: int = 204
    location: str | None = None
    hang: threading.Event | None = None


@contextmanager
def https_server(pki: Pki, directory: Path, names: tuple[str, ...] = ("localhost",)) -> Iterator[Inbox]:
    """Listen on the loopback interface."""
    inbox = Inbox()

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            inbox.bodies.append((self.path, body))
            if inbox.hang is not None:
                with suppress(OSError):
                    # A byte at a time, for as long as the other side puts up with it.
                    while not inbox.hang.wait(0.1):
                        self.wfile.write(b"H")
                return
            self.send_response(inbox.status)
            if inbox.location:
                self.send_header("location", inbox.location)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pki.issue_server(list(names)).save(directory, "inbox"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    inbox.port = server.server_address[1]
    with _running(server):
        yield inbox


@contextmanager
def mail_server() -> Iterator[Inbox]:
    """A mail server that takes everything, as RFC 5321 has it, without TLS."""
    inbox = Inbox()

    class Taking(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                command = line.strip().upper()
                if command.startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    inbox.mails.append(email.message_from_bytes(self._read_mail(), policy=email.policy.default))
                elif command.startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

        def _read_mail(self) -> bytes:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line)
            return b"".join(lines)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Taking)
    inbox.port = server.server_address[1]
    with _running(server):
        yield inbox


@contextmanager
def silent_server() -> Iterator[int]:
    """Accepts a connection and says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def _running(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
