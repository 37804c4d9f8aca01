"""Faults on demand: what goes wrong, for which calls, how often. Owns the list of rules and their counts.

A rule that matches is spent once per call; rules are tried in the order in which they were added. Kinds that delay or
add headers combine with others; of the kinds that decide the outcome the first counts. A rule without `match` matches
every call that its kind makes sense for.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway.simulator.calls import Reply
from gateway.simulator.tokens import STRAIGHT, Bend


class FaultKind(StrEnum):
    SLOW = "slow"
    """Wait `seconds` before answering."""
    HANG = "hang"
    """Never answer; after `seconds`, if given, abort the connection."""
    RESET = "reset"
    """Abort the connection (TCP RST) after reading the whole request."""
    RESET_KEPT_ALIVE = "reset-kept-alive"
    """The same, only on a connection that has carried a request before."""
    TRUNCATED = "truncated"
    """Send half of the answer, then abort the connection."""
    WRONG_LENGTH = "wrong-length"
    """Promise one byte more than is sent, then close."""
    HUGE = "huge"
    """An answer of `size` bytes with status 200."""
    STATUS = "status"
    """An answer with `status`, and with RvIG's document where there is one for it (500, 502, 503 …)."""
    ANSWER = "answer"
    """A canned answer: `status`, `headers`, `body`, whatever was asked. A call without a valid token gets its 401."""
    SOURCE_ANSWER = "source-answer"
    """The same for the source behind RvIG's checks: a faulty question gets its own refusal, and RvIG replaces the
    source's 404, 500 and 502 by its own documents. Not at Berichten and the token endpoint."""
    HEADERS = "headers"
    """Add `headers` (`warning`, `api-version`, `X-Rate-Limit-…`) to the answer."""
    TOKEN_INVALID = "token-invalid"  # noqa: S105 - not a secret
    """The API's gateway says that the token is not valid, and forgets it."""
    BLOCKED_ACCOUNT = "blocked-account"
    """The account is blocked: AUTH-F002 at Berichten, 401 elsewhere, invalid_client at the token endpoint."""
    REVOKED_OIN = "revoked-oin"
    """The certificate's OIN is shut out: 401 everywhere."""
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - not a secret
    """The token endpoint refuses with `error` (RFC 6749 section 5.2)."""
    OPAQUE_TOKEN = "opaque-token"  # noqa: S105 - not a secret
    """The token that is issued cannot be read."""
    WRONG_CLAIMS = "wrong-claims"
    """The token that is issued carries `claims` instead of the true ones; an empty value leaves the claim out."""
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - not a secret
    """The token that is issued counts as expired from the first moment."""


TOKEN: Final = "token"  # noqa: S105 - the name of an API
"""The name of the token endpoint where a rule names an API."""

