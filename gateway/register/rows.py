"""What goes into the register and what comes back, as frozen values. Pure."""

from dataclasses import dataclass, field
from uuid import UUID

from gateway.records import SealedRecord


@dataclass(frozen=True, slots=True)
class Opening:
    """One call before it leaves. The ids are only keys to look up: PostgreSQL joins the identities from the registry.

    `tenant_id` is the tenant whose register it is: the afnemer's; of a refused attempt (`refusal` says why) the
    taaksysteem's own. `messages` are those that a call wants to delete. An id serves one opening, so a second try of a
    call needs a second id. `caller_span` is no part of the row: it is kept beside it, for the tenant's log (productie).
    """

    id: UUID
    tenant_id: int
    taaksysteem_tenant_id: int
    taaksysteem_id: int
    taaksysteem_version: int
    key_id: int
    api: str
    operation: str
    record: SealedRecord
    machtiging_id: int | None = None
    machtiging_version: int | None = None
    aansluiting_id: int | None = None
    aansluiting_version: int | None = None
    credential_id: int | None = None
    fingerprint: bytes | None = None
    refusal: str | None = None
    question_type: str | None = None
    zoekrubrieken: str = ""
    rubrieken: str = ""
    messages: tuple[str, ...] | None = None
    trace_id: UUID | None = None
    caller_span: bytes | None = None
    user_index: UUID | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Closing:
    """How a call ended. `outcome` is beantwoord, niet_beantwoord or niet_verzonden; times in microseconds.

    `persons` are (person index, message id or "") of everyone the answer tells about; `messages` are those that the
    call fetched, which makes them deletable for this aansluiting.
    """

    id: UUID
    tenant_id: int
    outcome: str
    record: SealedRecord
    status: int | None = None
    code: str | None = None
    unidentified: int = 0
    question_bytes: int = 0
    answer_bytes: int = 0
    token_us: int = 0
    upstream_us: int = 0
    total_us: int = 0
    persons: tuple[tuple[UUID, str], ...] = field(default=(), repr=False)
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permission:
    """The record is the permission: the durable opening row. `asked_at` is `time.monotonic()` when it was asked for."""

    number: int
    hash: bytes
    asked_at: float


@dataclass(frozen=True, slots=True)
class Stale:
    """The registry has moved on since the caller read it: read again, choose again. Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A durable row. Number and hash are None when the row is durable but PostgreSQL's answer was lost on the way."""

    number: int | None
    hash: bytes | None
