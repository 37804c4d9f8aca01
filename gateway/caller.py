"""Who calls: API key, token of this gateway, token of the tenant's IDP, client certificate; to one taaksysteem.

Owns the comparison of credentials and the limit on wrong ones. A credential counts only while its key, and the
taaksysteem behind it, stand in the registry as it is known now; what a token says about that is never enough. All that
are shown must belong to the same taaksysteem, and all that it requires must be shown (`gateway.proofs`). Raises
NotAuthenticated, without saying which part was wrong, and TooMany; KeyUnknown and IdpUnavailable for an IDP's token.
Wrong credentials are limited per (source, credential), because one SaaS address serves sixty municipalities: the one
whose secret has expired may not lock out the other fifty-nine.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final, Protocol

from gateway.call import Bevraging, Caller, NamedAansluiting
from gateway.caller_index import CallerIndex
from gateway.errors import NotAuthenticated, TooMany
from gateway.idp.assertions import Use, check_assertion, read_assertion
from gateway.idp.tokens import IdpToken
from gateway.issued import IssuedToken, scope_of
from gateway.presented import PresentedCertificate
from gateway.proofs import Owner, Proof, agree, check_required
from gateway.rates import Rates
from tenants.keyring import Keyring, KeyringError, hash_secret
from tenants.model import Aansluiting, Taaksysteem, TaaksysteemKey

_DETAIL: Final = "De aanroep bevat geen geldige legitimatie."
_NO_HASH: Final = bytes(32)
_OF_THE_CALL: Final = frozenset({"api-key", "token", "idp"})


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
    def callers(self) -> CallerIndex:
        """Keys by what a call shows, and IDPs."""

    @property
    def aansluitingen(self) -> Mapping[tuple[int, int], Aansluiting]:
        """Aansluitingen by (tenant_id, aansluiting_id)."""


class TokenReader(Protocol):
    """Reads tokens that the gateway issued."""

    def read(self, token: str, now: float) -> IssuedToken | None:
        """Return whom a token was made for, or None. `now` is Unix time in seconds."""


class IdpTokenReader(Protocol):
    """Reads tokens of tenants' IDPs."""

    def read(self, token: str, now: float) -> IdpToken | None:
        """Return whom a token names, or None. Raises KeyUnknown and IdpUnavailable."""


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
    idp_tokens: IdpTokenReader | None = None
    audiences: frozenset[str] = frozenset()
    on_secret: Callable[[TaaksysteemKey, str], None] | None = None
    """Told of every secret that was right, and of no other."""

    def authenticate(self, bevraging: Bevraging) -> Caller:
        """Return the caller of one call. Raises NotAuthenticated or TooMany; KeyUnknown when a key may yet come."""
        api_key = bevraging.headers.get("x-api-key")
        authorization = bevraging.headers.get("authorization")
        certificate, source = bevraging.certificate, bevraging.source
        proofs = []
        # The order is that of which key the register names: the one that says most of the call first.
        if authorization is not None:
            proofs.append(self._by_token(authorization, source, certificate))
        if api_key is not None:
            proofs.append(self._by_api_key(api_key, source))
        if certificate is not None:
            proofs.append(self._by_certificate(certificate, source, alone=not proofs))
        if not proofs:
            raise not_authenticated()
        taaksysteem, key = agree(proofs, bevraging.environment.name)
        if taaksysteem.requires:
            check_required(taaksysteem, [proof.kind for proof in proofs])
        says = proofs[0]
        return Caller(taaksysteem, key, says.bound, says.named, says.user, roles=says.roles)

    def authenticate_client(
        self, client_id: str, secret: str, source: str, certificate: PresentedCertificate | None = None
    ) -> Caller:
        """Return the caller with this client-ID and secret; an unknown one costs the same. Raises as above."""
        now = time.monotonic()
        self.failures.check(source, client_id, now)
        found = None
        for key in self.lookup.clients.get(client_id, ()) or (None,):
            expected, version = (None, None) if key is None else (key.hash, key.hash_version)
            if self._is_secret(secret, expected or _NO_HASH, version) and key is not None:
                found = key
        owner = None if found is None or found.kind != "client-secret" else self._owner_of(found)
        if owner is None:
            raise self._refusal(source, client_id)
        self._note_secret(owner, secret)
        return self._client(owner, certificate, source)

    def authenticate_assertion(
        self, text: str, client_id: str | None, source: str, certificate: PresentedCertificate | None = None
    ) -> tuple[Caller, Use]:
        """Return the caller that signed an assertion, and what must be used up before it counts. Raises as above."""
        assertion = read_assertion(text)
        if assertion is None or client_id not in {None, assertion.client_id}:
            raise self._refusal(source, None)
        self.failures.check(source, assertion.client_id, time.monotonic())
        for key in self.lookup.clients.get(assertion.client_id, ()):
            use = check_assertion(assertion, key, self.audiences, self.clock())
            owner = None if use is None else self._owner_of(key)
            if use is not None and owner is not None:
                return self._client(owner, certificate, source), use
        raise self._refusal(source, assertion.client_id)

    def refuse(self, source: str) -> NotAuthenticated:
        """Note a failure of a token and return the refusal. Raises TooMany when it was one too many."""
        return self._refusal(source, None)

    def _client(self, owner: Owner, certificate: PresentedCertificate | None, source: str) -> Caller:
        """The caller at the token endpoint. API key and bearer token are for the call; a certificate is for both."""
        proofs = [Proof("client", (owner,))]
        if certificate is not None:
            proofs.append(self._by_certificate(certificate, source, alone=False))
        taaksysteem, key = agree(proofs, None)
        check_required(taaksysteem, [proof.kind for proof in proofs], beside=_OF_THE_CALL)
        return Caller(taaksysteem, key)

    def _by_api_key(self, api_key: str, source: str) -> Proof:
        # The current version first, as nearly every key has it. The hash is keyed: looking it up tells nothing by time.
        hashed = b""
        versions = self.keyring.versions
        for version in (self.keyring.current, *(one for one in versions if one != self.keyring.current)):
            hashed, _ = hash_secret(self.keyring, api_key, version)
            key = self.lookup.keys_by_hash.get(hashed)
            if key is not None and key.kind == "api-key" and key.hash_version == version:
                owner = self._owner_of(key)
                if owner is not None:
                    self._note_secret(owner, api_key)
                    return Proof("api-key", (owner,))
        raise self._refusal(source, hashed)

    def _note_secret(self, owner: Owner, secret: str) -> None:
        if self.on_secret is not None and owner[1].hash_version != self.keyring.current:
            self.on_secret(owner[1], secret)

    def _by_certificate(self, certificate: PresentedCertificate, source: str, *, alone: bool) -> Proof:
        keys = self.lookup.callers.of_certificate(certificate.thumbprint, certificate.oin)
        owners = tuple(owner for owner in map(self._owner_of, keys) if owner is not None)
        if alone and not owners:
            raise self._refusal(source, certificate.thumbprint)
        # Beside another credential, one that is nobody's contradicts it.
        return Proof("certificate", owners)

    def _by_token(self, authorization: str, source: str, certificate: PresentedCertificate | None) -> Proof:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() == "bearer":
            token, now = text.strip(" "), self.clock()
            issued = self.tokens.read(token, now)
            if issued is not None:
                proof = self._of_issued(issued)
                bound_to = issued.thumbprint
            else:
                read = None if self.idp_tokens is None else self.idp_tokens.read(token, now)
                proof = None if read is None else self._of_idp(read)
                bound_to = None if read is None else read.identity.thumbprint
            if proof is not None:
                _check_bound(bound_to, certificate)
                return proof
        # Every token is another: only the source can be limited.
        raise self._refusal(source, None)

    def _of_issued(self, issued: IssuedToken) -> Proof | None:
        for key in self.lookup.clients.get(issued.client_id, ()):
            if key.key_id == issued.key_id and (key.tenant_id, key.taaksysteem_id) == issued.taaksysteem:
                owner = self._owner_of(key)
                aansluiting = self.lookup.aansluitingen.get(issued.aansluiting)
                if (
                    owner is not None
                    and aansluiting is not None
                    and owner[0].environment == issued.environment == aansluiting.environment
                    and scope_of(aansluiting) == issued.scope
                ):
                    return Proof("token", (owner,), bound=issued.aansluiting)
        return None

    def _of_idp(self, token: IdpToken) -> Proof | None:
        idp, identity = token.idp, token.identity
        key = self.lookup.callers.by_idp_client.get((idp.tenant_id, idp.idp_id, identity.taaksysteem))
        owner = None if key is None else self._owner_of(key)
        if owner is None:
            return None
        named = () if identity.afnemer_id is None else (NamedAansluiting("idp", identity.afnemer_id, None),)
        return Proof("idp", (owner,), named=named, user=identity.user, roles=identity.roles)

    def _owner_of(self, key: TaaksysteemKey) -> Owner | None:
        taaksysteem = self.lookup.taaksystemen.get((key.tenant_id, key.taaksysteem_id))
        if taaksysteem is None or taaksysteem.state != "active" or key.state != "active":
            return None
        now = datetime.fromtimestamp(self.clock(), UTC)
        return (taaksysteem, key) if key.valid_from <= now < key.valid_until else None

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


def _check_bound(bound_to: bytes | None, certificate: PresentedCertificate | None) -> None:
    """A token that is bound to a certificate works over no other connection (RFC 8705, 3). Raises NotAuthenticated."""
    if bound_to is not None and (certificate is None or certificate.thumbprint != bound_to):
        raise NotAuthenticated("tokenGebonden", "Het token is gebonden aan een ander clientcertificaat.")


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
