"""What the rules of the aansluitpatroon say of one aansluiting, worked out once and kept until a date in it passes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tenants.pattern_facts import Finding, PatternFacts
from tenants.patterns import check_pattern, next_change, stops

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


class PatternWatch:
    """The facts of one aansluiting, with what they mean until `_until`. Single-threaded; never wrong, at most redone."""

    __slots__ = ("_active", "_from", "_stop", "_until", "facts")

    def __init__(self, facts: PatternFacts) -> None:
        self.facts = facts
        self._stop: Finding | None = None
        self._active: frozenset[tuple[int, int]] | None = None
        self._from = self._until = _LONG_AGO

    def stop(self, now: datetime, active: frozenset[tuple[int, int]] | None = None) -> Finding | None:
        """The first finding that stops calls, or None. `active` limits the taaksystemen that count."""
        if not self._from <= now < self._until or active != self._active:
            facts = self.facts
            if active is not None:
                facts = replace(facts, uses=tuple(use for use in facts.uses if use.taaksysteem in active))
            found = stops(check_pattern(facts, now))
            self._stop = found[0] if found else None
            self._from, self._until, self._active = now, next_change(self.facts, now) or _FOREVER, active
        return self._stop
