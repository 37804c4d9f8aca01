"""One request for a token however many processes want it: who has the turn asks RvIG, the others read what it got.

Turns and tokens stand in PostgreSQL, the token sealed (`gateway.token_box`). A turn is short and renewed while its
holder lives, so that one that dies holds nobody up for long. What RvIG refused is shared too: a tenant whose credentials
fail is as quiet with twenty workers as with one. What is read from there is checked as if RvIG had just given it.

Fails closed: without PostgreSQL nobody knows whose turn it is, and nobody asks (RegisterUnavailable, tokenNietGedeeld).
No call could be recorded then anyway. One that has a token goes on with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

from gateway.errors import KoppelpuntError, RegisterUnavailable, TokenError, TokenRefused, TokenUnavailable
from gateway.token_box import TokenBox
from gateway.token_request import Token, TokenAsk

TURN_SECONDS: Final = 4.0
_RENEW_SECONDS: Final = 1.5
_FIRST_PAUSE: Final = 0.03
_LONGEST_PAUSE: Final = 0.5
_KINDS: Final[dict[str, type[TokenError]]] = {"refused": TokenRefused, "unavailable": TokenUnavailable}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token newer than the generation `after`. `refused`: RvIG refused that one. `pardoned`: ask whatever failed."""

    after: int = 0
    refused: bool = False
    pardoned: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the store says: `token`, `failed`, `wait` or `turn`. Times in seconds, from now."""

    word: str
    generation: int = 0
    sealed: bytes = b""
    age: float = 0.0
    seconds: float = 0.0
    kind: str = ""
    code: str = ""
    detail: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class SharedFailure:
    """What RvIG said to whoever asked: nobody asks again for `wait` seconds. `failures` are those in a row, of all."""

    error: KoppelpuntError
    wait: float
    failures: int


class Store(Protocol):
    """Where turns and tokens stand. Raises what PostgreSQL raises."""

    async def take(self, tenant_id: int, key: bytes, wanted: Wanted, turn: UUID, seconds: float) -> Verdict: ...

    async def put(
        self, tenant_id: int, key: bytes, turn: UUID, sealed: bytes, *, age: float, seconds: float
    ) -> int | None: ...

    async def fail(
        self, tenant_id: int, key: bytes, turn: UUID, error: tuple[str, str, str] | None, seconds: float
    ) -> Any: ...


@dataclass(slots=True)
class Figures:
    """How often a token was asked of RvIG, read from another, and waited for."""

    asked: int = 0
    read: int = 0
    waited: int = 0


class Sharing:
    """Belongs to one event loop. `clock` is that of the token cache; `trouble` is what a store raises."""

    def __init__(
        self,
        store: Store,
        box: TokenBox,
        *,
        clock: Callable[[], float] = time.monotonic,
        trouble: tuple[type[Exception], ...] = (OSError, TimeoutError),
    ) -> None:
        self._store = store
        self._box = box
        self._clock = clock
        self._trouble = trouble
        self.figures = Figures()

    async def obtain(
        self,
        ask: TokenAsk,
        wanted: Wanted,
        *,
        fetch: Callable[[], Awaitable[Token]],
        check: Callable[[str], object],
        pause: Callable[[KoppelpuntError, int], float],
    ) -> Token | SharedFailure:
        """A token that another got, or `fetch` when it is our turn. Raises what these raise, and RegisterUnavailable.

        `check` raises for a token that contradicts its aansluiting; `pause` says how long nobody asks after a failure.
        """
        tenant_id, turn = ask.aansluiting.tenant_id, uuid4()
        wait, is_first = _FIRST_PAUSE, True
        while True:
            try:
                verdict = await self._store.take(tenant_id, ask.key, wanted, turn, TURN_SECONDS)
            except self._trouble:
                raise _unshared() from None
            if verdict.word == "turn":
                return await self._ask(ask, turn, verdict.failures, fetch, pause)
            if verdict.word == "failed":
                error = _KINDS[verdict.kind](verdict.code, verdict.detail)
                return SharedFailure(error, verdict.seconds, verdict.failures)
            if verdict.word == "token":
                value = self._box.open(tenant_id, ask.key, verdict.sealed)
                if value is not None:
                    check(value)
                    self.figures.read += 1
                    now = self._clock()
                    return Token(value, ask.key, now - verdict.age, now + verdict.seconds, verdict.generation)
                # Sealed with a version that this process does not have, or no token at all: nothing that serves here.
                wanted = replace(wanted, after=verdict.generation)
                continue
            self.figures.waited += is_first
            is_first = False
            await asyncio.sleep(min(wait, verdict.seconds + 0.01))
            wait = min(wait * 1.5, _LONGEST_PAUSE)

    async def _ask(
        self,
        ask: TokenAsk,
        turn: UUID,
        failures: int,
        fetch: Callable[[], Awaitable[Token]],
        pause: Callable[[KoppelpuntError, int], float],
    ) -> Token | SharedFailure:
        tenant_id, key = ask.aansluiting.tenant_id, ask.key
        renewing = asyncio.create_task(self._renew(tenant_id, key, turn))
        self.figures.asked += 1
        try:
            token = await fetch()
        except TokenError as error:
            seconds = pause(error, failures + 1)
            kind = "refused" if isinstance(error, TokenRefused) else "unavailable"
            with suppress(*self._trouble):
                await self._store.fail(tenant_id, key, turn, (kind, error.code, error.detail), seconds)
            raise
        except BaseException:
            # Nobody knows what became of it, or nothing was asked: the next one need not wait for us.
            with suppress(*self._trouble):
                await self._store.fail(tenant_id, key, turn, None, 0.0)
            raise
        finally:
            renewing.cancel()
        now = self._clock()
        sealed = self._box.seal(tenant_id, key, token.value)
        generation = None
        # When it cannot be written it serves here all the same; the others take a turn of their own.
        with suppress(*self._trouble):
            generation = await self._store.put(
                tenant_id, key, turn, sealed, age=now - token.issued_at, seconds=token.expires_at - now
            )
        return replace(token, generation=generation or 0)

    async def _renew(self, tenant_id: int, key: bytes, turn: UUID) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(*self._trouble):
                await self._store.take(tenant_id, key, Wanted(after=2**62, pardoned=True), turn, TURN_SECONDS)


def _unshared() -> RegisterUnavailable:
    detail = "Er kan nu niet worden vastgesteld wie een token vraagt."
    return RegisterUnavailable("tokenNietGedeeld", detail, retry_after=1)
