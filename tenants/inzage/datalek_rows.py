"""What a report of a data breach needs of the register, in recorded steps: first how much, then all of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from tenants.finding import Filter, bounds_of, ids_in_period, ids_of_user, windows, years_of
from tenants.inzage.datalek import Omvang
from tenants.inzage.gathering import TooMuch
from tenants.keyring import Keyring
from tenants.reading import read_again
from tenants.recording import Period, Reading, reading_scope, record_reading
from tenants.register_keys import InYear, find_user
from tenants.scope import tenant_scope

MOST: Final = 250_000
"""Calls that one report opens."""
KIND: Final = "datalek"
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bereik:
    """What was used wrongly, in which period: calls that the filter allows, and of one user when it names one."""

    period: Period
    wanted: Filter
    user: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.wanted and self.user is None:
            raise ValueError("A report of a data breach is about a taaksysteem, a user or a certificate.")
        if self.period[1] - self.period[0] > timedelta(days=20 * 366):
            raise ValueError("A report of a data breach is about twenty years at most.")


@dataclass(frozen=True, slots=True)
class Telling:
    """How much it is, before anything is opened. `personen` counts a person once per call: nobody is left out of it."""

    bevragingen: int
    personen: int
    zonder_nummer: int
    zonder_afsluiting: int
    uitkomst_onbekend: int


@dataclass(frozen=True, slots=True)
class Zoektocht:
    """One recorded report under way; `users` is None when it is not about a user."""

    connection: asyncpg.Connection
    register: Keyring
    tenant_id: int
    actor: str
    bereik: Bereik
    reading: int
    users: Sequence[InYear] | None
    destroyed: tuple[int, ...]

    async def windows(self) -> list[tuple[UUID, UUID, UUID | None]]:
        """The months of the period, newest first, with the index of the user in each."""
        async with tenant_scope(self.connection, self.tenant_id, actor=self.actor):
            years = await years_of(self.connection, self.tenant_id)
        found = windows(years, *bounds_of(self.bereik.period))
        if self.users is None:
            return [(low, high, None) for low, high in found]
        return [(low, high, one.index) for low, high in found for one in self.users if one.floor <= low < one.ceiling]


async def begin(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    bereik: Bereik,
    *,
    contents: bool,
    actor: str,
    reason: str,
) -> Zoektocht:
    """Record the reading. Raises SealingError."""
    users, destroyed = None, list[int]()
    if bereik.user is not None:
        async with tenant_scope(connection, tenant_id, actor=actor):
            users, destroyed = await find_user(connection, register, tenant_id, bereik.user, bereik.period)
    recorded = Reading(
        kind=KIND,
        reason=reason,
        contents=contents,
        users=[one.index for one in users or ()],
        period=bereik.period,
        criteria=bereik.wanted.criteria,
    )
    number = await record_reading(connection, tenant_id, recorded, actor=actor)
    return Zoektocht(connection, register, tenant_id, actor, bereik, number, users, tuple(destroyed))


async def count(made: Zoektocht) -> Telling:
    """Count without opening anything. Each month is a step."""
    totals = [0, 0, 0, 0, 0]
    for low, high, user in await made.windows():
        condition, values = made.bereik.wanted.condition(5)
        async with reading_scope(made.connection, made.tenant_id, made.reading, actor=made.actor):
            row = await made.connection.fetchrow(
                "SELECT count(*), COALESCE(sum(c.persons), 0)::bigint, COALESCE(sum(c.unidentified), 0)::bigint, "  # noqa: S608
                "  count(*) FILTER (WHERE c.id IS NULL AND o.refusal IS NULL), "
                "  count(*) FILTER (WHERE o.refusal IS NULL AND (c.id IS NULL OR (c.outcome = 'niet_beantwoord' AND c.status IS NULL))) "
                "FROM register.opening o LEFT JOIN register.closing c ON c.tenant_id = $1 AND c.tenant_id = o.tenant_id "
                "  AND c.id = o.id AND c.id >= $2 AND c.id < $3 "
                "WHERE o.tenant_id = $1 AND o.id >= $2 AND o.id < $3 "
                f"  AND ($4::uuid IS NULL OR o.user_index = $4){condition}",
                made.tenant_id, low, high, user, *values,
            )  # fmt: skip
        totals = [total + found for total, found in zip(totals, row, strict=True)]
    return Telling(*totals)


async def measure(made: Zoektocht) -> Omvang:
    """Open every call and tell who was reached. Raises TooMuch, SealingError."""
    omvang = Omvang()
    async for page in _pages(made):
        if omvang.bevragingen + len(page) > MOST:
            raise TooMuch(MOST)
        omvang.add(
            await read_again(
                made.connection,
                made.register,
                made.tenant_id,
                page,
                reading=made.reading,
                actor=made.actor,
                contents=True,
            )
        )
    return omvang


async def _pages(made: Zoektocht) -> AsyncIterator[list[UUID]]:
    db, tenant_id, wanted = made.connection, made.tenant_id, made.bereik.wanted
    for low, high, user in await made.windows():
        ceiling = high
        while True:
            async with reading_scope(db, tenant_id, made.reading, actor=made.actor):
                page = (
                    await ids_in_period(db, tenant_id, wanted, low, ceiling, _PAGE)
                    if user is None
                    else await ids_of_user(db, tenant_id, user, wanted, low, ceiling, _PAGE)
                )
            yield page
            if len(page) < _PAGE:
                break
            ceiling = page[-1]
