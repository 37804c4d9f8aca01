"""Reads a stretch of a tenant's tree with the rows behind its leaves, as lines of an export. Within a recorded reading.

For the role `koppelpunt_inzage`. A few hundred leaves at a time, so that memory does not depend on how many there are.
Nothing is judged here: a row that is not there is told as not there, a leaf that is not there is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from tenants.export.lines import CLOSING, FORMS, OPENING, WIJZIGING, line_of, line_of_gone, persons_hash
from tenants.keyring import Keyring
from tenants.leaves import ENTRY_BYTES, Kind, unpack_entries
from tenants.merkle import HASH_BYTES, Span
from tenants.records import open_record
from tenants.register_keys import DataKeys, read_data_keys
from tenants.sealing import SealingError

BATCH: Final = 500
"""Leaves at a time."""

_MICROSECONDS: Final = "(extract(epoch FROM {}) * 1000000)::bigint"
_BETWEEN: Final = "tenant_id = $1 AND id = ANY($2) AND id BETWEEN $3 AND $4"
_TIMES: Final = {"opened_at", "closed_at", "at"}
_HEX: Final = {"fingerprint": "encode(fingerprint, 'hex')", "sealed_sha256": "encode(sha256(sealed), 'hex')"}
_OWN: Final = {"form", "opening_hash", "persons_sha256"}
"""What does not stand in a column of the row."""


def _columns(fields: Sequence[str]) -> str:
    made = []
    for name in fields:
        if name in _OWN:
            continue
        expression = _MICROSECONDS.format(name) if name in _TIMES else _HEX.get(name, name)
        if name in {"before", "after"}:
            expression = f"{name}::text"
        made.append(f"{expression} AS {name}")
    return ", ".join(made)


_OPENINGS: Final = f"SELECT {_columns(OPENING)}, hash, sealed FROM register.opening_whole WHERE {_BETWEEN}"  # noqa: S608
_CLOSINGS: Final = f"SELECT {_columns(CLOSING)}, hash, sealed FROM register.closing WHERE {_BETWEEN}"  # noqa: S608
_OPENING_HASHES: Final = f"SELECT id, hash FROM register.opening WHERE {_BETWEEN}"  # noqa: S608
_WIJZIGINGEN: Final = (
    f"SELECT {_columns(WIJZIGING)}, hash FROM registry.wijziging WHERE tenant_id = $1 AND number = ANY($2)"  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf as the tree has it."""

    index: int
    kind: Kind
    number: UUID | int
    hash: bytes


