"""Places for reads of the register that may take long: so many of one tenant at once, and so many in all.

One process's own count, in memory. The pool has more connections than there are places, so that what is short, a request for
inzage above all, never waits for somebody's report. Nobody waits for a place: who finds none is told so.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

_PER_TENANT: Final = 3


class NoPlace(Exception):
    """All places are held: the tenant's own, so many (`own`), or everybody's (None)."""

    def __init__(self, own: int | None) -> None:
        super().__init__("No place for a long read.")
        self.own = own


@dataclass(slots=True)
class HeavyReads:
    """What runs now. `most`: of all tenants at once."""

    most: int = 6
    _running: Counter[int] = field(default_factory=Counter)

    @property
    def share(self) -> int:
        """Long reads of one tenant at once: never more than half of the places, so that no one tenant holds them all."""
        return max(1, min(_PER_TENANT, self.most // 2))

    @contextmanager
    def place(self, tenant_id: int) -> Iterator[None]:
        """A place for one long read. Raises NoPlace at once."""
        if self._running[tenant_id] >= self.share:
            raise NoPlace(self.share)
        if self._running.total() >= self.most:
            raise NoPlace(None)
        self._running[tenant_id] += 1
        try:
            yield
        finally:
            self._running[tenant_id] -= 1
            if not self._running[tenant_id]:
                del self._running[tenant_id]


def places_beside(connections: int) -> HeavyReads:
    """For a pool of so many: a third of them, and one at least where there are two, stays for what is short."""
    return HeavyReads(max(1, connections - max(1, connections // 3)))
