"""A call of the register as spans of the Logboek Dataverwerkingen: one of the call, and one below it per data subject. Pure.

Whoever sends a call again makes the very same ids: the trace is the caller's (W3C Trace Context, as the register has it),
the span of the call is the random half of the transaction id, which is the parent id that RvIG was told in `traceparent`,
its parent is the caller's own span, and a subject's span follows from the call and the pseudonym. Nothing is sampled.

A subject is named by a pseudonym: HMAC-SHA256, under a key of this destination alone, over the register's own index of
the person. That index is itself an HMAC under the tenant's key of the year, so a pseudonym changes each year, cannot be
joined with a copy of the database, and is made without opening anything.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

SUBJECT_TYPE: Final = "pseudoniem"
"""`dpl.core.data_subject_id_type`: what sort of number a subject's is."""
UNKNOWN: Final = "onbekend"
"""The verwerkingsactiviteit of a call that no machtiging was found for."""
REFUSED: Final = "geweigerd"
NO_CLOSING: Final = "uitkomst_onbekend"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCOPE: Final = InstrumentationScope("koppelpunt.logboek", "1")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_LABEL: Final = b"koppelpunt/logboek/"
_LOW_64: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it is exported. `outcome` is the register's, None for a call that was refused or has no closing.

    `persons` are the register's indexes of the year: they do not leave as they are.
    """

    id: UUID
    opened_at: datetime
    closed_at: datetime | None
    refusal: str | None
    outcome: str | None
    status: int | None
    trace_id: UUID | None
    verwerkingsactiviteit: str | None
    doelbinding: str | None
    api: str
    operation: str
    acting_oin: str
    afnemer_id: str | None
    unidentified: int | None
    persons: tuple[UUID, ...] = field(default=(), repr=False)
    caller_span: bytes | None = None


def resource_of(oin: str, name: str) -> Resource:
    """Whose log it is."""
    return Resource({
        "service.name": "koppelpunt", "koppelpunt.organisation.oin": oin, "koppelpunt.organisation.name": name,
    })  # fmt: skip


def pseudonym(key: bytes, person: UUID) -> str:
    """How a data subject is called in this destination's log: 32 hex digits, for a year."""
    return hmac.digest(key, _LABEL + person.bytes, hashlib.sha256)[:16].hex()


def outcome_of(call: Call) -> str:
    """How a call ended, as the register calls it."""
    if call.refusal is not None:
        return REFUSED
    return NO_CLOSING if call.outcome is None else call.outcome


def spans_of(calls: Iterable[Call], key: bytes, resource: Resource) -> list[ReadableSpan]:
    """The spans of calls, each followed by those of its data subjects."""
    return [span for call in calls for span in _spans_of(call, key, resource)]


def _spans_of(call: Call, key: bytes, resource: Resource) -> list[ReadableSpan]:
    trace = call.id if call.trace_id is None else call.trace_id
    context = SpanContext(trace.int, call.id.int & _LOW_64, is_remote=False, trace_flags=_SAMPLED)
    asking = None
    if call.trace_id is not None and call.caller_span is not None:
        asking = SpanContext(trace.int, int.from_bytes(call.caller_span), is_remote=True, trace_flags=_SAMPLED)
    activity = call.verwerkingsactiviteit or UNKNOWN
    start = _nanoseconds(call.opened_at)
    end = start if call.closed_at is None else max(start, _nanoseconds(call.closed_at))
    status = _status_of(call)

    def span(
        name: str, kind: SpanKind, own: SpanContext, parent: SpanContext | None, more: dict[str, str | int]
    ) -> ReadableSpan:
        return ReadableSpan(
            name, own, parent, resource,
            {"dpl.core.processing_activity_id": activity, **more},
            kind=kind, status=status, start_time=start, end_time=end, instrumentation_scope=_SCOPE,
        )  # fmt: skip

    spans = [span(f"{call.api} {call.operation}", SpanKind.SERVER, context, asking, _of_call(call, trace))]
    for person in call.persons:
        name = pseudonym(key, person)
        child = SpanContext(trace.int, _child_id(call.id, name), is_remote=False, trace_flags=_SAMPLED)
        subject: dict[str, str | int] = {
            "dpl.core.data_subject_id": name, "dpl.core.data_subject_id_type": SUBJECT_TYPE
        }  # fmt: skip
        spans.append(span("betrokkene", SpanKind.INTERNAL, child, context, subject))
    return spans


def _of_call(call: Call, trace: UUID) -> dict[str, str | int]:
    found: dict[str, str | int | None] = {
        "koppelpunt.transactie": str(call.id),
        "koppelpunt.uitkomst": outcome_of(call),
        "koppelpunt.weigering": call.refusal,
        "koppelpunt.api": call.api,
        "koppelpunt.doelbinding": call.doelbinding,
        "koppelpunt.afnemer_id": call.afnemer_id,
        "koppelpunt.betrokkenen_zonder_nummer": call.unidentified or None,
        "http.response.status_code": call.status,
        # Another organisation's doing asked for this one: the trace is its, so its log can be laid beside this one.
        "dpl.core.foreign_operation.processor": f"oin:{call.acting_oin}",
        "dpl.core.foreign_operation.trace_id": None if trace == call.id else trace.hex,
    }
    return {name: value for name, value in found.items() if value is not None}


def _status_of(call: Call) -> Status:
    """OK is an answer that went back; everything else is an error with the register's own word for it."""
    outcome = outcome_of(call)
    if outcome == "beantwoord" and call.status is not None and call.status < 400:
        return Status(StatusCode.OK)
    return Status(StatusCode.ERROR, outcome)


def _child_id(call: UUID, name: str) -> int:
    """Never zero, which would be no span."""
    return int.from_bytes(hashlib.sha256(_LABEL + call.bytes + bytes.fromhex(name)).digest()[:8]) or 1


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
