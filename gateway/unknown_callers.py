"""Attempts of nobody known, in the security log: where, by which code, and from which address.

Owns the ration: so many lines of one source (an IPv4 address, or an IPv6 /64), and so many of all together, so that who
floods fills no disk and hides nobody else's attempt but by outnumbering it from many addresses. Every attempt is counted.
Nobody knows whose attempt it was, so no register holds it, and no word of the caller's is in the line.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.entrance import source_of
from gateway.rates import Rates
from gateway.telemetry import note_security
from tenants.origin import UNKNOWN, origin_of


@dataclass(frozen=True, slots=True)
class UnknownCallers:
    """`count` hears the code of each attempt, written or not."""

    of_source: Rates = field(default_factory=lambda: Rates(burst=10, per_second=0.2, most=10_000))
    of_all: Rates = field(default_factory=lambda: Rates(burst=100, per_second=5, most=1))
    count: Callable[[str], None] = lambda _code: None
    clock: Callable[[], float] = time.monotonic

    def note(self, action: str, *, target: str, code: str, source: str) -> None:
        """Count an attempt, and write its line where the ration allows it."""
        self.count(code)
        now, key = self.clock(), (source_of(origin_of(source)), code)
        if self.of_source.wait_of(key, now) > 0.0 or self.of_all.take("", now) > 0.0:
            return
        if self.of_source.take(key, now) == 0.0:
            note_security(action, target=target, result=code, actor=UNKNOWN, source=source)
