"""RvIG's tokens: asked for once, shared by all who wait, renewed before they end, and given up when RvIG refuses them.

Owns the cache. A token is kept under a digest of the whole request that it answers and of the certificate that asked,
so that a rotated secret, another scope or another certificate can never meet an older token. Refuses (TokenRefused)
what RvIG refuses and a token that contradicts its aansluiting; TokenUnavailable is for everything that may pass. Both
are remembered with growing pauses: a tenant whose credentials fail cannot hammer RvIG. Texts of errors never hold
anything of RvIG's answer.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.call import Answered
from gateway.catalogue import Api, Environment
from gateway.claims import FOREIGN_GEMEENTECODE, check_claims, read_claims
from gateway.errors import KoppelpuntError, RegisterUnavailable, TokenRefused, TokenUnavailable
from gateway.sharing import SharedFailure, Sharing, Wanted
from gateway.token_failing import Failing
from gateway.token_request import (
    Secrets,
    Token,
    TokenAsk,
    Wire,
    make_ask,
    read_grant,
)
from gateway.token_rules import TokenTimes, refusal_of
from tenants.model import Aansluiting


@dataclass(slots=True)
class _Entry:
    """What is known under one key. Times on the monotonic clock; `failure` is raised again until `retry_at`."""

    token: Token | None = None
    refresh_at: float = 0.0
    flight: asyncio.Task[Token | KoppelpuntError] | None = None
    failure: KoppelpuntError | None = None
    failures: int = 0
    rejections: int = 0
    retry_at: float = 0.0
    wanted: Wanted = field(default_factory=Wanted)


def _unheard(_event: str, _aansluiting: Aansluiting) -> None:
    """For those who listen to nothing."""


def _unjudged(_aansluiting: Aansluiting, _environment: Environment, _answered: Answered) -> None:
    """For those who judge nothing."""


class Tokens:
    """All tokens of this process. `clock` is monotonic, `jitter` gives a number from 0 up to 1.

    `notice` hears `tokenIssued`, `tokenFailed`, `tokenContradicts`, and the alarm `gemeentecodeBijNietGemeente`. `heard` gets
    every refusal of RvIG's token endpoint as it came, once. With `sharing` another process may ask in place of this one.
    """

    def __init__(
        self,
        wire: Wire,
        secrets: Secrets,
        *,
        times: TokenTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        notice: Callable[[str, Aansluiting], None] = _unheard,
        heard: Callable[[Aansluiting, Environment, Answered], object] = _unjudged,
        sharing: Sharing | None = None,
    ) -> None:
        self._wire = wire
        self._secrets = secrets
        self._times = times or TokenTimes()
        self._clock = clock
        self._jitter = jitter
        self._notice = notice
        self._heard = heard
        self._sharing = sharing
        self._entries: dict[bytes, _Entry] = {}
        self._asks: dict[tuple[int, int, str, str], TokenAsk] = {}
        self._failing = Failing(self._times.entries)

    async def get(self, aansluiting: Aansluiting, environment: Environment, api: Api) -> Token:
        """A token that may be used now. Raises TokenRefused, TokenUnavailable, IdentityUnavailable.

        However many wait, one request is under way for a key; who stops waiting does not end it.
        """
        ask = self._ask(aansluiting, environment, api)
        entry = self._entries.get(ask.key)
        if entry is None:
            entry = self._make_entry(ask.key)
        now = self._clock()
        if entry.token is not None and now < entry.token.expires_at:
            if now >= entry.refresh_at and entry.flight is None and now >= entry.retry_at:
                self._start(entry, ask)
            return entry.token
        if entry.flight is None:
            if entry.failure is not None and now < entry.retry_at:
                raise _again(entry.failure, entry.retry_at - now)
            self._start(entry, ask)
        assert entry.flight is not None  # noqa: S101 - just started
        outcome = await asyncio.shield(entry.flight)
        if isinstance(outcome, Token):
            return outcome
        raise _again(outcome, entry.retry_at - self._clock())

    def invalidate(self, token: Token) -> bool:
        """Give up a token that RvIG refused; False when another took its place already, which then deserves a try."""
        entry = self._entries.get(token.key)
        if entry is None or entry.token is not token:
            return False
        entry.token = None
        entry.wanted = replace(entry.wanted, refused=True)
        now = self._clock()
        entry.rejections = entry.rejections + 1 if now - token.issued_at < self._times.fresh else 1
        if entry.rejections > 2:
            # Fresh tokens that do not work, three in a row: asking for more of them at the pace of the calls is no cure.
            detail = "RvIG weigert tokens die zij zojuist heeft uitgegeven."
            entry.failure = TokenRefused("tokenNietAanvaard", detail)
            entry.retry_at = now + self._pause_after(entry.failure, entry.rejections - 2)
        return True

    def accept(self, token: Token) -> None:
        """RvIG took this token: what it refused before was no row of refusals."""
        entry = self._entries.get(token.key)
        if entry is not None and entry.rejections:
            entry.rejections = 0

    def forgive(self, aansluiting: Aansluiting, environment: Environment, api: Api) -> None:
        """Forget that a token was refused: somebody else decided that RvIG may be asked once more."""
        entry = self._entries.get(self._ask(aansluiting, environment, api).key)
        if entry is not None:
            entry.failure, entry.retry_at = None, 0.0
            entry.wanted = replace(entry.wanted, pardoned=True)

    def failing_by_tenant(self) -> Mapping[int, int]:
        """How many aansluitingen of each tenant got no token when it was last asked for, twice in a row at least."""
        return self._failing.by_tenant(self._clock())

    async def close(self) -> None:
        """End what is under way; who waits for it is cancelled."""
        flights = [entry.flight for entry in self._entries.values() if entry.flight is not None]
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    def __len__(self) -> int:
        return len(self._entries)

    def _ask(self, aansluiting: Aansluiting, environment: Environment, api: Api) -> TokenAsk:
        """The request for a token, worked out once per version of the aansluiting: values of the snapshot are frozen."""
        name = (aansluiting.tenant_id, aansluiting.aansluiting_id, environment.name, api.name)
        ask = self._asks.get(name)
        if (
            ask is None
            or ask.aansluiting is not aansluiting
            or ask.environment is not environment
            or ask.api is not api
        ):
            if len(self._asks) >= self._times.entries:
                self._asks.clear()
            ask = self._asks[name] = make_ask(aansluiting, environment, api)
        return ask

    def _make_entry(self, key: bytes) -> _Entry:
        if len(self._entries) >= self._times.entries:
            self._purge()
        entry = self._entries[key] = _Entry()
        return entry

    def _purge(self) -> None:
        """Forget what has nothing to say any more; when that is too little, the oldest entries."""
        now = self._clock()
        idle = [key for key, entry in self._entries.items() if entry.flight is None]
        ended = [key for key in idle if _has_ended(self._entries[key], now)]
        for key in ended or idle[: self._times.entries // 10 + 1]:
            del self._entries[key]

    def _start(self, entry: _Entry, ask: TokenAsk) -> None:
        # The entry holds the task, so it is not collected while it runs; a task of its own survives its waiters.
        entry.flight = asyncio.get_running_loop().create_task(self._fly(entry, ask))

    async def _fly(self, entry: _Entry, ask: TokenAsk) -> Token | KoppelpuntError:
        """Ask once. Errors are results here: one exception raised in a thousand waiters would be one tangled trace."""
        outcome: Token | SharedFailure | KoppelpuntError
        try:
            outcome = await self._obtain(entry, ask)
        except KoppelpuntError as error:
            outcome = error
        finally:
            entry.flight = None
        entry.wanted = replace(entry.wanted, pardoned=False)
        name = (ask.aansluiting.tenant_id, ask.aansluiting.aansluiting_id, ask.environment.name, ask.scope)
        if isinstance(outcome, SharedFailure):
            entry.failure, entry.failures = outcome.error, outcome.failures
            entry.retry_at = self._clock() + outcome.wait
            self._failing.note(name, outcome.failures, self._clock())
            return outcome.error
        if isinstance(outcome, Token):
            life = outcome.expires_at - outcome.issued_at
            entry.token, entry.failure, entry.failures, entry.retry_at = outcome, None, 0, 0.0
            entry.refresh_at = outcome.issued_at + life * (self._times.refresh + self._jitter() * 0.2)
            entry.wanted = Wanted(after=outcome.generation)
            self._failing.forget(name)
        elif isinstance(outcome, RegisterUnavailable):
            # Nothing was asked, and RvIG has nothing to do with it: no pause grows.
            entry.failure, entry.retry_at = outcome, self._clock() + self._times.unavailable[0]
        else:
            entry.failure = outcome
            entry.failures += 1
            entry.retry_at = self._clock() + self._pause_after(outcome, entry.failures)
            self._failing.note(name, entry.failures, self._clock())
            self._notice("tokenFailed", ask.aansluiting)
        return outcome

    async def _obtain(self, entry: _Entry, ask: TokenAsk) -> Token | SharedFailure:
        if self._sharing is None:
            return await self._fetch(ask)
        return await self._sharing.obtain(
            ask,
            entry.wanted,
            fetch=partial(self._fetch, ask),
            check=partial(self._check, ask),
            pause=self._pause_after,
        )

    async def _fetch(self, ask: TokenAsk) -> Token:
        """One request to RvIG's token endpoint. Raises TokenRefused, TokenUnavailable, IdentityUnavailable."""
        begun = self._clock()
        post = ask.make_post(self._secrets.open(ask.aansluiting.credential))
        result = await self._wire.ask(ask.aansluiting.certificate, ask.environment.name, post)
        if not isinstance(result, Answered):
            raise TokenUnavailable(result.reason, "Het tokenendpoint van RvIG gaf geen bruikbaar antwoord.")
        if result.status != 200:
            self._heard(ask.aansluiting, ask.environment, result)
            raise refusal_of(ask.environment, result)
        value, seconds = read_grant(result)
        said = self._check(ask, value)
        if said is not None and 0 < said < seconds:
            seconds = said
        self._notice("tokenIssued", ask.aansluiting)
        return Token(value, ask.key, issued_at=begun, expires_at=begun + self._times.used_for(seconds))

    def _check(self, ask: TokenAsk, value: str) -> float | None:
        """The life that a readable token says it has. Raises TokenRefused when it contradicts its aansluiting."""
        claims = read_claims(value)
        if claims is None:
            return None
        wrong = check_claims(claims, ask.aansluiting, endpoint=ask.api.endpoint, scope=ask.scope)
        if wrong:
            self._notice(FOREIGN_GEMEENTECODE if FOREIGN_GEMEENTECODE in wrong else "tokenContradicts", ask.aansluiting)
            detail = f"Het token van RvIG is in tegenspraak met de aansluiting: {', '.join(wrong)}."
            raise TokenRefused("tokenTegenstrijdig", detail)
        return claims.seconds

    def _pause_after(self, error: KoppelpuntError, failures: int) -> float:
        return self._times.pause_after(error, failures, self._jitter())


def _has_ended(entry: _Entry, now: float) -> bool:
    return (entry.token is None or entry.token.expires_at <= now) and entry.retry_at <= now


def _again(error: KoppelpuntError, pause: float) -> KoppelpuntError:
    """A new exception of the same meaning, for one more who has to hear it; says when to come back if that may help."""
    retry_after = max(1, math.ceil(pause)) if isinstance(error, TokenUnavailable) else None
    return type(error)(error.code, error.detail, retry_after=retry_after)
