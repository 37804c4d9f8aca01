"""The records of readings of a register as lines of an export: who read it, when, why, about what.

`row` is what the record's hash covers, in that order; the hash stands in the wijziging of that reading, which is a leaf of the
tree (docs/register-format.md). Persons and users are the index of a year: nobody is named.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import orjson

from tenants.export.lines import canonical
from tenants.recording import Period
from tenants.scope import tenant_scope

FORM: Final = "register/lezing/1"
FIELDS: Final = (
    "form", "tenant_id", "number", "at", "actor", "reason", "kind", "subjects", "users", "ids", "period_from", "period_until",
    "contents", "criteria", "inzageverzoek_id",
)  # fmt: skip
_BATCH: Final = 1_000
_LINES: Final = (
    "SELECT $5::text AS form, tenant_id, number, (extract(epoch FROM at) * 1000000)::bigint AS at, actor::text, reason::text, kind, "
    "  array_to_string(subjects, ',') AS subjects, array_to_string(users, ',') AS users, array_to_string(ids, ',') AS ids, "
    "  (extract(epoch FROM period_from) * 1000000)::bigint AS period_from, "
    "  (extract(epoch FROM period_until) * 1000000)::bigint AS period_until, contents, criteria::text AS criteria, inzageverzoek_id "
    "FROM register.reading WHERE tenant_id = $1 AND number > $2 AND at >= COALESCE($3, '-infinity'::timestamptz) "
    "  AND at < COALESCE($4, 'infinity'::timestamptz) ORDER BY number LIMIT $6"
)


async def read_lezing_lines(
    connection: asyncpg.Connection, tenant_id: int, period: Period | None, *, actor: str
) -> AsyncIterator[list[bytes]]:
    """Lines of {hash, row}, by number, of readings that were made in the period; a batch at a time."""
    began, ended = (None, None) if period is None else period
    after = 0
    while True:
        async with tenant_scope(connection, tenant_id, actor=actor):
            rows = await connection.fetch(_LINES, tenant_id, after, began, ended, FORM, _BATCH)
        if rows:
            yield [line_of_lezing(dict(row)) for row in rows]
        if len(rows) < _BATCH:
            return
        after = rows[-1]["number"]


def line_of_lezing(row: dict[str, Any]) -> bytes:
    """One line, without its end."""
    return orjson.dumps({"hash": hash_of_lezing(row), "row": row})


def hash_of_lezing(row: dict[str, Any]) -> str:
    """SHA-256 over the array of the row's values, as PostgreSQL made it. Raises KeyError for a row that lacks one."""
    return hashlib.sha256(canonical([row[name] for name in FIELDS])).hexdigest()
