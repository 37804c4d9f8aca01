"""Whom RvIG has shut out: recognised, shared between replicas, and left alone but for a careful call now and then.

RvIG says *blocked* of an account in exact words (`account_blocked` in the catalogue), at its token endpoint or at an API. It
says that it does not take an identity in others (`access_refused`), which a single bad moment may say too: three in a row
over one aansluiting count. From then on its calls are refused here. The database says which replica may make the next
careful call, ever longer after the last; when that one is answered the block is over, and so it is when the tenant says so.

It holds for the credential and certificate with which it was seen: with another one RvIG is asked anew. Nothing here is a
permission; what it lets through the register's opening still judges.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import orjson

from gateway.call import Answered
from gateway.catalogue import Environment
from gateway.errors import TokenRefused
from gateway.token_rules import is_blocked, matches
from gateway.verbindingstest.steps import word_of
from tenants.model import Aansluiting, RvigStand

Key = tuple[int, int]
"""An aansluiting: tenant_id, aansluiting_id."""

Kind = Literal["accountGeblokkeerd", "toegangGeweigerd"]
Place = Literal["token", "api"]
IN_A_ROW: Final = 3
_FIRST_REST: Final = 60.0
_MOST: Final = 20_000
_GRACE: Final = 10.0

_DETAILS: Final = {
    "accountGeblokkeerd": "RvIG heeft het account van deze aansluiting geblokkeerd. De beheerder neemt contact op met RvIG.",
    "toegangGeweigerd": "RvIG weigert alles over deze aansluiting. De beheerder doet een verbindingstest of neemt contact op met RvIG.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What RvIG said, of which credential and certificate."""

    key: Key
    credential_id: int
    fingerprint: bytes
    kind: Kind
    place: Place
    status: int
    code: str


class Store(Protocol):
    """The memory that all replicas share. Raises what PostgreSQL raises."""

    async def note(self, seen: Seen) -> datetime: ...

    async def take_probe(self, key: Key) -> tuple[bool, datetime] | None: ...

    async def release(self, key: Key, credential_id: int, fingerprint: bytes) -> None: ...


def verdict_of(environment: Environment, answered: Answered) -> Kind | None:
    """What this answer says of the aansluiting as a whole; None for everything else, refusals of one question included."""
    if is_blocked(environment, answered):
        return "accountGeblokkeerd"
    return "toegangGeweigerd" if matches(environment.access_refused, answered) else None


