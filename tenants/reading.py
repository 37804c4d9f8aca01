"""Reads a tenant's register: for its auditor, and for nobody else.

For the role `koppelpunt_inzage`. Every reading is recorded first — who, why, about what — and that record is committed
before the reading starts; row-level security shows nothing without it. Searches go in steps, persons → openings →
closings by id, never as one join over all years (DESIGN 6). Only productie: proef rows are never in inzage.

A call without closing is told as *uitkomst onbekend*, a refused attempt as *geweigerd*: neither is left out.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from tenants.keyring import Keyring
from tenants.model import Bsn
from tenants.protocolregels import Contents, Protocolregel, SealedRegel, closing_of, open_contents, regel_of
from tenants.register_keys import DataKeys, PersonInYear, find_person, read_data_keys, uuid_floor
from tenants.scope import tenant_scope

MOST = 1_000
"""Protocolregels that one reading returns."""

_LOWEST, _HIGHEST = UUID(int=0), UUID(int=(1 << 128) - 1)
_OPENINGS = (
    "SELECT o.id, o.opened_at, o.afnemer_id, o.organisation_oin, o.certificate_oin, o.fingerprint, o.aansluiting_id, "
    "  o.machtiging_id, o.machtiging_version, o.mandate_id, o.taaksysteem_tenant_id, o.taaksysteem_id, "
    "  s.name AS taaksysteem_name, o.acting_oin, o.doelbinding, o.grondslag, o.ontvanger, o.verwerkingsactiviteit, "
    "  o.refusal, o.api, o.operation, o.question_type, o.zoekrubrieken, o.rubrieken, o.trace_id, o.writer_id, o.number, "
    "  o.hash, o.data_key_id, o.sealed "
    "FROM register.opening o LEFT JOIN registry.taaksysteem s "
    "  ON s.tenant_id = o.taaksysteem_tenant_id AND s.taaksysteem_id = o.taaksysteem_id "
)
_CLOSINGS = (
    "SELECT id, closed_at, outcome, status, code, persons, unidentified, question_bytes, answer_bytes, token_us, "
    "  upstream_us, total_us, number, hash, data_key_id, sealed "
    "FROM register.closing WHERE tenant_id = $1 AND id = ANY($2)"
)


@dataclass(frozen=True, slots=True)
class Zoekvraag:
    """What an auditor asks: about a person, a period [from, until), or both. Newest first, older than `before`."""

    bsn: Bsn | None = None
    period: tuple[datetime, datetime] | None = None
    contents: bool = False
    before: UUID | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if self.bsn is None and self.period is None:
            raise ValueError("A search is about a person, a period, or both.")
        if not 1 <= self.limit <= MOST:
            raise ValueError(f"A search returns between 1 and {MOST} rows.")


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading found. `reading` is the number of its record; `more` is the id to go on from, or None.

    `destroyed_years` could not be searched: their keys are gone. `open_calls` is how many calls of the period have no
    closing: whom they were about is known to nobody yet, so a search by person cannot find them.
    """

    reading: int
    regels: tuple[Protocolregel, ...] = field(repr=False)
    more: UUID | None = None
    destroyed_years: tuple[int, ...] = ()
    open_calls: int = 0


async def search(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    zoekvraag: Zoekvraag,
    *,
    actor: str,
    reason: str,
) -> Found:
    """Record the reading, then read. Raises SealingError when a year's key does not open with this keyring."""
    persons: Sequence[PersonInYear] | None = None
    destroyed: Sequence[int] = ()
    async with tenant_scope(connection, tenant_id, actor=actor):
        if zoekvraag.bsn is not None:
            persons, destroyed = await find_person(connection, register, tenant_id, zoekvraag.bsn, zoekvraag.period)
        reading = await _record(
            connection,
            tenant_id,
            actor,
            reason,
            kind="zoekvraag",
            subjects=[person.index for person in persons or ()],
            period=zoekvraag.period,
            contents=zoekvraag.contents,
        )
    # Committed: from here on the register shows itself to this reading.
    floor, ceiling = _bounds(zoekvraag.period)
    async with tenant_scope(connection, tenant_id, actor=actor):
        await _name_reading(connection, reading)
        last = min(ceiling, zoekvraag.before or _HIGHEST)
        # One more than asked for, to know whether there is more.
        ids = (
            await _ids_in_period(connection, tenant_id, floor, last, zoekvraag.limit + 1)
            if persons is None
            else await _ids_of_person(connection, tenant_id, persons, floor, last, zoekvraag.limit + 1)
        )
        shown = ids[: zoekvraag.limit]
        sealed = await _read_sealed(connection, tenant_id, shown)
        keys = await _keys_for(connection, register, tenant_id, sealed) if zoekvraag.contents else None
        open_calls = await _count_open_calls(connection, tenant_id, floor, ceiling)
    regels = await asyncio.to_thread(_open_all, sealed, keys, tenant_id)
    more = shown[-1] if len(ids) > len(shown) else None
    return Found(reading, regels, more, tuple(destroyed), open_calls)


