"""The record of what the simulator saw, which tests assert. Owns a bounded list in the order of arrival.

A call is recorded as soon as it has been read and before anything is done with it, so that a fault cannot hide it.
Never holds an access token or client-secret. Test data only: it may hold test persons' numbers.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SECRET_HEADERS = frozenset({"authorization"})


@dataclass(slots=True)
class Seen:
    """One call. What came from a token is None where there was no valid one; `status` is None until answered.

    `token_afnemer_id`, `token_oin` and `mailbox` are those of the account the token was really issued to, also when
    a fault put other claims into it. `source_headers` is what RvIG's proxy would send on to its source.
    """

    seq: int
    time: float
    kind: Literal["token", "api"]
    method: str
    path: str
    connection: int
    certificate_oin: str | None
    fingerprint: str
    headers: Mapping[str, str]
    body_sha256: str
    body: bytes | None
    api: str | None = None
    client_id: str | None = None
    scope: str | None = None
    resource_server: str | None = None
    token_afnemer_id: str | None = None
    token_oin: str | None = None
    mailbox: str | None = None
    source_headers: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    status: int | None = None


class SeenLog:
    """The last `limit` calls. `seq` counts all calls since the start, also those that fell out or were cleared."""

    __slots__ = ("_calls", "_count")

    def __init__(self, limit: int) -> None:
        self._calls: deque[Seen] = deque(maxlen=limit)
        self._count = 0

    def next_seq(self) -> int:
        self._count += 1
        return self._count

    def append(self, seen: Seen) -> None:
        self._calls.append(seen)

    @property
    def count(self) -> int:
        return self._count

    def all(self, *, since: int = 0) -> list[Seen]:
        """Give the calls with a higher `seq` than `since`, oldest first."""
        return [one for one in self._calls if one.seq > since]

    def tokens(self) -> list[Seen]:
        return [one for one in self._calls if one.kind == "token"]

    def api_calls(self) -> list[Seen]:
        return [one for one in self._calls if one.kind == "api"]

    def clear(self) -> None:
        self._calls.clear()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
