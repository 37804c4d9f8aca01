"""Requests for inzage in the database: made, listed, read, and taken a step further. For the role `koppelpunt_inzage`.

Who asks and about whom is sealed to the tenant's key of the year in which it is recorded, and goes when that key goes. The
rest is what the term and the steps need. Every function works in the tenant's scope of its caller.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import cast
from uuid import uuid4

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.inzage.verzoek import Betrokkenen, Inzageverzoek, Stap, Stapsoort, Wet, law_of, read_written, written
from tenants.keyring import Keyring
from tenants.recording import Period
from tenants.register_keys import read_private_keys
from tenants.sealing import open_from, seal_to

# Open ones by the end of their term, so that what is late or nearly so comes first; then the closed ones, newest first.
_PLACED = (
    "SELECT v.*, (v.closed, CASE WHEN v.closed THEN '-infinity' ELSE v.due_on END, "
    "  CASE WHEN v.closed THEN -v.inzageverzoek_id ELSE v.inzageverzoek_id END) AS place "
    "FROM (SELECT i.*, EXISTS (SELECT 1 FROM register.inzageverzoek_stap s WHERE s.tenant_id = i.tenant_id "
    "    AND s.inzageverzoek_id = i.inzageverzoek_id AND s.kind IN ('verzonden', 'ingetrokken', 'afgewezen')) AS closed "
    "  FROM register.inzageverzoek i WHERE i.tenant_id = $1) v"
)
_COLUMNS = (
    "v.inzageverzoek_id, v.at, v.actor, v.received_on, v.due_on, v.law, v.period_from, v.period_until, v.represented"
)


async def make_verzoek(
    connection: asyncpg.Connection,
    tenant_id: int,
    betrokkenen: Betrokkenen,
    *,
    received_on: date,
    period: Period,
    actor: str,
) -> int:
    """Record a request and return its number. Raises InputRefused when the tenant has no key of this year."""
    year, sealed_id = datetime.now(UTC).year, uuid4()
    row = await connection.fetchrow(
        "SELECT t.kind, k.public_key FROM registry.tenant t LEFT JOIN registry.tenant_key k "
        "  ON k.tenant_id = t.tenant_id AND k.year = $2 AND k.destroyed_at IS NULL WHERE t.tenant_id = $1",
        tenant_id,
        year,
    )
    if row is None or row["public_key"] is None:
        raise InputRefused(["De tenant heeft geen sleutel van dit jaar."])
    sealed = seal_to(
        row["public_key"], written(betrokkenen), purpose="inzageverzoek", context=f"{tenant_id}/{sealed_id}"
    )
    number: int = await connection.fetchval(
        "INSERT INTO register.inzageverzoek "
        "(tenant_id, actor, received_on, law, period_from, period_until, represented, year, sealed_id, sealed) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING inzageverzoek_id",
        tenant_id, actor, received_on, law_of(row["kind"]), *period, betrokkenen.vertegenwoordiger is not None, year,
        sealed_id, sealed,
    )  # fmt: skip
    return number


async def list_verzoeken(
    connection: asyncpg.Connection, tenant_id: int, *, after: int | None, limit: int, only_open: bool
) -> list[Inzageverzoek]:
    """Requests behind request `after`: the open ones, that of which the term ends first before the others; then the closed."""
    rows = await connection.fetch(
        f"WITH v AS ({_PLACED}) SELECT {_COLUMNS} FROM v WHERE NOT ($3::boolean AND v.closed) "  # noqa: S608
        "AND ($2::bigint IS NULL OR v.place > (SELECT w.place FROM v w WHERE w.inzageverzoek_id = $2)) "
        "ORDER BY v.place LIMIT $4",
        tenant_id, after, only_open, limit,
    )  # fmt: skip
    stappen = await _stappen(connection, tenant_id, [row["inzageverzoek_id"] for row in rows])
    return [_verzoek(row, stappen.get(row["inzageverzoek_id"], ())) for row in rows]


async def count_late(connection: asyncpg.Connection, tenant_id: int, today: date) -> int:
    """How many requests of the tenant are open and past their term."""
    found: int = await connection.fetchval(
        f"WITH v AS ({_PLACED}) SELECT count(*) FROM v WHERE NOT v.closed AND v.due_on < $2",  # noqa: S608
        tenant_id, today,
    )  # fmt: skip
    return found


async def read_verzoek(connection: asyncpg.Connection, register: Keyring, tenant_id: int, number: int) -> Inzageverzoek:
    """One request, opened; closed when its key was destroyed. Raises NotFound, SealingError."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, v.year, v.sealed_id, v.sealed FROM register.inzageverzoek v "  # noqa: S608
        "WHERE v.tenant_id = $1 AND v.inzageverzoek_id = $2",
        tenant_id,
        number,
    )
    if row is None:
        raise NotFound(f"There is no inzageverzoek {number} here.")
    found = _verzoek(row, (await _stappen(connection, tenant_id, [number])).get(number, ()))
    key = (await read_private_keys(connection, register, tenant_id, [row["year"]]))[row["year"]]
    if key is None:
        return found
    opened = open_from(key, row["sealed"], purpose="inzageverzoek", context=f"{tenant_id}/{row['sealed_id']}")
    return replace(found, betrokkenen=read_written(opened))


async def note_stap(
    connection: asyncpg.Connection,
    tenant_id: int,
    number: int,
    kind: Stapsoort,
    *,
    actor: str,
    done_at: datetime,
    method: str | None = None,
    by_whom: str | None = None,
    note: str | None = None,
    reading: int | None = None,
) -> None:
    """Record a step. Whether it may be taken now is the caller's to ask of the request."""
    await connection.execute(
        "INSERT INTO register.inzageverzoek_stap "
        "(tenant_id, inzageverzoek_id, actor, kind, method, by_whom, done_at, note, reading) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tenant_id, number, actor, kind, method, by_whom, done_at, note, reading,
    )  # fmt: skip


async def lock_verzoek(connection: asyncpg.Connection, tenant_id: int, number: int) -> None:
    """Let nobody else take a step of this request until the transaction ends."""
    # The tables are INSERT-only for this role, so a row cannot be locked; a number of the transaction's own can.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"inzageverzoek/{tenant_id}/{number}"
    )


async def _stappen(connection: asyncpg.Connection, tenant_id: int, numbers: list[int]) -> dict[int, tuple[Stap, ...]]:
    rows = await connection.fetch(
        "SELECT inzageverzoek_id, number, at, actor, kind, method, by_whom, done_at, note, reading "
        "FROM register.inzageverzoek_stap WHERE tenant_id = $1 AND inzageverzoek_id = ANY ($2) ORDER BY number",
        tenant_id, numbers,
    )  # fmt: skip
    found: dict[int, tuple[Stap, ...]] = {}
    for row in rows:
        stap = Stap(**{name: value for name, value in row.items() if name != "inzageverzoek_id"})
        found[row["inzageverzoek_id"]] = (*found.get(row["inzageverzoek_id"], ()), stap)
    return found


def _verzoek(row: asyncpg.Record, stappen: tuple[Stap, ...]) -> Inzageverzoek:
    return Inzageverzoek(
        number=row["inzageverzoek_id"],
        at=row["at"],
        actor=row["actor"],
        received_on=row["received_on"],
        due_on=row["due_on"],
        law=cast("Wet", row["law"]),
        period=(row["period_from"], row["period_until"]),
        represented=row["represented"],
        stappen=stappen,
    )
