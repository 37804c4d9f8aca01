"""The keys that a reading of the register needs: of years to find persons, of data to open records.

Owns no key longer than one reading. A year whose key was destroyed is told as such, never skipped in silence; a key that
should open and does not stops the whole reading, because an answer that lacks a year would be a wrong answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from tenants.keyring import Keyring
from tenants.records import a_nummer_index, open_data_key, person_index, user_index
from tenants.sealing import SealingError, open_sealed
from tenants.subjects import Subject


@dataclass(frozen=True, slots=True)
class InYear:
    """How the register knows a person or a user in one year: the index, and the ids of that year [floor, ceiling)."""

    index: UUID
    floor: UUID
    ceiling: UUID


@dataclass(frozen=True, slots=True)
class DataKeys:
    """Opened data keys of one reading; `destroyed` are those of years that were destroyed."""

    opened: dict[UUID, bytes]
    destroyed: frozenset[UUID]

    def __repr__(self) -> str:
        return f"DataKeys({len(self.opened)} opened, {len(self.destroyed)} destroyed)"


def uuid_floor(moment: datetime) -> UUID:
    """Return the lowest UUIDv7 of a moment (RFC 9562, 5.7: 48 bits of milliseconds since 1970)."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=max(0, min(milliseconds, (1 << 48) - 1)) << 80)


async def find_person(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    subject: Subject,
    period: tuple[datetime, datetime] | None,
) -> tuple[list[InYear], list[int]]:
    """Return the person's indexes per year of the period, and the years that cannot be searched: their key is destroyed.

    In the tenant's scope. Raises SealingError when a key does not open.
    """
    keys, destroyed = await read_index_keys(connection, register, tenant_id, period)
    return [_in_year(year, index) for year, key in keys for index in indexes_of(key, subject)], destroyed


async def find_user(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    user: str,
    period: tuple[datetime, datetime] | None,
) -> tuple[list[InYear], list[int]]:
    """Return the index of a user per year of the period, and the years that cannot be searched. As `find_person`."""
    keys, destroyed = await read_index_keys(connection, register, tenant_id, period)
    return [_in_year(year, user_index(key, user)) for year, key in keys], destroyed


def indexes_of(index_key: bytes, subject: Subject) -> list[UUID]:
    """How the register knows a person in the year of this key: by each number that is given."""
    found = [] if subject.bsn is None else [person_index(index_key, subject.bsn)]
    return found if subject.a_nummer is None else [*found, a_nummer_index(index_key, subject.a_nummer.digits)]


async def read_index_keys(
    connection: asyncpg.Connection, register: Keyring, tenant_id: int, period: tuple[datetime, datetime] | None
) -> tuple[list[tuple[int, bytes]], list[int]]:
    """Return (year, index key) of the years of a period, and the years whose key is destroyed. As `find_person`."""
    first, last = (1, 9999) if period is None else (period[0].astimezone(UTC).year, period[1].astimezone(UTC).year)
    rows = await connection.fetch(
        "SELECT year, index_key_for_register FROM registry.tenant_key "
        "WHERE tenant_id = $1 AND year BETWEEN $2 AND $3 ORDER BY year",
        tenant_id, first, last,
    )  # fmt: skip
    found, destroyed = [], []
    for row in rows:
        year = row["year"]
        if row["index_key_for_register"] is None:
            destroyed.append(year)
            continue
        key = open_sealed(register, row["index_key_for_register"], purpose="index-key", context=f"{tenant_id}/{year}")
        found.append((year, key))
    return found, destroyed


def year_bounds(year: int) -> tuple[UUID, UUID]:
    """The ids of a year (UTC): [floor, ceiling)."""
    return uuid_floor(datetime(year, 1, 1, tzinfo=UTC)), uuid_floor(datetime(year + 1, 1, 1, tzinfo=UTC))


def _in_year(year: int, index: UUID) -> InYear:
    return InYear(index, *year_bounds(year))


async def read_data_keys(
    connection: asyncpg.Connection, register: Keyring, tenant_id: int, data_key_ids: Iterable[UUID]
) -> DataKeys:
    """Open the data keys of these numbers. In the tenant's scope. One that does not open is in neither list."""
    wrapped = await connection.fetch(
        "SELECT data_key_id, year, wrapped FROM register.data_key WHERE tenant_id = $1 AND data_key_id = ANY($2)",
        tenant_id, sorted(set(data_key_ids)),
    )  # fmt: skip
    private_keys = await read_private_keys(connection, register, tenant_id, sorted({row["year"] for row in wrapped}))
    opened, destroyed = {}, set()
    for row in wrapped:
        private_key = private_keys.get(row["year"])
        if private_key is None:
            destroyed.add(row["data_key_id"])
            continue
        try:
            opened[row["data_key_id"]] = open_data_key(
                private_key, row["wrapped"], tenant_id=tenant_id, data_key_id=row["data_key_id"]
            )
        except SealingError:
            # One damaged key hides its own records only; they are told as not to be opened.
            continue
    return DataKeys(opened, frozenset(destroyed))


async def read_private_keys(
    connection: asyncpg.Connection, register: Keyring, tenant_id: int, years: Sequence[int]
) -> dict[int, bytes | None]:
    """Open the private keys of a tenant's years; None for one that was destroyed. In the tenant's scope."""
    rows = await connection.fetch(
        "SELECT year, private_key_sealed FROM registry.tenant_key WHERE tenant_id = $1 AND year = ANY($2::smallint[])",
        tenant_id, years,
    )  # fmt: skip
    return {
        row["year"]: None
        if row["private_key_sealed"] is None
        else open_sealed(
            register, row["private_key_sealed"], purpose="tenant-key", context=f"{tenant_id}/{row['year']}"
        )
        for row in rows
    }
