"""Who calls: an API key or a token that the gateway issued, to the one taaksysteem that it belongs to.

Owns the comparison of credentials and the limit on wrong ones. A credential counts only while its key, and the
taaksysteem behind it, stand in the registry as it is known now; what a token says about that is never enough. Two
credentials at once must belong to the same taaksysteem. Raises NotAuthenticated, without saying which part was wrong,
and TooMany. Wrong credentials are limited per (source, credential), because one SaaS address serves sixty
municipalities: the one whose secret has expired may not lock out the other fifty-nine.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final, Protocol

from gateway.call import Bevraging, Caller
from gateway.errors import NotAuthenticated, TooMany
from gateway.issued import IssuedToken, scope_of
from gateway.rates import Rates
from tenants.keyring import Keyring, KeyringError, hash_secret
from tenants.model import Aansluiting, Taaksysteem, TaaksysteemKey

_DETAIL: Final = "De aanroep bevat geen geldige legitimatie."
_NO_HASH: Final = bytes(32)


class Lookup(Protocol):
    """What the registry says about callers, as known in memory."""

    @property
    def keys_by_hash(self) -> Mapping[bytes, TaaksysteemKey]:
        """API keys by their keyed hash."""

    @property
    def clients(self) -> Mapping[str, tuple[TaaksysteemKey, ...]]:
        """Keys with a client-secret, by client-ID."""

    @property
    def taaksystemen(self) -> Mapping[tuple[int, int], Taaksysteem]:
        """Taaksystemen by (tenant_id, taaksysteem_id)."""

    @property
    def aansluitingen(self) -> Mapping[tuple[int, int], Aansluiting]:
        """Aansluitingen by (tenant_id, aansluiting_id)."""


class TokenReader(Protocol):
    """Reads tokens that the gateway issued."""

    def read(self, token: str, now: float) -> IssuedToken | None:
        """Return whom a token was made for, or None. `now` is Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many wrong credentials may come in: of one kind from one source, and from one source together."""

    by_credential: Rates = field(default_factory=lambda: Rates(burst=10, per_second=0.2, most=50_000))
    by_source: Rates = field(default_factory=lambda: Rates(burst=600, per_second=10, most=50_000))

    def check(self, source: str, credential: object, now: float) -> None:
        """Raise TooMany when this credential failed too often from this source."""
        wait = self.by_credential.wait_of((_network(source), credential), now)
        if wait > 0.0:
            raise _too_many(wait)

    def note(self, source: str, credential: object, now: float) -> None:
        """Note a failure. Raises TooMany when it was one too many."""
        network = _network(source)
        wait = self.by_source.take(network, now) or self.by_credential.take((network, credential), now)
        if wait > 0.0:
            raise _too_many(wait)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates over a lookup that may change between two calls. `clock` is Unix time in seconds."""

    lookup: Lookup
    keyring: Keyring
    tokens: TokenReader
    clock: Callable[[], float] = time.time
    failures: Failures = field(default_factory=Failures)

    def authenticate(self, bevraging: Bevraging) -> Caller:
        """Return the caller of one call. Raises NotAuthenticated or TooMany."""
        api_key = bevraging.headers.get("x-api-key")
        authorization = bevraging.headers.get("authorization")
        if authorization is None:
            if api_key is None:
                raise not_authenticated()
            return self._by_api_key(api_key, bevraging.source)
        bearer = self._by_token(authorization, bevraging.source)
        if api_key is not None:
            other = self._by_api_key(api_key, bevraging.source)
            if other.taaksysteem != bearer.taaksysteem:
                raise NotAuthenticated(
                    "legitimatiesTegenstrijdig", "De API-sleutel en het token horen niet bij hetzelfde taaksysteem."
                )
        return bearer

    def authenticate_client(self, client_id: str, secret: str, source: str) -> Caller:
        """Return the caller with this client-ID and secret; an unknown one costs the same. Raises as above."""
        now = time.monotonic()
        self.failures.check(source, client_id, now)
        found = None
        for key in self.lookup.clients.get(client_id, ()) or (None,):
            expected, version = (_NO_HASH, None) if key is None else (key.hash, key.hash_version)
            if self._is_secret(secret, expected, version) and key is not None:
                found = key
        caller = None if found is None or found.kind != "client-secret" else self._caller_of(found)
        if caller is None:
            raise self._refusal(source, client_id)
        return caller

    def _by_api_key(self, api_key: str, source: str) -> Caller:
        # The current version first, as nearly every key has it. The hash is keyed: looking it up tells nothing by time.
        hashed = b""
        versions = self.keyring.versions
        for version in (self.keyring.current, *(one for one in versions if one != self.keyring.current)):
            hashed, _ = hash_secret(self.keyring, api_key, version)
            key = self.lookup.keys_by_hash.get(hashed)
            if key is not None and key.kind == "api-key" and key.hash_version == version:
                caller = self._caller_of(key)
                if caller is not None:
                    return caller
        raise self._refusal(source, hashed)

    def _by_token(self, authorization: str, source: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        issued = self.tokens.read(token.strip(" "), self.clock()) if scheme.lower() == "bearer" else None
        if issued is not None:
            for key in self.lookup.clients.get(issued.client_id, ()):
                if key.key_id == issued.key_id and (key.tenant_id, key.taaksysteem_id) == issued.taaksysteem:
                    caller = self._caller_of(key, issued.aansluiting)
                    aansluiting = self.lookup.aansluitingen.get(issued.aansluiting)
                    if (
                        caller is not None
                        and aansluiting is not None
                        and caller.taaksysteem.environment == issued.environment == aansluiting.environment
                        and scope_of(aansluiting) == issued.scope
                    ):
                        return caller
        # Every token is another: only the source can be limited.
        raise self._refusal(source, None)

    def _caller_of(self, key: TaaksysteemKey, bound: tuple[int, int] | None = None) -> Caller | None:
        taaksysteem = self.lookup.taaksystemen.get((key.tenant_id, key.taaksysteem_id))
        if taaksysteem is None or taaksysteem.state != "active" or key.state != "active":
            return None
        now = datetime.fromtimestamp(self.clock(), UTC)
        return Caller(taaksysteem, key, bound) if key.valid_from <= now < key.valid_until else None

    def _is_secret(self, secret: str, expected: bytes, version: int | None) -> bool:
        try:
            hashed, _ = hash_secret(self.keyring, secret, version)
        except KeyringError:
            # A version that this keyring no longer has: the key must be given a new secret.
            return False
        return hmac.compare_digest(hashed, expected)

    def _refusal(self, source: str, credential: object) -> NotAuthenticated:
        """Note the failure and return the refusal. Raises TooMany when it was one too many."""
        now = time.monotonic()
        if credential is None:
            wait = self.failures.by_source.take(_network(source), now)
            if wait > 0.0:
                raise _too_many(wait)
        else:
            self.failures.note(source, credential, now)
        return not_authenticated()


def not_authenticated() -> NotAuthenticated:
    """The one refusal for credentials that are missing or wrong, in whatever way: RvIG's own 401."""
    return NotAuthenticated("authentication", _DETAIL)


def _too_many(wait: float) -> TooMany:
    return TooMany("teVeelPogingen", "Er waren te veel pogingen met een onjuiste legitimatie.", retry_after=ceil(wait))


def _network(source: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: one subscriber has all of it."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    return f"{int(address) >> 64:x}" if isinstance(address, IPv6Address) and address.ipv4_mapped is None else source