async def read_leaves(connection: asyncpg.Connection, tenant_id: int, span: Span) -> list[Leaf]:
    """The leaves of a span; those that are not there are left out. Raises KeyError for an entry that says nothing."""
    lo, hi = span
    rows = await connection.fetch(
        "SELECT greatest(first, $2) AS first, "
        "  substring(entries FROM greatest($2 - first, 0)::int * 17 + 1 "
        "    FOR (least($3, first + count) - greatest($2, first))::int * 17) AS entries, "
        "  substring(hashes FROM greatest($2 - first, 0)::int * 32 + 1 "
        "    FOR (least($3, first + count) - greatest($2, first))::int * 32) AS hashes "
        "FROM register.leaf_run WHERE tenant_id = $1 AND first < $3 AND first >= COALESCE("
        "  (SELECT max(r.first) FROM register.leaf_run r WHERE r.tenant_id = $1 AND r.first <= $2), 0) "
        "AND first + count > $2 ORDER BY first",
        tenant_id, lo, hi,
    )  # fmt: skip
    leaves = []
    for row in rows:
        hashes = row["hashes"]
        for at, (kind, number) in enumerate(unpack_entries(row["entries"][: len(hashes) // HASH_BYTES * ENTRY_BYTES])):
            leaves.append(Leaf(row["first"] + at, kind, number, hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]))
    return leaves


async def read_lines(
    connection: asyncpg.Connection, tenant_id: int, span: Span, register: Keyring | None = None
) -> list[bytes]:
    """The lines of a span of leaves, in their order; opened when the register keyring is given."""
    leaves = await read_leaves(connection, tenant_id, span)
    calls = {kind: [one.number for one in leaves if one.kind == kind] for kind in ("opening", "closing", "wijziging")}
    openings = {row["id"]: row for row in await _of_calls(connection, _OPENINGS, tenant_id, calls["opening"])}
    closings = {row["id"]: row for row in await _of_calls(connection, _CLOSINGS, tenant_id, calls["closing"])}
    hashes = await _of_calls(connection, _OPENING_HASHES, tenant_id, calls["closing"])
    persons = await _persons(connection, tenant_id, calls["closing"])
    changes = await connection.fetch(_WIJZIGINGEN, tenant_id, calls["wijziging"]) if calls["wijziging"] else []
    found: Mapping[str, Mapping[Any, asyncpg.Record]] = {
        "opening": openings, "closing": closings, "wijziging": {row["number"]: row for row in changes},
    }  # fmt: skip
    keys = await _keys(connection, register, tenant_id, [*openings.values(), *closings.values()])
    opening_hashes = {row["id"]: row["hash"].hex() for row in hashes}
    return [_line(leaf, found[leaf.kind].get(leaf.number), opening_hashes, persons, keys, tenant_id) for leaf in leaves]


async def read_closings(connection: asyncpg.Connection, tenant_id: int, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The closings of these calls as lines, by id, without their leaves."""
    rows = await _of_calls(connection, _CLOSINGS, tenant_id, ids)
    hashes = await _of_calls(connection, _OPENING_HASHES, tenant_id, ids)
    persons = await _persons(connection, tenant_id, ids)
    opening_hashes = {row["id"]: row["hash"].hex() for row in hashes}
    return {
        row["id"]: _line(Leaf(-1, "closing", row["id"], b""), row, opening_hashes, persons, None, tenant_id)
        for row in rows
    }


def _line(
    leaf: Leaf,
    row: asyncpg.Record | None,
    opening_hashes: Mapping[UUID, str],
    persons: Mapping[UUID, list[str]],
    keys: DataKeys | None,
    tenant_id: int,
) -> bytes:
    if row is None:
        return line_of_gone(leaf.index, leaf.kind, leaf.hash, str(leaf.number))
    values = dict(row.items())
    row_hash = values.pop("hash")
    if leaf.kind == "wijziging":
        return line_of(leaf.index, leaf.kind, leaf.hash, row_hash, {"form": FORMS["wijziging"], **values})
    sealed, id_ = values.pop("sealed"), values["id"]
    contents = None if keys is None else _open(keys, sealed, values["data_key_id"], tenant_id, id_, leaf.kind)
    if leaf.kind == "opening":
        made = {"form": FORMS["opening"], **values}
        return line_of(leaf.index, leaf.kind, leaf.hash, row_hash, made, sealed=sealed, contents=contents)
    mine = persons.get(id_, [])
    values |= {"form": FORMS["closing"], "opening_hash": opening_hashes.get(id_), "persons_sha256": persons_hash(mine)}
    made = {name: values[name] for name in CLOSING}
    return line_of(leaf.index, leaf.kind, leaf.hash, row_hash, made, sealed=sealed, persons=mine, contents=contents)


def _open(
    keys: DataKeys, sealed: bytes, data_key_id: UUID, tenant_id: int, id_: UUID, kind: Kind
) -> Mapping[str, Any] | None:
    """What the row holds; None when its key was destroyed or it does not open."""
    key = keys.opened.get(data_key_id)
    if key is None or kind == "wijziging":
        return None
    try:
        return open_record(key, sealed, tenant_id=tenant_id, id=id_, kind=kind)
    except SealingError:
        return None


async def _of_calls(
    connection: asyncpg.Connection, statement: str, tenant_id: int, ids: Sequence[Any]
) -> Sequence[asyncpg.Record]:
    """Rows by id. The bounds let PostgreSQL look in the months of these ids alone."""
    if not ids:
        return []
    found: Sequence[asyncpg.Record] = await connection.fetch(statement, tenant_id, ids, min(ids), max(ids))
    return found


async def _persons(connection: asyncpg.Connection, tenant_id: int, ids: Sequence[Any]) -> Mapping[UUID, list[str]]:
    rows = await _of_calls(
        connection, f"SELECT id, person, message_id FROM register.person WHERE {_BETWEEN}", tenant_id, ids  # noqa: S608
    )  # fmt: skip
    persons: dict[UUID, list[str]] = {}
    for row in rows:
        persons.setdefault(row["id"], []).append(f"{row['person']}/{row['message_id']}")
    for lines in persons.values():
        lines.sort(key=str.encode)
    return persons


async def _keys(
    connection: asyncpg.Connection, register: Keyring | None, tenant_id: int, rows: Sequence[asyncpg.Record]
) -> DataKeys | None:
    if register is None:
        return None
    return await read_data_keys(connection, register, tenant_id, {row["data_key_id"] for row in rows})
