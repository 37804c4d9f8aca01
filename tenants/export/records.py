"""What was done with citizens' requests and with samples, as lines of an export. Read before it is destroyed with its register.

Requests name who asks and about whom only sealed, to the tenant's key of the year; an opened export has them opened, `null` where
that key was destroyed. Times are ISO 8601 in UTC. docs/register-format.md says the form of a line.
"""

import binascii
import json
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from tenants.keyring import Keyring
from tenants.recording import Period
from tenants.register_keys import read_private_keys
from tenants.scope import tenant_scope
from tenants.sealing import open_from

_BATCH: Final = 500
_VERZOEKEN: Final = (
    "SELECT v.*, (SELECT COALESCE(json_agg(json_build_object('number', s.number, 'at', s.at, "
    "  'actor', s.actor, 'kind', s.kind, 'method', s.method, 'by_whom', s.by_whom, 'done_at', s.done_at, 'note', s.note, "
    "  'reading', s.reading) ORDER BY s.number), '[]') FROM register.inzageverzoek_stap s "
    "  WHERE s.tenant_id = v.tenant_id AND s.inzageverzoek_id = v.inzageverzoek_id) AS stappen "
    "FROM register.inzageverzoek v WHERE v.tenant_id = $1 AND v.inzageverzoek_id > $2 AND v.at >= COALESCE($3, '-infinity'::timestamptz) "
    "  AND v.at < COALESCE($4, 'infinity'::timestamptz) ORDER BY v.inzageverzoek_id LIMIT $5"
)
_STEEKPROEVEN: Final = (
    "SELECT p.*, (SELECT COALESCE(json_agg(json_build_object('number', o.number, 'id', o.id, 'at', o.at, 'actor', o.actor, "
    "  'verdict', o.verdict, 'note', o.note) ORDER BY o.number), '[]') FROM register.steekproef_oordeel o "
    "  WHERE o.tenant_id = p.tenant_id AND o.steekproef_id = p.steekproef_id) AS oordelen "
    "FROM register.steekproef p WHERE p.tenant_id = $1 AND p.steekproef_id > $2 AND p.at >= COALESCE($3, '-infinity'::timestamptz) "
    "  AND p.at < COALESCE($4, 'infinity'::timestamptz) ORDER BY p.steekproef_id LIMIT $5"
)


async def read_verzoek_lines(
    connection: asyncpg.Connection, tenant_id: int, register: Keyring | None, period: Period | None, *, actor: str
) -> AsyncIterator[list[bytes]]:
    """Requests that were recorded in the period with their steps, by number; opened when the register keyring is given."""
    async for rows in _pages(connection, _VERZOEKEN, "inzageverzoek_id", tenant_id, period, actor):
        keys = await _keys(connection, register, tenant_id, rows, actor)
        lines = []
        for row in rows:
            made = {**row, "stappen": json.loads(row["stappen"])}
            if register is not None:
                key, context = keys[row["year"]], f"{tenant_id}/{row['sealed_id']}"
                opened = (
                    None if key is None else open_from(key, row["sealed"], purpose="inzageverzoek", context=context)
                )
                made["betrokkenen"] = None if opened is None else json.loads(opened)
            lines.append(orjson.dumps(made, default=_text))
        yield lines


async def read_steekproef_lines(
    connection: asyncpg.Connection, tenant_id: int, period: Period | None, *, actor: str
) -> AsyncIterator[list[bytes]]:
    """Samples that were drawn in the period, with the calls that were drawn and the verdicts on them."""
    async for rows in _pages(connection, _STEEKPROEVEN, "steekproef_id", tenant_id, period, actor):
        yield [orjson.dumps({**row, "oordelen": json.loads(row["oordelen"])}, default=_text) for row in rows]


async def _pages(
    connection: asyncpg.Connection, query: str, key: str, tenant_id: int, period: Period | None, actor: str
) -> AsyncIterator[list[dict[str, Any]]]:
    began, ended = (None, None) if period is None else period
    after = 0
    while True:
        async with tenant_scope(connection, tenant_id, actor=actor):
            rows = [dict(row) for row in await connection.fetch(query, tenant_id, after, began, ended, _BATCH)]
        if rows:
            yield rows
        if len(rows) < _BATCH:
            return
        after = rows[-1][key]


async def _keys(
    connection: asyncpg.Connection, register: Keyring | None, tenant_id: int, rows: list[dict[str, Any]], actor: str
) -> Mapping[int, bytes | None]:
    """The private keys of the years that these rows are sealed to; None for one that was destroyed. Raises SealingError."""
    if register is None or not rows:
        return {}
    async with tenant_scope(connection, tenant_id, actor=actor):
        return await read_private_keys(connection, register, tenant_id, sorted({row["year"] for row in rows}))


def _text(value: object) -> str:
    """Times, days, ids and sealed bytes as text. Raises TypeError for anything else."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    raise TypeError(type(value).__name__)
