"""The rotation itself: opens what is sealed to older versions, seals it to the newest, a few values at a time.

Runs where the whole keyring may be, beside gateways and tenants that go on. Each value is opened again after it was
sealed, and exchanged only if nobody changed it meanwhile: whatever happens in between, a row holds the one or the other,
and both open. What is broken off is gone on with by running again: a row says itself to which version it is sealed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

from tenants.keyring import Keyring
from tenants.rotating.rows import ANY, START, Place, Sealed, count_versions, exchange, list_sealed
from tenants.sealing import SealingError, open_sealed, reseal

BATCH: Final = 50
"""Values per transaction: rows are held for some milliseconds."""
_PASSES: Final = 20
_REST_SECONDS: Final = 0.5
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. `held`: rows that others held all the time. `closed`: places whose value does not open."""

    moved: int
    held: int
    closed: tuple[Place, ...]

    @property
    def whole(self) -> bool:
        return not self.held and not self.closed


async def rotate(
    connection: asyncpg.Connection, keyring: Keyring, *, on_progress: Progress | None = None, batch: int = BATCH
) -> Rotated:
    """Move everything that is sealed to older versions of this keyring to its current one.

    Goes through all of it again until nothing is left but what cannot be moved: rows that someone holds, and values that
    do not open, which stay as they are.
    """
    total = await _count_older(connection, keyring)
    moved, closed, left = 0, tuple[Place, ...](), 0
    for number in range(_PASSES):
        if number:
            await asyncio.sleep(_REST_SECONDS)
        before = moved
        closed = ()
        after = START
        while found := await list_sealed(connection, keyring.name, below=keyring.current, after=after, most=batch):
            after = found[-1].place
            opened, failed = await asyncio.to_thread(seal_anew, keyring, found)
            closed += failed
            moved += await exchange_or_pass([one for one, _ in opened], [made for _, made in opened], connection)
            if on_progress is not None:
                on_progress(moved, max(total, moved))
        left = await _count_older(connection, keyring) - len(closed)
        if left <= 0 or (moved == before and number >= 2):
            break
    return Rotated(moved, max(left, 0), closed)


async def find_closed(
    connection: asyncpg.Connection, keyring: Keyring, *, on_progress: Progress | None = None, batch: int = 500
) -> tuple[int, list[Place]]:
    """Open everything that is sealed to this keyring; return how much that is, and the places that do not open.

    A keyring of another installation has the same numbers of versions: only opening tells.
    """
    after, seen = START, 0
    closed: list[Place] = []
    while found := await list_sealed(connection, keyring.name, below=ANY, after=after, most=batch):
        after = found[-1].place
        seen += len(found)
        closed += [one.place for one in found if not await asyncio.to_thread(_opens, keyring, one)]
        if on_progress is not None:
            on_progress(seen, seen)
    return seen, closed


def _opens(keyring: Keyring, one: Sealed) -> bool:
    try:
        open_sealed(keyring, one.sealed, purpose=one.purpose, context=one.context)
    except SealingError:
        return False
    return True


def seal_anew(keyring: Keyring, found: list[Sealed]) -> tuple[list[tuple[Sealed, bytes]], tuple[Place, ...]]:
    """Values with what was made of them, and the places of those that do not open."""
    made: list[tuple[Sealed, bytes]] = []
    failed: list[Place] = []
    for one in found:
        try:
            made.append((one, reseal(keyring, one.sealed, purpose=one.purpose, context=one.context)))
        except SealingError:
            failed.append(one.place)
    return made, tuple(failed)


async def exchange_or_pass(found: list[Sealed], made: list[bytes], connection: asyncpg.Connection) -> int:
    """Exchange what nobody holds; what is in somebody's way is passed by, and looked at again in the next round."""
    try:
        return await exchange(connection, found, made)
    except _AGAIN:
        return 0


async def _count_older(connection: asyncpg.Connection, keyring: Keyring) -> int:
    return sum(
        one.count
        for one in await count_versions(connection)
        if one.keyring == keyring.name
        and one.kind == "sealed"
        and one.version is not None
        and one.version < keyring.current
    )
