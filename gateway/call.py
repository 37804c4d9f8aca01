"""The nouns of one call, as frozen values: what came in, who asks, what was chosen, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.brp.question import Question
from gateway.catalogue import Api, Environment
from tenants.model import Aansluiting, AfnemerId, Machtiging, Oin, Taaksysteem, TaaksysteemKey


@dataclass(frozen=True, slots=True)
class Bevraging:
    """One incoming call. Headers are lower-case and single; `body` is decoded (gzip undone). No part is logged."""

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


@dataclass(frozen=True, slots=True)
class NamedAansluiting:
    """How a call names the aansluiting it wants: by AfnemerID, and by OIN where the source gives one."""

    by: str
    afnemer_id: AfnemerId | None
    oin: Oin | None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated taaksysteem. `bound` is the aansluiting of a gateway-issued token: (tenant_id, aansluiting_id)."""

    taaksysteem: Taaksysteem
    key: TaaksysteemKey
    bound: tuple[int, int] | None = None
    named: tuple[NamedAansluiting, ...] = ()
    user: str | None = field(default=None, repr=False)


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
