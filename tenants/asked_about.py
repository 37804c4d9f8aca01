"""Finds calls that were asked about a person and told nothing of one: refused, not sent, not answered, answered with nobody.

The index of persons knows whom an answer told about. Whom a question was about stands sealed in its opening alone, so these
questions are opened, and no others: a page at a time, in recorded steps. Judges nothing that it did not open.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from tenants.finding import Filter, ids_of_person, keep, windows
from tenants.register_keys import InYear

MOST_OPENED: Final = 5_000
"""Questions that one answer opens; it says from where to go on."""
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Calls to open, newest first. `told` are those that told about the person; `lowest`: nothing from there on is left."""

    ids: tuple[UUID, ...]
    told: frozenset[UUID]
    lowest: UUID


@dataclass(frozen=True, slots=True)
class Questions:
    """What is looked for, in one recorded search. `users`: only calls of these, None for those of all."""

    connection: asyncpg.Connection
    tenant_id: int
    persons: Sequence[InYear]
    users: Sequence[UUID] | None
    wanted: Filter
    step: Callable[[], AbstractAsyncContextManager[None]]

    async def pages(self, years: Sequence[int], floor: UUID, ceiling: UUID) -> AsyncIterator[Page]:
        """All calls between two ids that told about the person or about nobody, month by month from the newest."""
        for low, high in windows(years, floor, ceiling):
            below = high
            while below > low:
                async with self.step():
                    page = await self._page(low, below)
                yield page
                below = page.lowest

    async def _page(self, low: UUID, below: UUID) -> Page:
        silent = await silent_ids(self.connection, self.tenant_id, self.wanted, self.users, low, below, _PAGE)
        told = await ids_of_person(self.connection, self.tenant_id, self.persons, low, below, _PAGE)
        # Both are whole down to their last when they are full; what lies lower comes with the next page.
        lowest = max(found[-1] if len(found) == _PAGE else low for found in (silent, told))
        near = [one for one in told if one >= lowest]
        allowed = await keep(self.connection, self.tenant_id, self.wanted, near, users=self.users)
        ids = sorted({*allowed, *(one for one in silent if one >= lowest)}, reverse=True)
        return Page(tuple(ids), frozenset(allowed), lowest)


async def silent_ids(
    connection: asyncpg.Connection,
    tenant_id: int,
    wanted: Filter,
    users: Sequence[UUID] | None,
    low: UUID,
    below: UUID,
    limit: int,
) -> list[UUID]:
    """Calls of one month that told about nobody, newest first. One step of a recorded reading."""
    condition, values = wanted.condition(6)
    rows = await connection.fetch(
        "SELECT o.id FROM register.opening o LEFT JOIN register.closing c "  # noqa: S608
        "  ON c.tenant_id = $1 AND c.tenant_id = o.tenant_id AND c.id = o.id AND c.id >= $2 AND c.id < $3 "
        "WHERE o.tenant_id = $1 AND o.id >= $2 AND o.id < $3 AND (c.id IS NULL OR c.persons = 0) "
        f"  AND ($5::uuid[] IS NULL OR o.user_index = ANY ($5)){condition} ORDER BY o.id DESC LIMIT $4",
        tenant_id, low, below, limit, users, *values,
    )  # fmt: skip
    return [row["id"] for row in rows]
