"""The data keys that an export's sealed bytes need, as lines: wrapped to the tenant's year, or opened."""

import binascii
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from tenants.keyring import Keyring
from tenants.recording import Period
from tenants.register_keys import read_data_keys
from tenants.scope import tenant_scope

_BATCH: Final = 1_000


async def read_data_key_lines(
    connection: asyncpg.Connection, tenant_id: int, register: Keyring | None, period: Period | None, *, actor: str
) -> AsyncIterator[list[bytes]]:
    """Lines of {data_key_id, year, wrapped} or, with the register keyring, {data_key_id, year, key}; of the period's years.

    A key whose year was destroyed, or that does not open, has `key` null.
    """
    first, last = (1, 9999) if period is None else (period[0].year - 1, period[1].year + 1)
    after = UUID(int=0)
    while True:
        async with tenant_scope(connection, tenant_id, actor=actor):
            rows = await connection.fetch(
                "SELECT data_key_id, year, wrapped FROM register.data_key "
                "WHERE tenant_id = $1 AND data_key_id > $2 AND year BETWEEN $3 AND $4 ORDER BY data_key_id LIMIT $5",
                tenant_id, after, first, last, _BATCH,
            )  # fmt: skip
            if not rows:
                return
            ids = [row["data_key_id"] for row in rows]
            keys = None if register is None else await read_data_keys(connection, register, tenant_id, ids)
        after = ids[-1]
        lines = []
        for row in rows:
            made = {"data_key_id": str(row["data_key_id"]), "year": row["year"]}
            if keys is None:
                made["wrapped"] = _text(row["wrapped"])
            else:
                key = keys.opened.get(row["data_key_id"])
                made["key"] = None if key is None else _text(key)
            lines.append(orjson.dumps(made))
        yield lines


def _text(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode()
