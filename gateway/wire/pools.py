"""One session with one connector per certificate fingerprint and environment, and the sending over them.

A connection can only be found again through the identity that made it: nothing is shared between two identities, not
even the search for a free connection. Refuses redirects, cookies, proxies and settings of the surroundings. Never sends
twice, and knows of each request whether not one byte of it has left: trouble is a value, `Unanswered`.

A request may carry a deadline, the end of its permission, on the clock of `time.monotonic`.
"""

import asyncio
import io
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.helpers import TimerNoop
from yarl import URL

from gateway.call import Answered, Result, Unanswered
from gateway.mtls import Identities, Identity
from gateway.wire.answer import decode, read_body, read_headers
from gateway.wire.passage import (
    IN_ONE_WRITE,
    Passage,
    PermissionExpired,
    PermittedRequest,
    ask_once,
    check_aiohttp,
    word_for,
)
from gateway.wire.routes import DIRECT, Way
from tenants.model import Certificate

_ONE_PIECE = 1 << 20
_NO_TIMER = TimerNoop()


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Times in seconds, sizes in bytes. `idle_connection` stays below what servers usually allow (60 and more)."""

    answer: int = 8 * 1024 * 1024
    idle_connection: float = 30.0
    idle_pool: float = 300.0


@dataclass(frozen=True, slots=True)
class Post:
    """One request as it leaves. `deadline` is on the monotonic clock; `seconds` bounds the exchange as a whole."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    connect_seconds: float
    seconds: float
    deadline: float | None = None


@dataclass(slots=True, eq=False)
class _Pool:
    """The connections of one identity in one environment. `idle_since` is on the monotonic clock."""

    session: aiohttp.ClientSession
    context: ssl.SSLContext
    way: Way
    loop: asyncio.AbstractEventLoop
    running: int = 0
    idle_since: float = 0.0


class Wires:
    """All pools. Made and used inside one running loop; `close` ends it.

    `ways` says per environment how its servers are reached; one that is not in it is reached as the surroundings say.
    """

    def __init__(
        self, identities: Identities, limits: WireLimits | None = None, *, ways: Mapping[str, Way] | None = None
    ) -> None:
        check_aiohttp()
        self._identities = identities
        self._limits = limits or WireLimits()
        self._ways = dict(ways or {})
        self._pools: dict[tuple[bytes, str], _Pool] = {}
        self._kept: frozenset[bytes] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def ask(self, certificate: Certificate, environment: str, post: Post) -> Result:
        """Send one request with this identity and read the whole answer.

        Raises IdentityUnavailable before anything happens, and CancelledError; every other trouble is a value.
        """
        identity = self._identities.get(certificate, environment)
        begun = time.monotonic()
        passage = Passage(post.deadline)
        key = (certificate.fingerprint, environment)
        pool = self._pools.get(key)
        if pool is None or pool.context is not identity.context:
            pool = self._make(key, identity, pool)
        pool.running += 1
        try:
            async with asyncio.timeout(post.seconds):
                return await self._exchange(pool, post, passage, begun)
        except (aiohttp.ClientError, OSError, PermissionExpired, ValueError) as error:
            return Unanswered(word_for(error, passage), passage.sent, time.monotonic() - begun)
        except asyncio.CancelledError:
            # aiohttp also cancels waiters when a session closes. Only a cancelling of this call is let through.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return Unanswered("verbindingVerbroken", passage.sent, time.monotonic() - begun)
        finally:
            pool.running -= 1
            if not pool.running:
                pool.idle_since = time.monotonic()
                if self._pools.get(key) is not pool or not self._keeps(key):
                    self._drop(key, pool)

    def keep(self, fingerprints: Collection[bytes]) -> None:
        """Drain every pool whose certificate is not among these: it is closed when its last running call ends."""
        self._kept = frozenset(fingerprints)
        self._identities.keep(self._kept)
        for key, pool in list(self._pools.items()):
            if not pool.running and not self._keeps(key):
                self._drop(key, pool)

    async def close(self) -> None:
        """Close every connection. Calls that still run end as unanswered."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for key, pool in list(self._pools.items()):
            self._drop(key, pool)
        if self._closing:
            await asyncio.wait(self._closing)

    def __len__(self) -> int:
        return len(self._pools)

    async def _exchange(self, pool: _Pool, post: Post, passage: Passage, begun: float) -> Result:
        patience = post.connect_seconds
        if post.deadline is not None:
            # Waiting for a connection beyond the permission would only delay the row that says so.
            patience = max(min(patience, post.deadline - time.monotonic()), 0.001)
        response = await ask_once(pool.session, _make_request(pool, post), passage, patience)
        try:
            raw = await read_body(response, self._limits.answer)
        finally:
            # After a whole answer the connection went back to the pool already.
            if not response.closed:
                response.close()
        headers = read_headers(response)
        body = None if raw is None else decode(raw, response.headers.get("Content-Encoding"), self._limits.answer)
        if body is None:
            return Unanswered("antwoordTeGroot", passage.sent, time.monotonic() - begun)
        return Answered(response.status, headers, body, time.monotonic() - begun)

    def _make(self, key: tuple[bytes, str], identity: Identity, old: _Pool | None) -> _Pool:
        if old is not None and not old.running:
            self._drop(key, old)
        # The places of each aansluiting bound the connections; a limit here would make its neighbours wait.
        way = self._ways.get(key[1], DIRECT)
        connector = aiohttp.TCPConnector(
            ssl=identity.context, limit=0, keepalive_timeout=self._limits.idle_connection, **way.connector_settings()
        )
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        pool = _Pool(session, identity.context, way, asyncio.get_running_loop(), idle_since=time.monotonic())
        self._pools[key] = pool
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._limits.idle_pool / 2, self._close_idle)
        return pool

    def _keeps(self, key: tuple[bytes, str]) -> bool:
        return self._kept is None or key[0] in self._kept

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = time.monotonic() - self._limits.idle_pool
        for key, pool in list(self._pools.items()):
            if not pool.running and pool.idle_since <= oldest:
                self._drop(key, pool)
                self._identities.forget(*key)
        self._sweep = loop.call_later(self._limits.idle_pool / 2, self._close_idle) if self._pools else None

    def _drop(self, key: tuple[bytes, str], pool: _Pool) -> None:
        if self._pools.get(key) is pool:
            del self._pools[key]
        task = asyncio.get_running_loop().create_task(pool.session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _make_request(pool: _Pool, post: Post) -> PermittedRequest:
    """Compose the request, on this pool's identity and no other."""
    headers, data, small = post.headers, None, None
    if post.body is not None and len(post.body) <= IN_ONE_WRITE:
        headers, small = {**headers, "content-length": str(len(post.body))}, post.body
    elif post.body is not None:
        # aiohttp warns of large bodies in one piece; as a file it writes them in several.
        data = post.body if len(post.body) <= _ONE_PIECE else io.BytesIO(post.body)
    way = pool.way
    request = PermittedRequest(
        post.method, post.url, headers=headers, data=data, loop=pool.loop, session=pool.session, ssl=pool.context,
        timer=_NO_TIMER, proxy=way.proxy, proxy_headers=way.proxy_headers if way.proxy is not None else None,
    )  # fmt: skip
    request.small = small
    return request
