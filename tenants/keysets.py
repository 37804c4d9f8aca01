"""The public keys of every IDP: fetched in the background, cached, rotated.

Owns which keys count now. What the IDP last said is what counts: a key that it took out is out at the next refresh, and
an empty set is an answer too. An IDP that cannot be reached, or answers with something that is no key set, changes
nothing: its last good keys serve for `most_age` seconds, then nobody of it is let in (KeysUnavailable, or what the process
says in its place).

A token with an unknown `kid` makes the keys be fetched once more, at most once per `interval` however many such tokens
come; callers may wait for a fetch that runs, a bounded number of them for a bounded time. Keys are in memory only: a process
that starts while an IDP is away lets nobody of it in. The gateway keeps those of taaksystemen here, `tenants` those of
administrators.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from jwt import PyJWK

from tenants.fetch import FetchError
from tenants.jws import Keys, read_keys

_LOOK_SECONDS: Final = 1.0

log = structlog.get_logger("koppelpunt.idp")


class KeySource(Protocol):
    """An IDP, as far as its keys go. `tenant_id` is None for one of the operator's administrators."""

    @property
    def tenant_id(self) -> int | None:
        """Whose it is."""

    @property
    def idp_id(self) -> int:
        """Its number."""

    @property
    def jwks_url(self) -> str:
        """Where its keys are published."""

    @property
    def algorithms(self) -> Collection[str]:
        """What its keys may sign with."""


class KeysUnavailable(Exception):
    """The keys of an IDP were not read, or too long ago."""


class KeyUnknown(Exception):
    """A token names a key that is not known; a refresh may bring it."""

    def __init__(self, idp: KeySource) -> None:
        super().__init__("unknown key")
        self.idp = idp


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """Seconds: between two refreshes, least between two fetches of one IDP, and how old keys may become.

    A caller waits `patience` seconds for a fetch at most, and `most_waiting` callers do so per IDP.
    """

    refresh: float = 300.0
    interval: float = 30.0
    most_age: float = 86_400.0
    patience: float = 2.0
    most_waiting: int = 64


@dataclass(slots=True)
class _Known:
    """What is known of one IDP. Times are monotonic; `good_at` is when the IDP last gave a key set."""

    idp: KeySource
    keys: Keys = field(default_factory=dict)
    good_at: float | None = None
    tried_at: float | None = None
    next_at: float = 0.0
    running: asyncio.Task[bool] | None = None
    waiting: int = 0


class KeySets:
    """All key sets. `fetch` returns the document at a URL or raises FetchError; `clock` is monotonic seconds.

    `unavailable` makes the error that is raised when an IDP's keys are not known, or too old.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[bytes]],
        times: KeyTimes | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        notice: Callable[[str], None] = lambda _: None,
        unavailable: Callable[[], Exception] = KeysUnavailable,
    ) -> None:
        self._fetch = fetch
        self._times = times or KeyTimes()
        self._clock = clock
        self._notice = notice
        self._unavailable = unavailable
        self._known: dict[tuple[int | None, int], _Known] = {}

    def find(self, idp: KeySource, kid: str, algorithm: str) -> PyJWK:
        """The key of that name for that algorithm. Raises KeyUnknown, and KeysUnavailable when all keys are too old."""
        known = self._of(idp)
        if known.good_at is not None and self._clock() - known.good_at > self._times.most_age:
            raise self._unavailable()
        key = known.keys.get((kid, algorithm))
        if key is None:
            raise KeyUnknown(idp)
        return key

    async def refresh(self, idp: KeySource) -> bool:
        """Fetch once more, or wait for the fetch that runs. False when it is too early or nothing came of it.

        Raises KeysUnavailable when the IDP was not reached and never had been: the caller's token may well be good.
        """
        known = self._of(idp)
        if known.running is None and not self._may_try(known):
            return False
        if known.waiting >= self._times.most_waiting:
            return False
        task = known.running or self._begin(known)
        known.waiting += 1
        try:
            # A caller that goes away does not take the keys of all others with it: waiting cancels nothing.
            await asyncio.wait({task}, timeout=self._times.patience)
        finally:
            known.waiting -= 1
        refreshed = task.done() and not task.cancelled() and task.result()
        if not refreshed and known.good_at is None:
            raise self._unavailable()
        return refreshed

    async def keep_fresh(self, idps: Callable[[], Iterable[KeySource]]) -> None:
        """Refresh each IDP in its time, for ever; forget those that are gone."""
        while True:
            listed = {(idp.tenant_id, idp.idp_id): idp for idp in idps()}
            for name in [name for name in self._known if name not in listed]:
                self._forget(name)
            now = self._clock()
            for idp in listed.values():
                known = self._of(idp)
                if known.running is None and now >= known.next_at and self._may_try(known):
                    self._begin(known)
            await asyncio.sleep(_LOOK_SECONDS)

    def age(self) -> float:
        """Seconds since the keys of the IDP that is worst off were good; 0.0 without any."""
        now = self._clock()
        return max((now - one.good_at for one in self._known.values() if one.good_at is not None), default=0.0)

    async def close(self) -> None:
        """Give up on fetches that run."""
        running = [one.running for one in self._known.values() if one.running is not None]
        for name in list(self._known):
            self._forget(name)
        await asyncio.gather(*running, return_exceptions=True)

    def _of(self, idp: KeySource) -> _Known:
        name = (idp.tenant_id, idp.idp_id)
        known = self._known.get(name)
        if known is None or (known.idp is not idp and not _same_source(known.idp, idp)):
            # Other URL, other algorithms: what the old ones gave says nothing about these.
            self._forget(name)
            known = self._known[name] = _Known(idp)
        return known

    def _may_try(self, known: _Known) -> bool:
        return known.tried_at is None or self._clock() - known.tried_at >= self._times.interval

    def _begin(self, known: _Known) -> asyncio.Task[bool]:
        # Noted before the first byte: failures are limited as successes are.
        known.tried_at = self._clock()
        task = known.running = asyncio.get_running_loop().create_task(self._load(known))
        return task

    async def _load(self, known: _Known) -> bool:
        idp = known.idp
        try:
            keys = read_keys(await self._fetch(idp.jwks_url), idp.algorithms)
            code = "sleutelset" if keys is None else ""
        except FetchError as error:
            keys, code = None, error.code
        finally:
            known.running = None
        now = self._clock()
        if keys is None:
            known.next_at = now + self._times.interval
            self._notice("idpOnbereikbaar")
            log.warning("idp_niet_gelezen", tenant=idp.tenant_id, idp=idp.idp_id, reden=code)
            return False
        # A key that stays the same stays the same object: what it verified need not be verified again.
        known.keys = {name: _kept(known.keys.get(name), key) for name, key in keys.items()}
        known.good_at = now
        known.next_at = now + self._times.refresh * random.uniform(0.8, 1.0)
        return True

    def _forget(self, name: tuple[int | None, int]) -> None:
        known = self._known.pop(name, None)
        if known is not None and known.running is not None:
            known.running.cancel()


def _same_source(one: KeySource, other: KeySource) -> bool:
    return (one.jwks_url, one.algorithms) == (other.jwks_url, other.algorithms)


def _kept(old: PyJWK | None, new: PyJWK) -> PyJWK:
    return old if old is not None and old.key == new.key else new
