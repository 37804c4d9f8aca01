"""Blocks: by tenant, AfnemerID, OIN, certificate or taaksysteem, at once and on every replica.

The order is the promise: the block commits first, then `wait_until_closed` waits for the writing transactions that were
older. When it has returned, nothing that the block forbids is let through any more, nor can it still be committed.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg

from tenants.faults import InputRefused, NotFound, RegistryError

_VALUES = {
    "tenant": (re.compile(r"[1-9][0-9]{0,17}"), "the number of a tenant"),
    "afnemer": (re.compile(r"[0-9]{6}"), "an AfnemerID of six digits"),
    "oin": (re.compile(r"000000[0-9]{2}[0-9A-Z]{9}000"), "an OIN"),
    "certificate": (re.compile(r"[0-9a-f]{64}"), "a SHA-256 fingerprint of 64 hexadecimal digits, in small letters"),
    "taaksysteem": (re.compile(r"[1-9][0-9]{0,17}/[1-9][0-9]{0,17}"), "tenant number/taaksysteem number"),
}
KINDS = tuple(_VALUES)

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.01


class GraceTimeout(RegistryError):
    """The block stands, but transactions that are older than it have not ended in time: calls may still be let through."""


async def block(connection: asyncpg.Connection, kind: str, value: str, *, reason: str, actor: str) -> bool:
    """Set a block; False when it stood already. In the caller's transaction: commit it, then `wait_until_closed`.

    Raises InputRefused for a value that could not block anything.
    """
    _check(kind, value, reason, actor)
    await _explain(connection, reason, actor)
    status = await connection.execute(
        "INSERT INTO registry.blokkade (kind, value, reason, blocked_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        kind, value, reason, actor,
    )  # fmt: skip
    return bool(status == "INSERT 0 1")


async def release(connection: asyncpg.Connection, kind: str, value: str, *, reason: str, actor: str) -> None:
    """Take a block away. In the caller's transaction. Raises NotFound when it does not stand, InputRefused."""
    _check(kind, value, reason, actor)
    await _explain(connection, reason, actor)
    status = await connection.execute("DELETE FROM registry.blokkade WHERE kind = $1 AND value = $2", kind, value)
    if status != "DELETE 1":
        raise NotFound(f"There is no block of {kind} {value}.")


async def wait_until_closed(connection: asyncpg.Connection, timeout: float = 5.0) -> None:
    """Wait until every writing transaction that was there at the start has ended. Call it after the block committed.

    A writer's statement takes its lock on the table of openings before it takes its snapshot. So a writer that did not
    see the block holds that lock now, and a writer that is still waiting for it will see the block. No lock is asked
    for, so that nobody waits for this. `timeout` in seconds; raises GraceTimeout when it has passed.
    """
    if connection.is_in_transaction():
        raise RuntimeError("A block works when it is committed: wait after its transaction, not inside it.")
    await _wait_until_closed(partial(_writing, connection), timeout)


class Emergency:
    """Connections that are kept for blocks, and one look at the writers for all who wait: fifty need no more than one.

    Nothing else may use them, so that a block is set while every other connection is taken.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[set[str]] | None = None

    async def wait_until_closed(self, timeout: float) -> None:
        """As the function of this name, without holding a connection. Call it after the block committed."""
        await _wait_until_closed(self._look, timeout)

    async def _look(self) -> set[str]:
        if self._next is None:
            self._next = asyncio.create_task(self._look_once())
        # Whoever goes away takes the look from nobody else.
        return await asyncio.shield(self._next)

    async def _look_once(self) -> set[str]:
        async with self._one_at_a_time:
            # From here on it is too early for who asks now: the block may commit after this look began.
            self._next = None
            async with self.pool.acquire() as connection:
                return await _writing(connection)


async def _wait_until_closed(look: Callable[[], Awaitable[set[str]]], timeout: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    older = await look()
    pause = _FIRST_PAUSE
    while older:
        if loop.time() >= until:
            raise GraceTimeout(f"{len(older)} writing transactions have not ended in {timeout:g} s.")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        older &= await look()


async def _writing(connection: asyncpg.Connection) -> set[str]:
    rows: list[Any] = await connection.fetch(
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND relation IN ('register.opening'::regclass, 'proef.opening'::regclass)"
    )
    return {row["virtualtransaction"] for row in rows}


async def _explain(connection: asyncpg.Connection, reason: str, actor: str) -> None:
    """Tell the trigger that writes the history why, and who."""
    await connection.fetchrow(
        "SELECT set_config('koppelpunt.reason', $1, true), set_config('koppelpunt.actor', $2, true)", reason, actor
    )


def _check(kind: str, value: str, reason: str, actor: str) -> None:
    faults = []
    if kind not in _VALUES:
        faults.append(f"A block is of {', '.join(KINDS)}; not of {kind!r}.")
    elif not _VALUES[kind][0].fullmatch(value):
        faults.append(f"A block of {kind} needs {_VALUES[kind][1]}.")
    faults += [
        f"A block needs {what}." for what, text in (("a reason", reason), ("an actor", actor)) if not text.strip()
    ]
    if faults:
        raise InputRefused(faults)
