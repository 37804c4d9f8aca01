"""Who was asked about in vain, of a list of persons: refused, not sent, not answered, answered with nobody. In recorded steps.

The index does not know whom such a question was about, so it is opened; of whoever is not on the list nothing is kept.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from tenants.asked_about import silent_ids
from tenants.finding import Filter, bounds_of, moment_of, months_of
from tenants.inzage.verstrekkingen import named_in
from tenants.keyring import Keyring
from tenants.reading import read_again
from tenants.recording import Period, reading_scope

MOST: Final = 20_000
"""Questions that one report opens."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Pogingen:
    """Numbers with the calls that asked for them. `since`: from when on all were looked at, later than asked if too many."""

    found: tuple[tuple[str, UUID], ...] = field(repr=False)
    since: datetime


async def find_pogingen(
    connection: asyncpg.Connection,
    register: Keyring,
    tenant_id: int,
    listed: Collection[str],
    period: Period,
    *,
    reading: int,
    actor: str,
) -> Pogingen:
    """Look from the newest back, until all were opened or MOST. Nothing is opened for an empty list. Raises SealingError."""
    found: list[tuple[str, UUID]] = []
    opened = 0
    for month in reversed(months_of(period)) if listed else ():
        low, below = bounds_of(month)
        while below > low:
            async with reading_scope(connection, tenant_id, reading, actor=actor):
                ids = await silent_ids(connection, tenant_id, Filter(), None, low, below, _PAGE)
            for regel in await read_again(
                connection, register, tenant_id, ids, reading=reading, actor=actor, contents=True
            ):
                opening = None if regel.contents is None else regel.contents.opening
                found += [(one, regel.id) for one in (() if opening is None else named_in(opening)) if one in listed]
            opened += len(ids)
            below = ids[-1] if len(ids) == _PAGE else low
            if opened >= MOST:
                return Pogingen(tuple(found), max(period[0], moment_of(below)))
    return Pogingen(tuple(found), period[0])
