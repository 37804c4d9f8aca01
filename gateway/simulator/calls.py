"""The values that pass between the transport and what answers: a connection, a call that was read, a reply."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = "application/json; charset=utf-8"
PLAIN_JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(slots=True)
class Connection:
    """One TLS connection: the certificate it was made with and how many requests it has carried.

    `certificate_oin` is subject.serialNumber, None where the certificate has none. `gone` is set when either side ended.
    """

    number: int
    certificate_oin: str | None
    fingerprint: str
    tls_version: str
    opened: float
    requests: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been read whole. Names in `headers` are lower-cased; repeated ones are joined by a comma."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    connection: Connection


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
