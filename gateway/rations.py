"""Places and answer memory per tenant, so that one tenant's burst or large answers leave room for the others.

Owns two numbers per tenant: calls under way, and bytes of answers held in memory. Refuses (TooMany) at once; nobody
waits here. A tenant without calls under way costs nothing. What a tenant may have shrinks as places get scarce
(`gateway.fairness`): however many tenants burst at once, the next one finds a place.
"""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway.errors import TooMany
from gateway.fairness import OF_CALLS, has_room


@dataclass(slots=True)
class Share:
    """What one tenant uses now: calls under way, and bytes of answers."""

    calls: int = 0
    held: int = 0


@dataclass(slots=True)
class Rations:
    """All tenants' shares. `calls` and `held_bytes` bound one tenant, `calls_at_once` all of them together."""

    calls: int
    calls_at_once: int
    held_bytes: int
    shares: dict[int, Share] = field(default_factory=dict)
    running: int = 0

    def take(self, tenant_id: int) -> "Ticket":
        """One place for one call, as a context manager. Entering raises TooMany."""
        return Ticket(self, tenant_id)


@dataclass(slots=True)
class Ticket:
    """The place of one call, and what its answer holds."""

    rations: Rations
    tenant_id: int
    held: int = 0

    def __enter__(self) -> Self:
        rations = self.rations
        share = rations.shares.get(self.tenant_id)
        if share is None:
            share = rations.shares[self.tenant_id] = Share()
        free = rations.calls_at_once - rations.running
        if share.calls >= rations.calls or not has_room(share.calls, free, OF_CALLS):
            self._forget(share)
            raise TooMany("teVeelTegelijk", "Er zijn te veel aanroepen tegelijk onderweg.", retry_after=1)
        if share.held >= rations.held_bytes:
            raise TooMany(
                "teVeelAntwoorden", "Er staan te veel grote antwoorden tegelijk in het geheugen.", retry_after=1
            )
        share.calls += 1
        rations.running += 1
        return self

    def hold(self, size: int) -> None:
        """Count the bytes of the call's answer until the call ends."""
        self.held += size
        self.rations.shares[self.tenant_id].held += size

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        share = self.rations.shares[self.tenant_id]
        share.calls -= 1
        share.held -= self.held
        self.rations.running -= 1
        self._forget(share)

    def _forget(self, share: Share) -> None:
        if share.calls == 0:
            self.rations.shares.pop(self.tenant_id, None)


@dataclass(slots=True)
class Attempts:
    """How many refused attempts of one tenant are stored: a bucket of `burst` that fills by `rate` a second.

    What goes over it is counted and not stored, so that a caller in a loop cannot fill its tenant's register.
    """

    rate: float = 5.0
    burst: float = 100.0
    buckets: dict[int, tuple[float, float]] = field(default_factory=dict)

    def allow(self, tenant_id: int, now: float) -> bool:
        """Take one from the tenant's bucket; `now` is monotonic, in seconds. Bounded by the number of tenants."""
        left, at = self.buckets.get(tenant_id, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.rate)
        self.buckets[tenant_id] = (left - 1.0 if left >= 1.0 else left, now)
        return left >= 1.0
