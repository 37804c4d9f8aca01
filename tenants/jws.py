"""Signed tokens (JWS, compact) and the keys that verify them. Pure.

An algorithm counts only when it is on the list of this module *and* on that of whoever asks *and* fits the key's type,
curve and own `alg` (RFC 8725, 3.1 and 3.2): there is no symmetric one and no `none`. A key is chosen by its `kid`, never by
trying. Tokens have one spelling: no padding, no white space, no spare bits. Headers that would change what a signature
means (`crit`, `b64`) are refused, and so are keys inside the header: nothing of it is even read.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWK
from jwt.types import Options

ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
"""Every algorithm that can be allowed."""

Keys = Mapping[tuple[str, str], PyJWK]
"""Usable keys by (kid, algorithm)."""

LONGEST: Final = 12 * 1024
_LEAST_RSA: Final = 2048
_MOST_KEYS: Final = 64
_LONGEST_KID: Final = 200
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_SIGNATURE_ONLY: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token before its signature was looked at: only good for finding the key that it must be verified with."""

    text: str = field(repr=False)
    algorithm: str
    kid: str | None
    type: str
    payload: Mapping[str, Any] = field(repr=False)


def read_unverified(text: str) -> Unverified | None:
    """Read header and payload; None for what is no signed token of ours to judge."""
    found = _COMPACT.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    header, payload = _decode(found.group(1)), _decode(found.group(2))
    if header is None or payload is None or "crit" in header or "b64" in header:
        return None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if (
        not isinstance(algorithm, str)
        or algorithm not in ALGORITHMS
        or not isinstance(kind, str)
        or not (kid is None or isinstance(kid, str))
    ):
        return None
    return Unverified(text, algorithm, kid, kind.lower().removeprefix("application/"), payload)


def verify(token: Unverified, key: PyJWK) -> Mapping[str, Any] | None:
    """Return what was signed; None when this key did not sign it with the algorithm that the key is for."""
    if key.algorithm_name != token.algorithm:
        return None
    try:
        payload: dict[str, Any] = jwt.decode(token.text, key, algorithms=[key.algorithm_name], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return payload


def read_keys(document: bytes | str, allowed: Collection[str]) -> dict[tuple[str, str], PyJWK] | None:
    """Read a JWK Set (RFC 7517, 5): the keys that can verify with an allowed algorithm. None when it is no JWK Set.

    Keys for other uses and of other types are passed over; of two with the same kid for the same algorithm, neither
    counts, as nobody could tell which is meant.
    """
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        return None
    keys: dict[tuple[str, str], PyJWK] = {}
    twice: set[tuple[str, str]] = set()
    for one in listed:
        for algorithm in _algorithms_of(one) & frozenset(allowed):
            name = (one["kid"], algorithm)
            key = _make(one, algorithm)
            if key is not None and name in keys:
                twice.add(name)
            elif key is not None:
                keys[name] = key
    return {name: key for name, key in keys.items() if name not in twice}


def _algorithms_of(jwk: object) -> frozenset[str]:
    """The algorithms that a key is for, by its type, its curve and its own word."""
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return frozenset()
    operations, kid, own = jwk.get("key_ops", ["verify"]), jwk.get("kid"), jwk.get("alg")
    if not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID:
        return frozenset()
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":
        fitting = frozenset(name for name in ALGORITHMS if name[:2] in {"RS", "PS"})
    elif kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        fitting = frozenset({_CURVES[curve]})
    else:
        return frozenset()
    return fitting if own is None else fitting & {str(own)}


def _make(jwk: dict[str, Any], algorithm: str) -> PyJWK | None:
    # The public half alone, whatever else stands there: a private key that was published is still only a public one here.
    public: dict[str, Any] = {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y", "kid") if name in jwk}
    try:
        key = PyJWK(public, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key.key, rsa.RSAPublicKey) and key.key.key_size < _LEAST_RSA:
        return None
    return key


def _decode(part: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) else None
