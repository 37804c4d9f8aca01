"""Compares what a case expects with what came of it; each difference is one line of text. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.conformance.cases import Expected

PROBLEM: Final = "application/problem+json"
_LONGEST: Final = 160


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a case: the answer, what RvIG's proxy sent on, and the records of it in the register.

    `upstream` is None when no call reached RvIG, `records` when the register was not read. `calls` are those that RvIG
    got, None when nobody counted.
    """

    status: int
    content_type: str = ""
    document: Any = None
    upstream: Mapping[str, str] | None = None
    records: Sequence[Mapping[str, str]] | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case passed when there are no reasons why not."""

    id: str
    reasons: tuple[str, ...] = ()
    told: str = field(default="", compare=False)

    @property
    def passed(self) -> bool:
        return not self.reasons


def judge(expected: Expected, came: Came) -> tuple[str, ...]:
    """Return every difference; none is a pass."""
    reasons: list[str] = []
    wanted = expected.status
    if wanted is None:
        # A case about protocol records: the question must have been answered for there to be any.
        if expected.records and came.status != 200:
            reasons.append(f"status {came.status}, expected 200")
    elif came.status != wanted:
        reasons.append(f"status {came.status}, expected {wanted}")
    if expected.problem is not None and not reasons:
        reasons += _problem_reasons(expected.problem, came)
    reasons += _upstream_reasons(expected.upstream_headers, came.upstream)
    if not reasons and expected.calls is not None and came.calls not in {None, expected.calls}:
        reasons.append(f"{came.calls} calls reached RvIG, expected {expected.calls}")
    if expected.records is not None:
        reasons += _record_reasons(expected.records, came.records)
    return tuple(reasons)


def _problem_reasons(wanted: Mapping[str, Any], came: Came) -> list[str]:
    """The whole document counts: members, values, and the order of invalidParams."""
    reasons = [] if came.content_type == PROBLEM else [f"content-type {came.content_type!r}"]
    found = came.document if isinstance(came.document, dict) else {}
    return reasons + [
        f"{name}: {_short(found.get(name))}, expected {_short(wanted.get(name))}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def _upstream_reasons(wanted: Mapping[str, str | None], found: Mapping[str, str] | None) -> list[str]:
    if not wanted:
        return []
    if found is None:
        return ["no call reached RvIG"]
    return [
        f"upstream {name}: {_short(found.get(name))}, expected {_short(value)}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def _record_reasons(wanted: Sequence[Mapping[str, str]], found: Sequence[Mapping[str, str]] | None) -> list[str]:
    """As many records as are expected; an expected one states only some members, and each is another record's."""
    if found is None:
        return ["the call is not in the register"] if wanted else []
    left = list(found)
    reasons = []
    for one in sorted(wanted, key=len, reverse=True):
        match = next((record for record in left if one.items() <= record.items()), None)
        if match is None:
            reasons.append(f"no record {_short(dict(one))}")
        else:
            left.remove(match)
    return reasons + [f"record too many: {_short(dict(one))}" for one in left]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
