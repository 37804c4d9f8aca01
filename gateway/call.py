"""The nouns of one call, as frozen values: what came in, who asks, what was chosen, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.brp.problems import ProblemShape
from gateway.brp.question import Question
from gateway.catalogue import Api, Environment
from gateway.presented import PresentedCertificate
from tenants.model import Aansluiting, AfnemerId, Machtiging, Oin, Taaksysteem, TaaksysteemKey


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the edge has read it: strictly, whole, and not yet about anything. No part is logged.

    `received` is Unix time in seconds. Header names are lower-case and single, values have no control characters;
    `path` is plain ASCII without escapes; `query` is as received; `body` has its gzip undone. `trace_id` and
    `traceparent` (W3C, with this call as the new parent) are the caller's trace, or a new one; `caller_span` (eight
    octets) is the span of the caller's that asked for this.
    """

    id: UUID
    received: float
    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    source: str = field(repr=False)
    trace_id: UUID
    traceparent: str
    certificate: PresentedCertificate | None = None
    caller_span: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What goes back to the caller. Header names are lower-case; the edge adds those that every answer has."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bevraging:
    """One incoming call. Headers are lower-case and single; `body` is decoded (gzip undone). No part is logged.

    `fault` is the first of RvIG's checks that the call fails before its question is judged (405, 406, 415, 404, 400);
    it is for after the authentication, because 401 goes first. `received` is Unix time in seconds. `message_ids` are
    those that a fetch or delete of Berichten names. `content` is the body as decoded JSON, where the API takes questions.
    """

    id: UUID
    received: float
    method: str
    path: str
    environment: Environment
    api: Api
    operation: str
    subpath: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    question: Question = field(repr=False)
    source: str = field(repr=False)
    trace_id: UUID | None
    traceparent: str | None
    fault: ProblemShape | None = None
    message_ids: tuple[str, ...] = ()
    content: object = field(default=None, repr=False)
    certificate: PresentedCertificate | None = None
    caller_span: bytes | None = None


@dataclass(frozen=True, slots=True)
class NamedAansluiting:
    """How a call names the aansluiting it wants: by AfnemerID, and by OIN where the source gives one."""

    by: str
    afnemer_id: AfnemerId | None
    oin: Oin | None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated taaksysteem. `bound` is the aansluiting of a gateway-issued token: (tenant_id, aansluiting_id).

    `doelbinding` is the one that its headers name; `profile_headers` are those that its header profile reads.
    """

    taaksysteem: Taaksysteem
    key: TaaksysteemKey
    bound: tuple[int, int] | None = None
    named: tuple[NamedAansluiting, ...] = ()
    user: str | None = field(default=None, repr=False)
    doelbinding: str | None = field(default=None, repr=False)
    profile_headers: frozenset[str] = frozenset()
    roles: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one aansluiting, and the machtiging that allows it."""

    aansluiting: Aansluiting
    machtiging: Machtiging
    environment: Environment
    api: Api


@dataclass(frozen=True, slots=True)
class Answered:
    """RvIG answered, with whatever status. Headers are lower-case. Times in seconds."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No usable answer. `sent` is False only when surely not one byte of the call has left."""

    reason: str
    sent: bool
    seconds: float = 0.0


Result = Answered | Unanswered
