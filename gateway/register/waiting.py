"""The rows that wait for PostgreSQL: rationed per tenant, taken in turn. No I/O.

A place is held from acceptance until the row's fate is known, in flight included. Openings are refused when their
tenant's places (or all) are taken; closings are refused by size only, since each stands for a call that has been let
through, and losing one loses an answer.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.register.rows import Closing, Opening, Permission, Receipt, Stale

_ROW_OCTETS = 1_000


@dataclass(frozen=True, slots=True)
class Rations:
    """How much may wait: rows and octets, of one tenant and of all."""

    places: int = 2_048
    places_per_tenant: int = 256
    octets: int = 256 << 20
    octets_per_tenant: int = 64 << 20


class Row:
    """A row on its way. `answer` is None when nobody waits for it."""

    __slots__ = ("answer", "asked_at", "key_sent", "octets", "rewritten", "taken", "tenant_id", "value")

    def __init__(
        self, value: Opening | Closing, asked_at: float, answer: "asyncio.Future[Permission | Stale | Receipt] | None"
    ) -> None:
        self.value = value
        self.tenant_id = value.tenant_id
        self.octets = len(value.record.sealed) + _ROW_OCTETS
        self.asked_at = asked_at
        self.answer = answer
        self.taken = False
        self.key_sent = False
        self.rewritten = False

    @property
    def is_awaited(self) -> bool:
        return self.answer is not None and not self.answer.done()


class Waiting:
    """A lane per tenant, first in, first out; tenants take turns, so that a burst of one delays no other."""

    def __init__(self, rations: Rations) -> None:
        self._rations = rations
        self._lanes: dict[int, deque[Row]] = {}
        self._turns: deque[int] = deque()
        self._places: dict[int, int] = {}
        self._octets: dict[int, int] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self.depth = 0
        self.held = 0
        self.held_octets = 0

    def has_room(self, row: Row) -> bool:
        """Tell whether the rations allow one more."""
        rations, tenant_id = self._rations, row.tenant_id
        if (
            self.held_octets + row.octets > rations.octets
            or self._octets.get(tenant_id, 0) + row.octets > rations.octets_per_tenant
        ):
            return False
        return isinstance(row.value, Closing) or (
            self.held < rations.places and self._places.get(tenant_id, 0) < rations.places_per_tenant
        )

    def put(self, row: Row) -> None:
        """Give a new row its place, behind its tenant's others."""
        tenant_id = row.tenant_id
        self._places[tenant_id] = self._places.get(tenant_id, 0) + 1
        self._octets[tenant_id] = self._octets.get(tenant_id, 0) + row.octets
        self.held += 1
        self.held_octets += row.octets
        self._lane(tenant_id).append(row)
        self.depth += 1
        self._wake_one()

    def put_back(self, row: Row) -> None:
        """Put a row that holds its place already before its tenant's others."""
        row.taken = False
        self._lane(row.tenant_id).appendleft(row)
        self.depth += 1
        self._wake_one()

    def take(self, rows: int, octets: int) -> list[Row]:
        """Take a batch of at most so many rows and octets (but one row always), tenant by tenant."""
        taken: list[Row] = []
        turns, lanes = self._turns, self._lanes
        while turns and len(taken) < rows:
            lane = lanes[turns[0]]
            row = lane[0]
            octets -= row.octets
            if octets < 0 and taken:
                break
            lane.popleft()
            row.taken = True
            taken.append(row)
            if lane:
                turns.rotate(-1)
            else:
                del lanes[turns.popleft()]
        self.depth -= len(taken)
        return taken

    def withdraw(self, row: Row) -> None:
        """Take back a row that has not been handed to PostgreSQL, and its place."""
        lane = self._lanes[row.tenant_id]
        lane.remove(row)
        if not lane:
            del self._lanes[row.tenant_id]
            self._turns.remove(row.tenant_id)
        self.depth -= 1
        self.release(row)

    def release(self, row: Row) -> None:
        """Give back the place of a row whose fate is known."""
        tenant_id = row.tenant_id
        self.held -= 1
        self.held_octets -= row.octets
        if self._places[tenant_id] == 1:
            del self._places[tenant_id], self._octets[tenant_id]
        else:
            self._places[tenant_id] -= 1
            self._octets[tenant_id] -= row.octets

    def openings(self) -> list[Row]:
        """Return the openings that no statement has been sent for."""
        return [row for row in self if isinstance(row.value, Opening)]

    def __iter__(self) -> Iterator[Row]:
        return (row for lane in self._lanes.values() for row in lane)

    async def arrival(self, seconds: float) -> None:
        """Wait until there is a row for this taker (it may have been taken by another meanwhile), or so long."""
        if self.depth:
            return
        loop = asyncio.get_running_loop()
        idle = loop.create_future()
        self._idle.append(idle)
        timer = loop.call_later(seconds, self._end_wait, idle)
        try:
            await idle
        finally:
            timer.cancel()

    def _end_wait(self, idle: asyncio.Future[None]) -> None:
        # Out of the queue: what is in it is who is to be woken for a row.
        if idle in self._idle:
            self._idle.remove(idle)
            idle.set_result(None)

    def wake_all(self) -> None:
        """End every wait for an arrival."""
        while self._idle:
            self._wake_one()

    def _wake_one(self) -> None:
        if self._idle and not (idle := self._idle.popleft()).done():
            idle.set_result(None)

    def _lane(self, tenant_id: int) -> deque[Row]:
        lane = self._lanes.get(tenant_id)
        if lane is None:
            lane = self._lanes[tenant_id] = deque()
            self._turns.append(tenant_id)
        return lane
