"""The arguments of one statement, made from the rows it carries. Pure.

Counters: a row's number is the last number that this session gave out for its tenant plus its place in the batch;
openings and closings count apart. They stay gap-free because a number is only passed when PostgreSQL has answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from gateway.records import DataKey
from gateway.register.rows import Closing, Opening
from gateway.register.waiting import Row

_LARGEST_INTEGER = 2**31 - 1
Numbers = dict[int, int]


@dataclass(slots=True)
class Batch:
    """Rows by id, what PostgreSQL is asked to write, and the data keys it sees for the first time.

    `spans` are the callers' own: tenant, call, span.
    """

    openings: dict[UUID, Row] = field(default_factory=dict)
    closings: dict[UUID, Row] = field(default_factory=dict)
    keys: dict[UUID, DataKey] = field(default_factory=dict)
    arguments: tuple[Sequence[tuple[object, ...]], ...] = ()
    spans: list[tuple[int, UUID, bytes]] = field(default_factory=list)


def make_batch(rows: Sequence[Row], known_keys: set[UUID], opened: Numbers, closed: Numbers) -> Batch | None:
    """Compose one statement. None when two rows of a kind bear one id: they cannot travel together."""
    batch = Batch()
    openings, closings = [], []
    persons: list[tuple[object, ...]] = []
    messages: list[tuple[object, ...]] = []
    for row in rows:
        value = row.value
        key = value.record.data_key
        row.key_sent = key.data_key_id not in known_keys
        if row.key_sent:
            batch.keys[key.data_key_id] = key
        if isinstance(value, Opening):
            batch.openings[value.id] = row
            openings.append(_opening(value, opened))
            if value.caller_span is not None:
                batch.spans.append((value.tenant_id, value.id, value.caller_span))
        else:
            batch.closings[value.id] = row
            closings.append(_closing(value, closed))
            persons += [(value.id, value.tenant_id, person, message) for person, message in value.persons]
            messages += [(value.id, value.tenant_id, message) for message in value.messages]
    if len(batch.openings) + len(batch.closings) < len(rows):
        return None
    batch.arguments = (_keys(batch.keys), openings, closings, persons, messages)
    return batch


def _keys(keys: Mapping[UUID, DataKey]) -> list[tuple[object, ...]]:
    # In one order everywhere: two sessions that insert the same new keys must not wait for each other in a circle.
    return [(k.data_key_id, k.tenant_id, k.year, k.wrapped) for _, k in sorted(keys.items())]


def _opening(o: Opening, numbers: Numbers) -> tuple[object, ...]:
    """Return a row of register.opening_in."""
    return (
        o.id, o.tenant_id, numbers.get(o.tenant_id, 0), o.machtiging_id, o.machtiging_version, o.aansluiting_id,
        o.aansluiting_version, o.taaksysteem_tenant_id, o.taaksysteem_id, o.taaksysteem_version, o.key_id,
        o.credential_id, o.fingerprint, o.refusal, o.api, o.operation, o.question_type, o.zoekrubrieken,
        o.rubrieken, o.messages, o.trace_id, o.user_index, o.record.data_key.data_key_id, o.record.sealed,
    )  # fmt: skip


def _closing(c: Closing, numbers: Numbers) -> tuple[object, ...]:
    """Return a row of register.closing_in. A time that no integer holds is the longest that one does."""
    return (
        c.id, c.tenant_id, numbers.get(c.tenant_id, 0), c.outcome, c.status, c.code,
        len({person for person, _ in c.persons}), c.unidentified, c.question_bytes, c.answer_bytes,
        min(c.token_us, _LARGEST_INTEGER), min(c.upstream_us, _LARGEST_INTEGER), min(c.total_us, _LARGEST_INTEGER),
        c.record.data_key.data_key_id, c.record.sealed,
    )  # fmt: skip
