"""Brings spans to a collector: OTLP over HTTP (protobuf, gzip), once. Blocks: meant for a thread. Raises NotTaken, whose text is a code.

Taken means: 200, with an answer that is OTLP's own, in which no span is rejected. Everything else is tried again: the ids of
the spans are the same then, so a collector that had some of them has them once.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan

from tenants.fetch import FetchError, FetchRules, ask

_PATH: Final = "/v1/traces"
_HEADERS: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
_MOST_BYTES: Final = 16 * 1024 * 1024


class NotTaken(Exception):
    """The collector did not take it all. The text is a code: no address, secret or answer stands in it."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where to, and by which header it knows who comes."""

    url: str
    header: str
    secret: str | None = field(repr=False)


def address_of(url: str) -> str:
    """The address that spans are posted to: the base with OTLP's own path, unless it has that already."""
    return url if url.endswith(_PATH) else url.rstrip("/") + _PATH


def send(rules: FetchRules, collector: Collector, spans: Sequence[ReadableSpan]) -> None:
    """Post spans. Raises NotTaken with the code of FetchError, or `omvang`, `antwoord`, `geweigerd`."""
    body = encode_spans(spans).SerializeToString()
    if len(body) > _MOST_BYTES:
        raise NotTaken("omvang")
    headers = dict(_HEADERS)
    if collector.secret is not None:
        headers[collector.header] = collector.secret
    try:
        # Level 1: the pseudonyms do not shrink, and the rest does at once.
        answered = ask(rules, address_of(collector.url), gzip.compress(body, 1), headers)
    except FetchError as error:
        raise NotTaken(error.code) from None
    try:
        answer = ExportTraceServiceResponse.FromString(answered)
    except DecodeError:
        raise NotTaken("antwoord") from None
    if answer.partial_success.rejected_spans:
        raise NotTaken("geweigerd")