async def read_calls(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    ids: Iterable[UUID],
    *,
    actor: str,
    reason: str,
    contents: bool = True,
) -> list[Protocolregel]:
    """Record the reading, then read these calls, newest first. An id that stands not in the register is not there."""
    wanted = sorted(set(ids), reverse=True)
    if len(wanted) > MOST:
        raise ValueError(f"At most {MOST} calls are read at once.")
    async with tenant_scope(connection, tenant_id, actor=actor):
        reading = await _record(connection, tenant_id, actor, reason, kind="regels", ids=wanted, contents=contents)
    async with tenant_scope(connection, tenant_id, actor=actor):
        await _name_reading(connection, reading)
        sealed = await _read_sealed(connection, tenant_id, wanted)
        keys = await _keys_for(connection, register, tenant_id, sealed) if contents else None
    return list(await asyncio.to_thread(_open_all, sealed, keys, tenant_id))


async def _record(
    connection: asyncpg.Connection,
    tenant_id: int,
    actor: str,
    reason: str,
    *,
    kind: str,
    contents: bool,
    subjects: Sequence[UUID] = (),
    ids: Sequence[UUID] = (),
    period: tuple[datetime, datetime] | None = None,
) -> int:
    began, ended = period or (None, None)
    number: int = await connection.fetchval(
        "INSERT INTO register.reading "
        "(tenant_id, actor, reason, kind, subjects, ids, period_from, period_until, contents) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING number",
        tenant_id, actor, reason, kind, subjects, ids, began, ended, contents,
    )  # fmt: skip
    return number


async def _name_reading(connection: asyncpg.Connection, reading: int) -> None:
    await connection.fetchval("SELECT set_config('koppelpunt.reading', $1, true)", str(reading))


async def _ids_of_person(
    connection: asyncpg.Connection,
    tenant_id: int,
    persons: Sequence[PersonInYear],
    floor: UUID,
    ceiling: UUID,
    limit: int,
) -> list[UUID]:
    """Newest first. Each year's index is looked for in that year's partition alone."""
    rows = await connection.fetch(
        "SELECT DISTINCT p.id FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) y (person, floor, ceiling) "
        "JOIN register.person p ON p.tenant_id = $1 AND p.person = y.person AND p.id >= y.floor AND p.id < y.ceiling "
        "WHERE p.id >= $5 AND p.id < $6 ORDER BY p.id DESC LIMIT $7",
        tenant_id,
        [person.index for person in persons],
        [person.floor for person in persons],
        [person.ceiling for person in persons],
        floor,
        ceiling,
        limit,
    )
    return [row["id"] for row in rows]


async def _ids_in_period(
    connection: asyncpg.Connection, tenant_id: int, floor: UUID, ceiling: UUID, limit: int
) -> list[UUID]:
    rows = await connection.fetch(
        "SELECT id FROM register.opening WHERE tenant_id = $1 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4",
        tenant_id, floor, ceiling, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def _read_sealed(connection: asyncpg.Connection, tenant_id: int, ids: Sequence[UUID]) -> list[SealedRegel]:
    """Openings and closings by id, each in one statement; the order of `ids` is kept."""
    openings = await connection.fetch(_OPENINGS + "WHERE o.tenant_id = $1 AND o.id = ANY($2)", tenant_id, ids)
    closings = {row["id"]: row for row in await connection.fetch(_CLOSINGS, tenant_id, ids)}
    by_id = {row["id"]: row for row in openings}
    return [
        SealedRegel(
            regel=regel_of(by_id[id_], None if (closing := closings.get(id_)) is None else closing_of(closing)),
            opening=(by_id[id_]["data_key_id"], by_id[id_]["sealed"]),
            closing=None if closing is None else (closing["data_key_id"], closing["sealed"]),
        )
        for id_ in ids
        if id_ in by_id
    ]


async def _keys_for(
    connection: asyncpg.Connection, register: Keyring, tenant_id: int, sealed: Sequence[SealedRegel]
) -> DataKeys:
    needed = {one.opening[0] for one in sealed} | {one.closing[0] for one in sealed if one.closing is not None}
    return await read_data_keys(connection, register, tenant_id, needed)


async def _count_open_calls(connection: asyncpg.Connection, tenant_id: int, floor: UUID, ceiling: UUID) -> int:
    found: int = await connection.fetchval(
        "SELECT count(*) FROM register.running WHERE tenant_id = $1 AND id >= $2 AND id < $3",
        tenant_id, floor, ceiling,
    )  # fmt: skip
    return found


def _open_all(sealed: Sequence[SealedRegel], keys: DataKeys | None, tenant_id: int) -> tuple[Protocolregel, ...]:
    """Open in a thread: a page of whole answers is a second of decompression at worst."""
    return tuple(_with_contents(one, keys, tenant_id) for one in sealed)


def _with_contents(one: SealedRegel, keys: DataKeys | None, tenant_id: int) -> Protocolregel:
    contents: Contents | None = None if keys is None else open_contents(one, keys, tenant_id)
    return one.regel.showing(contents)


def _bounds(period: tuple[datetime, datetime] | None) -> tuple[UUID, UUID]:
    return (_LOWEST, _HIGHEST) if period is None else (uuid_floor(period[0]), uuid_floor(period[1]))
