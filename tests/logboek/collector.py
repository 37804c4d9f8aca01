"""A collector as a tenant has one: HTTPS, OTLP in protobuf; it reads what it gets, and behaves as badly as it is told to."""

import gzip
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.pki import Pki


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it came over the wire."""

    trace: str
    id: str
    parent: str
    name: str
    status: int
    message: str
    start: int
    end: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """What arrived, and how it answers: `status`, `rejects` spans of each request, `garbage`, hanging, or saying nothing."""

    port: int = 0
    received: list[Span] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    rejects: int = 0
    refuses: str | None = None
    garbage: bytes | None = None
    silent: bool = False
    hang: threading.Event | None = None

    @property
    def spans(self) -> dict[tuple[str, str], Span]:
        """What it has: one of each trace and span id, the last that came."""
        return {(one.trace, one.id): one for one in self.received}

    @property
    def calls(self) -> list[Span]:
        return [one for one in self.spans.values() if "koppelpunt.transactie" in one.attributes]

    @property
    def subjects(self) -> list[Span]:
        return [one for one in self.spans.values() if "koppelpunt.transactie" not in one.attributes]

    @property
    def octets(self) -> bytes:
        """Everything that came, unpacked."""
        return b"".join(body for _, _, body in self.requests)


def read_spans(body: bytes) -> list[Span]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        whose = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            found += [
                Span(
                    one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(), one.name, one.status.code,
                    one.status.message, one.start_time_unix_nano, one.end_time_unix_nano, _attributes(one.attributes), whose,
                )
                for one in scope.spans
            ]  # fmt: skip
    return found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}


@contextmanager
def collecting(pki: Pki, directory: Path) -> Iterator[Collector]:
    """Listen on the loopback interface."""
    made = Collector()

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
            made.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if made.hang is not None:
                made.hang.wait(30)
                return
            answer = ExportTraceServiceResponse()
            refused = made.refuses is not None and made.refuses in {one.id for one in read_spans(body)}
            if made.rejects or refused:
                answer.partial_success.rejected_spans = made.rejects or 1
            elif made.status == 200 and made.garbage is None:
                made.received += read_spans(body)
            if made.silent:
                # It has them, and nobody is told.
                self.close_connection = True
                return
            out = answer.SerializeToString() if made.garbage is None else made.garbage
            with suppress(OSError):
                self.send_response(made.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pki.issue_server(["localhost"]).save(directory, "collector"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        if made.hang is not None:
            made.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()
