"""From a bearer token of a tenant's IDP to whom it names, remembered for as long as it holds.

Owns the memory of verified tokens. It never outlives anything: at each look the IDP must stand in the registry as it did,
the key must still be among the IDP's keys, and the token's own times are compared again. Whether the taaksysteem and its
key stand is for whoever reads the registry. An issuer belongs to one tenant: the token's `iss` finds the IDP, and that
IDP's keys alone verify it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from jwt import PyJWK

from gateway.idp.claims import TYPES, ClaimsRefused, IdpIdentity, read_identity
from tenants.jws import LONGEST, read_unverified, verify
from tenants.model import Idp

_MOST_KEPT: Final = 20_000


class IdpLookup(Protocol):
    """The IDPs that stand in the registry, as known in memory."""

    @property
    def idps(self) -> Mapping[tuple[int, int], Idp]:
        """By (tenant_id, idp_id)."""

    @property
    def idps_by_issuer(self) -> Mapping[str, Idp]:
        """By issuer, which is one tenant's."""


class KeyFinder(Protocol):
    """The keys that count now."""

    def find(self, idp: Idp, kid: str, algorithm: str) -> PyJWK:
        """Return a key. Raises KeyUnknown or IdpUnavailable."""


@dataclass(frozen=True, slots=True)
class IdpToken:
    """A verified token of an IDP, and whom it names."""

    idp: Idp
    identity: IdpIdentity


@dataclass(frozen=True, slots=True)
class _Kept:
    token: IdpToken
    kid: str
    key: PyJWK = field(repr=False)


@dataclass(slots=True)
class IdpTokens:
    """Reads tokens over a lookup that may change between two calls. `notice` is told why one was refused, by a code."""

    lookup: IdpLookup
    keys: KeyFinder
    notice: Callable[[str], None] = lambda _: None
    most_kept: int = _MOST_KEPT
    _kept: "OrderedDict[bytes, _Kept]" = field(default_factory=OrderedDict, repr=False)

    def read(self, token: str, now: float) -> IdpToken | None:
        """Return whom a token names, or None. `now` is Unix time in seconds. Raises KeyUnknown and IdpUnavailable."""
        if len(token) > LONGEST or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode("ascii")).digest()
        kept = self._kept.get(digest)
        if kept is not None and not self._holds(kept):
            del self._kept[digest]
            kept = None
        if kept is None:
            kept = self._verify(token)
            if kept is None:
                return None
            self._keep(digest, kept)
        identity = kept.token.identity
        if identity.not_before <= now < identity.expires:
            return kept.token
        if now >= identity.expires:
            del self._kept[digest]
        self.notice("idpTijden")
        return None

    def forget(self) -> None:
        """Forget every token: each is verified again when it comes."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _holds(self, kept: _Kept) -> bool:
        idp = kept.token.idp
        current = self.lookup.idps.get((idp.tenant_id, idp.idp_id))
        if current is not idp and current != idp:
            return False
        return self.keys.find(idp, kept.kid, kept.key.algorithm_name) is kept.key

    def _verify(self, token: str) -> _Kept | None:
        unverified = read_unverified(token)
        if unverified is None:
            return None
        issuer = unverified.payload.get("iss")
        idp = self.lookup.idps_by_issuer.get(issuer) if isinstance(issuer, str) else None
        if idp is None:
            return None
        if unverified.kid is None or unverified.algorithm not in idp.algorithms or unverified.type not in TYPES:
            self.notice("idpKop")
            return None
        key = self.keys.find(idp, unverified.kid, unverified.algorithm)
        payload = verify(unverified, key)
        if payload is None:
            self.notice("idpHandtekening")
            return None
        try:
            return _Kept(IdpToken(idp, read_identity(payload, idp)), unverified.kid, key)
        except ClaimsRefused as refused:
            self.notice(refused.code)
            return None

    def _keep(self, digest: bytes, kept: _Kept) -> None:
        self._kept[digest] = kept
        while len(self._kept) > self.most_kept:
            self._kept.popitem(last=False)
