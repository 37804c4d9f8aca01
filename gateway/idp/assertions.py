"""Client assertions at the gateway's own token endpoint: `private_key_jwt` (RFC 7523, 3; OpenID Connect Core, 9). Pure.

An assertion names its client twice (`iss`, `sub`), this gateway alone as its audience (the token endpoint or the issuer;
a second audience could use it here), ends within five minutes, and carries a `jti`, which whoever accepts it must remember
until it ends. It is verified with the keys that were registered for that client, chosen by `kid` where it names one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from gateway.idp.claims import read_moment
from tenants.jws import ALGORITHMS, Keys, Unverified, read_keys, read_unverified, verify
from tenants.model import TaaksysteemKey

KIND: Final = "private-key-jwt"
TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW_SECONDS: Final = 30
LONGEST_SECONDS: Final = 300
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})
_LONGEST_JTI: Final = 255


@dataclass(frozen=True, slots=True)
class Assertion:
    """A well-formed assertion that nobody has verified. `client_id` is whom it claims to be."""

    client_id: str
    unverified: Unverified = field(repr=False)


@dataclass(frozen=True, slots=True)
class Use:
    """That an assertion was verified: the key of the registry, and what must be remembered until `expires` (Unix time)."""

    key: TaaksysteemKey
    jti: bytes = field(repr=False)
    expires: float


def read_assertion(text: str) -> Assertion | None:
    """Read an assertion; None for what is none."""
    unverified = read_unverified(text)
    if unverified is None or unverified.type not in _TYPES:
        return None
    issuer, subject = unverified.payload.get("iss"), unverified.payload.get("sub")
    return Assertion(subject, unverified) if isinstance(subject, str) and subject == issuer else None


def check_assertion(assertion: Assertion, key: TaaksysteemKey, audiences: frozenset[str], now: float) -> Use | None:
    """Verify an assertion with a client's registered keys. None when it does not hold at `now` (Unix time, seconds)."""
    if key.kind != KIND or key.jwks is None or key.client_id != assertion.client_id:
        return None
    payload = _verified(assertion.unverified, _keys_of(key.jwks))
    if payload is None:
        return None
    audience = payload.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        (audience,) = audience
    expires, jti = _read_expiry(payload, now), payload.get("jti")
    if not isinstance(audience, str) or audience not in audiences or expires is None:
        return None
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        return None
    return Use(key, hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest(), expires + SKEW_SECONDS)


def _read_expiry(payload: Mapping[str, Any], now: float) -> float | None:
    """When it ends; None for one that has ended, ends too late, or is of later than now."""
    expires = read_moment(payload.get("exp"))
    if expires is None or not now - SKEW_SECONDS < expires <= now + SKEW_SECONDS + LONGEST_SECONDS:
        return None
    moments = [read_moment(payload[name]) for name in ("iat", "nbf") if name in payload]
    return expires if all(one is not None and one <= now + SKEW_SECONDS for one in moments) else None


def _verified(unverified: Unverified, keys: Keys) -> Mapping[str, Any] | None:
    if unverified.kid is not None:
        key = keys.get((unverified.kid, unverified.algorithm))
        return None if key is None else verify(unverified, key)
    # Without a name, the client's own few keys are tried: whichever fits, it is the same client.
    found = (verify(unverified, key) for (_, name), key in keys.items() if name == unverified.algorithm)
    return next((payload for payload in found if payload is not None), None)


@lru_cache(maxsize=1024)
def _keys_of(jwks: str) -> Keys:
    return read_keys(jwks, ALGORITHMS) or {}
