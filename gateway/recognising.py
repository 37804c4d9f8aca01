"""Everything that recognises callers, put together: proxies and certificates, keys of IDPs, assertions, the token endpoint.

Owns the waiting: a token with a key that is not known yet may wait for the keys of its IDP, shortly and once; every other
call is recognised without waiting for anything. Who was not recognised is told to the security log (`gateway.unknown_callers`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from gateway.arrivals import Arrivals
from gateway.call import Bevraging, Caller
from gateway.caller import Authenticator
from gateway.config import GatewayConfig
from gateway.errors import IdpUnavailable, NotAuthenticated, TooMany
from gateway.fetch import Fetcher, FetchRules
from gateway.idp.tokens import IdpTokens
from gateway.idp.used import UsedAssertions
from gateway.issued import TokenMint
from gateway.issuing import Limit, Route, Watch, audiences_of, issuing_routes
from gateway.metrics import Metrics
from gateway.presented import ClientCertificates, read_anchors
from gateway.rehashing import Rehashing
from gateway.revocations import Revocations
from gateway.snapshot import Snapshot
from gateway.unknown_callers import UnknownCallers
from tenants.keyring import Keyring
from tenants.keysets import KeySets, KeyTimes, KeyUnknown


@dataclass(slots=True)
class Recognition:
    """What the gate and the edge need of it. `start` keeps the keys of IDPs fresh until `close`."""

    authenticator: Authenticator
    keysets: KeySets
    arrivals: Arrivals
    routes: dict[str, Route]
    snapshot: Snapshot
    fetcher: Fetcher
    used: UsedAssertions
    rehashing: Rehashing
    unknown: UnknownCallers = field(default_factory=UnknownCallers, repr=False)
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    async def authenticate(self, bevraging: Bevraging) -> Caller:
        """Return the caller of one call. Raises NotAuthenticated, TooMany, IdpUnavailable."""
        try:
            return await self._recognise(bevraging)
        except (NotAuthenticated, TooMany) as refused:
            self.unknown.note("authenticatie", target=bevraging.api.name, code=refused.code, source=bevraging.source)
            raise

    async def _recognise(self, bevraging: Bevraging) -> Caller:
        try:
            return self.authenticator.authenticate(bevraging)
        except KeyUnknown as unknown:
            idp = unknown.idp
        if await self.keysets.refresh(idp):
            with suppress(KeyUnknown):
                return self.authenticator.authenticate(bevraging)
        raise self.authenticator.refuse(bevraging.source)

    def start(self) -> None:
        """Begin to fetch the keys of every IDP that the registry names."""
        self._keeper = asyncio.create_task(self.keysets.keep_fresh(self.snapshot.callers.idps.values))
        self.rehashing.start()

    async def close(self) -> None:
        """End what runs."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self.keysets.close()
        await self.fetcher.close()
        await self.used.close()
        await self.rehashing.close()


def make_recognition(
    config: GatewayConfig,
    snapshot: Snapshot,
    identity: Keyring,
    mint: TokenMint,
    metrics: Metrics,
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    revocations: Revocations | None = None,
    *,
    limit: Limit,
) -> Recognition:
    """Put it together; `limit` takes one call of a taaksysteem for each token. Raises AnchorsError for trust anchors that cannot be used."""

    def notice(event: str) -> None:
        metrics.security(event).inc()

    fetcher = Fetcher(
        FetchRules(config.fetch_hosts, config.fetch_internal_networks, config.fetch_ca_file, config.fetch_timeout)
    )
    times = KeyTimes(config.idp_keys_refresh, config.idp_keys_interval, config.idp_keys_max_age)
    keysets = KeySets(fetcher.get, times, notice=notice, unavailable=idp_unavailable)
    rehashing = Rehashing(identity, connect)
    authenticator = Authenticator(
        snapshot,
        identity,
        mint,
        idp_tokens=IdpTokens(snapshot.callers, keysets, notice),
        audiences=audiences_of(mint.issuer),
        on_secret=rehashing.note,
    )
    anchors = None if config.client_ca_file is None else read_anchors(config.client_ca_file)
    arrivals = Arrivals(
        config.trusted_proxies,
        config.forwarded_header,
        None if anchors is None else ClientCertificates(anchors, time.time, revocations),
    )
    used = UsedAssertions(connect)
    metrics.show("koppelpunt_idp_keys_age_seconds", "Since the keys of the IDP worst off were read", keysets.age)
    watch = Watch(metrics, limit, unknown := UnknownCallers(count=notice))
    routes = issuing_routes(authenticator, mint, snapshot, watch, use=used.use, binds=anchors is not None)
    return Recognition(authenticator, keysets, arrivals, routes, snapshot, fetcher, used, rehashing, unknown)


def idp_unavailable() -> IdpUnavailable:
    """What a caller is told when the keys of its IDP are not known, or too old: its token may well be good."""
    return IdpUnavailable(
        "idpOnbereikbaar", "De sleutels van de identiteitsvoorziening zijn niet of te lang niet gelezen."
    )
