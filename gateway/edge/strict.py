"""What a request may look like before anybody reads its meaning. Pure; nothing here knows a server.

Servers and proxies differ in how they read a doubtful request, and what two of them read differently can be smuggled
past one of them. So the doubtful is refused and the connection closed, never repaired (RFC 9112, 9.5 and 11.2):

- Content-Length together with Transfer-Encoding, and Upgrade (no h2c, no WebSocket);
- anything but exactly one Host, and a repeated header whose value is not a list;
- control characters in values;
- in the path: escaped dots, slashes, backslashes, percent signs, NULs or whatever else would not stand there plain;
  empty and dot segments; anything but origin form.

Raises Malformed; the codes decide the status (gateway.problems).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from uuid import UUID

from gateway.errors import Malformed

MOST_HEADERS: Final = 64
MOST_HEADER_BYTES: Final = 16 * 1024

# Headers whose value is a comma-separated list may be repeated; they are joined (RFC 9110, 5.3). No other may.
_LISTS: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "client-cert-chain",
        "connection",
        "cookie",
        "forwarded",
        "keep-alive",
        "pragma",
        "te",
        "tracestate",
        "via",
        "warning",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAMES: Final = re.compile(rb"(?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+(?:\t(?!\Z)|\Z))*+")
_PATH: Final = re.compile(r"/|(?:/[A-Za-z0-9_~!$&'()*+,=:@.-]+)+/?", re.ASCII)
_DOT_SEGMENT: Final = re.compile(r"/\.{1,2}(?:/|$)")
_ESCAPED_STRUCTURE: Final = re.compile(rb"%(?:2[eEfF5]|5[cC]|00)")
_QUERY: Final = re.compile(rb"(?:[A-Za-z0-9_.~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
_QUERY_CONTROL: Final = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[fF])")
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NO_TRACE: Final = "0" * 32
_NO_PARENT: Final = "0" * 16


@dataclass(frozen=True, slots=True)
class Trace:
    """A W3C trace: its id, the traceparent that goes on, with this call as the new parent, and the caller's own span."""

    trace_id: UUID
    traceparent: str
    caller_span: bytes | None = None


def read_headers(raw: Iterable[tuple[bytes, bytes]], http_version: str) -> dict[str, str]:
    """Return the headers by lower-case name. Values are UTF-8, or else Latin-1. Raises Malformed.

    `raw` is what the ASGI server gives: names in lower case, in the order of the request.
    """
    items = list(raw)
    names = b"\t".join([name for name, _ in items])
    values = b"\t".join([value for _, value in items])
    if len(items) > MOST_HEADERS or len(names) + len(values) > MOST_HEADER_BYTES:
        raise Malformed("headersTeGroot", "De headers zijn samen te groot of te talrijk.")
    if not _NAMES.fullmatch(names) or _CONTROL.search(values):
        raise Malformed("headerOngeldig", "Een header bevat een teken dat niet is toegestaan.")
    headers: dict[str, str] = {}
    for raw_name, raw_value in items:
        name = raw_name.decode("ascii").lower()
        try:
            value = raw_value.decode("utf-8")
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        if name in headers:
            if name not in _LISTS:
                raise Malformed("headerDubbel", f"De header {name} mag maar één keer voorkomen.")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    _check_framing(headers, http_version)
    return headers


def _check_framing(headers: dict[str, str], http_version: str) -> None:
    if http_version not in {"1.1", "1.0"}:
        raise Malformed("httpVersie", "Deze versie van HTTP wordt niet ondersteund.")
    if not headers.get("host"):
        raise Malformed("hostOntbreekt", "De aanroep moet precies één Host-header hebben.")
    if "upgrade" in headers or "http2-settings" in headers:
        raise Malformed("upgrade", "Overgaan op een ander protocol wordt niet ondersteund.")
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if "content-length" in headers:
            raise Malformed("lengteTegenstrijdig", "Content-Length en Transfer-Encoding mogen niet samen voorkomen.")
        if encoding.lower() != "chunked" or http_version == "1.0":
            raise Malformed("transferEncoding", "Deze Transfer-Encoding wordt niet ondersteund.")
    length = headers.get("content-length")
    if length is not None and not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise Malformed("lengteOngeldig", "Content-Length is geen geldig getal.")


def read_path(raw_path: bytes) -> str:
    """Return the path as plain ASCII, with harmless escapes (`%2C`) undone. Raises Malformed for everything doubtful."""
    if _ESCAPED_STRUCTURE.search(raw_path):
        raise Malformed("padOngeldig", "Het pad bevat een gecodeerde punt, schuine streep, procentteken of NUL.")
    try:
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path, encoding="ascii", errors="strict")
    except UnicodeDecodeError:
        raise Malformed("padOngeldig", "Het pad bevat tekens die niet zijn toegestaan.") from None
    if not _PATH.fullmatch(path) or _DOT_SEGMENT.search(path):
        raise Malformed("padOngeldig", "Het pad is leeg van vorm of bevat tekens die niet zijn toegestaan.")
    return path


def read_query(raw_query: bytes) -> str:
    """Return the query as received, when it is well-formed and hides no control characters. Raises Malformed."""
    if not raw_query:
        return ""
    if not _QUERY.fullmatch(raw_query) or _QUERY_CONTROL.search(raw_query):
        raise Malformed("queryOngeldig", "De query bevat tekens die niet zijn toegestaan.")
    return raw_query.decode("ascii")


def read_trace(value: str | None, own: UUID) -> Trace:
    """Go on with the caller's trace, or start one under `own` where it sent none or a wrong one (Trace Context, 4.3).

    The parent id that goes on is the random half of `own`; of the flags only *sampled* is known.
    """
    parent = own.hex[16:]
    found = _TRACEPARENT.fullmatch(value) if value is not None and len(value) <= 512 else None
    if found is not None:
        version, trace, caller, flags, rest = found.groups()
        known = rest is None if version == "00" else version != "ff"
        if known and trace != _NO_TRACE and caller != _NO_PARENT:
            return Trace(UUID(trace), f"00-{trace}-{parent}-{int(flags, 16) & 1:02x}", bytes.fromhex(caller))
    return Trace(own, f"00-{own.hex}-{parent}-00")
