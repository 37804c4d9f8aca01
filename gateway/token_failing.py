"""Which aansluitingen get no token, as far as this process has asked: what the operator is told of a dead identity. Pure.

One that fails is seen beside hundreds of its tenant that do not. It stands here from its second failure in a row on, until
a token is had, or until nobody has asked for so long that what was known says nothing any more.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

REMEMBERED: Final = 3_600.0
"""Seconds after its last failure that one is told of: longer than any pause between two tries."""

_LEAST: Final = 2

Name = tuple[int, int, str, str]
"""Tenant, aansluiting, and what the token was for: environment and scope."""


class Failing:
    """What became of the last tries. Times on the clock of the token cache, in seconds; `most` is how many are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: dict[Name, tuple[int, float]] = {}

    def note(self, name: Name, failures: int, now: float) -> None:
        """A try failed, here or in another process that asked in our place: so many in a row."""
        self._last.pop(name, None)
        if len(self._last) >= self._most:
            # The one that failed longest ago: each failure puts its own at the end.
            del self._last[next(iter(self._last))]
        self._last[name] = (failures, now)

    def forget(self, name: Name) -> None:
        """A token was had."""
        self._last.pop(name, None)

    def by_tenant(self, now: float) -> Mapping[int, int]:
        """How many aansluitingen of each tenant get no token; a tenant without any is not there."""
        self._last = {name: one for name, one in self._last.items() if now - one[1] < REMEMBERED}
        names = {name[:2] for name, (failures, _) in self._last.items() if failures >= _LEAST}
        return Counter(tenant_id for tenant_id, _ in names)