class Stands:
    """Belongs to one event loop. `known` finds what the registry says; `clock` is monotonic, `now` the time of day."""

    def __init__(
        self,
        known: Callable[[Key], RvigStand | None],
        store: Store,
        *,
        notice: Callable[[str, Aansluiting], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        trouble: tuple[type[Exception], ...] = (OSError, TimeoutError),
    ) -> None:
        self._known = known
        self._store = store
        self._notice = notice
        self._clock = clock
        self._now = now
        self._trouble = trouble
        self._mine: dict[Key, tuple[Seen, float]] = {}
        self._next: dict[Key, float] = {}
        self._over: dict[Key, float] = {}
        self._refusals: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, aansluiting: Aansluiting) -> bool:
        """Let a call go on; True when it is the careful one. Raises TokenRefused while RvIG has shut the aansluiting out."""
        key = (aansluiting.tenant_id, aansluiting.aansluiting_id)
        kind = self._kind_of(key, aansluiting)
        if kind is None:
            return False
        now = self._clock()
        wait = self._wait(key, now)
        if wait > 0:
            raise shut_out(kind, wait)
        # Others wait for what becomes of this one; the database asks no more of this process than of the rest.
        self._next[key] = now + 2.0
        try:
            answer = await self._store.take_probe(key)
        except self._trouble:
            raise shut_out(kind, 2.0) from None
        if answer is None:
            if key in self._mine and now < self._mine[key][1]:
                raise shut_out(kind, 2.0)
            # Over; the registry in memory hears of it in a moment.
            self._over[key] = now + _GRACE
            return False
        taken, probe_at = answer
        wait = max((probe_at - self._now()).total_seconds(), 1.0)
        self._next[key] = self._clock() + wait
        if taken:
            return True
        raise shut_out(kind, wait)

    def hear(
        self, aansluiting: Aansluiting, environment: Environment, place: Place, answered: Answered, *, careful: bool
    ) -> Kind | None:
        """Judge an answer; the kind when from now on the aansluiting is left alone.

        Only the answer to a `careful` call ends a block: others may have been on their way before it.
        """
        key = (aansluiting.tenant_id, aansluiting.aansluiting_id)
        kind = verdict_of(environment, answered)
        if kind is None:
            if place == "api" and answered.status < 500 and not matches(environment.token_refused, answered):
                self._refusals.pop(key, None)
                if careful and self._kind_of(key, aansluiting) is not None:
                    self._release(key, aansluiting)
            return None
        if kind == "toegangGeweigerd" and not careful:
            if len(self._refusals) >= _MOST:
                self._refusals.clear()
            self._refusals[key] = self._refusals.get(key, 0) + 1
            if self._refusals[key] < IN_A_ROW:
                return None
        self._refusals.pop(key, None)
        seen = Seen(
            key, aansluiting.credential.credential_id, aansluiting.certificate.fingerprint, kind, place, answered.status,
            _code(answered),
        )  # fmt: skip
        if careful or place == "token" or self._kind_of(key, aansluiting) is None:
            self._shut(seen, aansluiting)
        return kind

    def __len__(self) -> int:
        return len(self._mine)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)

    def _kind_of(self, key: Key, aansluiting: Aansluiting) -> str | None:
        """What stands of this aansluiting with the credential and certificate that it has now."""
        now = self._clock()
        mine = self._mine.get(key)
        if mine is not None:
            if now < mine[1]:
                if _is_of(mine[0], aansluiting):
                    return mine[0].kind
            else:
                del self._mine[key]
        known = self._known(key)
        if known is None or not _is_of(known, aansluiting):
            return None
        over = self._over.get(key)
        if over is not None:
            if now < over:
                return None
            del self._over[key]
        return known.kind

    def _wait(self, key: Key, now: float) -> float:
        """Seconds until a careful call is worth asking for."""
        until = self._next.get(key)
        if until is None:
            known = self._known(key)
            rest = _FIRST_REST if known is None else (known.probe_at - self._now()).total_seconds()
            until = self._next[key] = now + rest
            if len(self._next) > _MOST:
                self._next.clear()
        return until - now

    def _shut(self, seen: Seen, aansluiting: Aansluiting) -> None:
        now = self._clock()
        self._over.pop(seen.key, None)
        # Until the registry says the same here; and for as long as the first rest when nobody can write it.
        self._mine[seen.key] = (seen, now + _FIRST_REST)
        self._next.setdefault(seen.key, now + _FIRST_REST)
        self._next[seen.key] = max(self._next[seen.key], now + 1.0)
        if self._known(seen.key) is None:
            self._next[seen.key] = now + _FIRST_REST
        self._notice(seen.kind, aansluiting)
        self._write(self._write_seen(seen), aansluiting)

    def _release(self, key: Key, aansluiting: Aansluiting) -> None:
        self._mine.pop(key, None)
        self._next.pop(key, None)
        self._over[key] = self._clock() + _GRACE
        self._notice("rvigLaatWeerToe", aansluiting)
        self._write(
            self._store.release(key, aansluiting.credential.credential_id, aansluiting.certificate.fingerprint),
            aansluiting,
        )

    async def _write_seen(self, seen: Seen) -> None:
        probe_at = await self._store.note(seen)
        now = self._clock()
        self._next[seen.key] = now + max((probe_at - self._now()).total_seconds(), 1.0)
        mine = self._mine.get(seen.key)
        if mine is not None and mine[0] is seen:
            self._mine[seen.key] = (seen, min(mine[1], now + _GRACE))

    def _write(self, writing: Awaitable[None], aansluiting: Aansluiting) -> None:
        """In the background: no call waits for what others are to know."""

        async def write() -> None:
            try:
                await writing
            except self._trouble:
                # Here it holds for the first rest all the same; other replicas find out by themselves.
                self._notice("rvigStandNietGeschreven", aansluiting)

        task = asyncio.get_running_loop().create_task(write())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_of(stand: Seen | RvigStand, aansluiting: Aansluiting) -> bool:
    return (
        stand.credential_id == aansluiting.credential.credential_id
        and stand.fingerprint == aansluiting.certificate.fingerprint
    )


def shut_out(kind: str, wait: float | None = None, *, sent: bool = False) -> TokenRefused:
    """The refusal that a caller gets, with the seconds until another call may find out more."""
    return TokenRefused(kind, _DETAILS[kind], sent=sent, retry_after=None if wait is None else max(1, math.ceil(wait)))


def _code(answered: Answered) -> str:
    try:
        document = orjson.loads(answered.body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(document, dict):
        return ""
    kind = document.get("type")
    found = document.get("code") or document.get("error") or (kind.rpartition("/")[2] if isinstance(kind, str) else "")
    word = word_of(found) or ""
    return word if len(word) <= 60 and not set(word) & set(" ,:/*=()") else ""