_TOKEN_ONLY: Final = frozenset({
    FaultKind.TOKEN_REFUSED, FaultKind.OPAQUE_TOKEN, FaultKind.WRONG_CLAIMS, FaultKind.EXPIRED_TOKEN,
})  # fmt: skip
_API_ONLY: Final = frozenset({FaultKind.TOKEN_INVALID, FaultKind.SOURCE_ANSWER})
_COMBINING: Final = frozenset({FaultKind.SLOW, FaultKind.HEADERS})


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a rule is for; None matches all. `api` is `token`, `personen`, … or `berichten`; `path` is exact."""

    api: str | None = None
    path: str | None = None
    method: str | None = None
    afnemer_id: str | None = None
    client_id: str | None = None
    certificate_oin: str | None = None


@dataclass(frozen=True, slots=True)
class FaultRule:
    """`times` None: always. `seconds`, `size`, `status` and the rest are for the kinds that name them."""

    kind: FaultKind
    match: Match = Match()
    times: int | None = None
    seconds: float | None = None
    size: int = 0
    status: int = 500
    error: str = "invalid_client"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """What of a call a rule can match on."""

    api: str | None
    path: str
    method: str
    afnemer_id: str | None
    client_id: str | None
    certificate_oin: str | None
    kept_alive: bool


@dataclass(slots=True)
class Faults:
    """The rules in force. Single-threaded; `any` is False when there are none, so that matching costs nothing."""

    _rules: dict[int, tuple[FaultRule, int | None]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def any(self) -> bool:
        return bool(self._rules)

    def add(self, rule: FaultRule) -> int:
        """Put a rule in force; return its number. Raises ValueError for `times` below 1."""
        if rule.times is not None and rule.times < 1:
            raise ValueError("times: at least 1")
        number = next(self._numbers)
        self._rules[number] = (rule, rule.times)
        return number

    def remove(self, number: int) -> None:
        self._rules.pop(number, None)

    def clear(self) -> None:
        self._rules.clear()

    def remaining(self, number: int) -> int | None:
        """How often a rule will still act; 0 when it is spent or unknown, None for always."""
        found = self._rules.get(number)
        return found[1] if found else 0

    def take(self, subject: Subject) -> tuple[FaultRule, ...]:
        """Give the rules that act on this call, and spend them."""
        taken: list[FaultRule] = []
        decided = False
        for number, (rule, left) in list(self._rules.items()):
            combining = rule.kind in _COMBINING
            if (decided and not combining) or not _fits(rule, subject):
                continue
            taken.append(rule)
            decided = decided or not combining
            if left == 1:
                del self._rules[number]
            elif left is not None:
                self._rules[number] = (rule, left - 1)
        return tuple(taken)


def _fits(rule: FaultRule, subject: Subject) -> bool:
    if subject.api == TOKEN:
        if rule.kind in _API_ONLY:
            return False
    elif rule.kind in _TOKEN_ONLY:
        return False
    if rule.kind == FaultKind.RESET_KEPT_ALIVE and not subject.kept_alive:
        return False
    match = rule.match
    return (
        match.api in {None, subject.api}
        and match.path in {None, subject.path}
        and match.method in {None, subject.method}
        and match.afnemer_id in {None, subject.afnemer_id}
        and match.client_id in {None, subject.client_id}
        and match.certificate_oin in {None, subject.certificate_oin}
    )


def bend_of(rules: tuple[FaultRule, ...]) -> Bend:
    """How the rules bend the token that is issued."""
    for rule in rules:
        if rule.kind == FaultKind.OPAQUE_TOKEN:
            return Bend(opaque=True)
        if rule.kind == FaultKind.WRONG_CLAIMS:
            return Bend(claims=rule.claims)
        if rule.kind == FaultKind.EXPIRED_TOKEN:
            return Bend(expired=True)
    return STRAIGHT


def with_headers(reply: Reply, rules: tuple[FaultRule, ...]) -> Reply:
    """Add what HEADERS rules add."""
    extra: dict[str, str] = {}
    for rule in rules:
        if rule.kind == FaultKind.HEADERS:
            extra |= rule.headers
    return dataclasses.replace(reply, headers={**reply.headers, **extra}) if extra else reply


def parse_rule(value: Any) -> FaultRule:
    """Make a rule of decoded JSON. Raises ValueError for an unknown kind, member or kind of value."""
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError("fault: an object with a kind was expected")
    members = dict(value)
    kind = FaultKind(members.pop("kind"))
    match = members.pop("match", {})
    body = members.pop("body", "")
    if not isinstance(match, dict) or not isinstance(body, str):
        raise ValueError("fault: match must be an object and body a text")  # noqa: TRY004 - bad input
    for given, shape in ((members, FaultRule), (match, Match)):
        if unknown := sorted(given.keys() - {one.name for one in dataclasses.fields(shape)}):
            raise ValueError(f"fault: unknown members {', '.join(unknown)}")
    for name, wanted in (("times", int), ("seconds", int | float), ("size", int), ("status", int), ("error", str),
                         ("headers", dict), ("claims", dict)):  # fmt: skip
        if members.get(name) is not None and not isinstance(members[name], wanted):
            raise ValueError(f"fault.{name}: wrong kind of value")
    return FaultRule(kind, Match(**match), body=body.encode(), **members)
