"""Tokens that the gateway itself issues: made, signed, and read back. Pure but for reading the file of keys.

A token is a JWT in the shape of RvIG's (`sub` = `aud` = client-ID, `scope` a list with `AfnemerID-OIN`, `claims` as
`key=value` texts) signed with ES256, bound to one taaksysteem, one key, one environment and one aansluiting. Reading
accepts ES256 and our own keys only, whatever the header says (RFC 8725), and one spelling of each signature. It says
who was meant when the token was made; whether that still stands is for whoever reads the registry.
"""

import base64
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tenants.model import Aansluiting, Taaksysteem, TaaksysteemKey

ALGORITHM: Final = "ES256"
SECONDS: Final = 600
"""How long a token lives: as RvIG's."""

_BEFORE: Final = 30
_MOST_KEPT: Final = 20_000
_LONGEST: Final = 4096
# 64 bytes in base64url leave four bits unused: they must be zero, or one signature would have sixteen spellings.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]", re.ASCII)
_PEM: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class SigningKeysError(Exception):
    """The file of signing keys cannot be used; the text says why and never shows a key."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """`current` signs; every one of `public` verifies. Named by their thumbprint (RFC 7638)."""

    current: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    public: Mapping[str, ec.EllipticCurvePublicKey] = field(repr=False)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517)."""
        return {"keys": [_jwk(key) | {"kid": kid, "alg": ALGORITHM, "use": "sig"} for kid, key in self.public.items()]}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """Who a token was made for: (tenant_id, id) of taaksysteem and aansluiting, the key by which it was asked for.

    `thumbprint` is that of the client certificate over which it was asked for, and over which alone it works (RFC 8705).
    """

    client_id: str
    taaksysteem: tuple[int, int]
    key_id: int
    environment: str
    aansluiting: tuple[int, int]
    scope: str
    expires: int
    not_before: int
    thumbprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class TokenMint:
    """Makes and reads tokens. `issuer` is the URL that stands in them."""

    keys: SigningKeys
    issuer: str
    _read: OrderedDict[bytes, IssuedToken] = field(default_factory=OrderedDict, repr=False)

    def make(
        self,
        taaksysteem: Taaksysteem,
        key: TaaksysteemKey,
        aansluiting: Aansluiting,
        now: float,
        thumbprint: bytes | None = None,
    ) -> str:
        """Return a new token, bound to a client certificate where one is given. `now` is Unix time in seconds."""
        issued = int(now)
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "aud": key.client_id,
            "sub": key.client_id,
            "iat": issued,
            "nbf": issued - _BEFORE,
            "exp": issued + SECONDS,
            "jti": str(uuid4()),
            "scope": [scope_of(aansluiting)],
            "claims": _claims(aansluiting),
            "omgeving": taaksysteem.environment,
            "taaksysteem": f"{taaksysteem.tenant_id}/{taaksysteem.taaksysteem_id}",
            "sleutel": key.key_id,
            "aansluiting": f"{aansluiting.tenant_id}/{aansluiting.aansluiting_id}",
        }
        if thumbprint is not None:
            payload["cnf"] = {"x5t#S256": _encode(thumbprint)}
        return jwt.encode(payload, self.keys.private, ALGORITHM, headers={"kid": self.keys.current, "typ": "at+jwt"})

    def read(self, token: str, now: float) -> IssuedToken | None:
        """Return whom a token was made for; None when it is not ours, altered, not yet valid or expired."""
        if len(token) > _LONGEST or not _TOKEN.fullmatch(token):
            return None
        digest = hashlib.sha256(token.encode("ascii")).digest()
        found = self._read.get(digest)
        if found is None:
            found = self._verify(token)
            if found is None:
                return None
            self._keep(digest, found)
        else:
            self._read.move_to_end(digest)
        if found.not_before <= now < found.expires:
            return found
        if now >= found.expires:
            self._read.pop(digest, None)
        return None

    def _verify(self, token: str) -> IssuedToken | None:
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys.public.get(header.get("kid", ""))
            if key is None or header.get("typ") != "at+jwt":
                return None
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                options={
                    "require": ["iss", "sub", "aud", "exp", "nbf", "iat"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
            return _read_payload(payload)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return None

    def _keep(self, digest: bytes, token: IssuedToken) -> None:
        self._read[digest] = token
        while len(self._read) > _MOST_KEPT:
            self._read.popitem(last=False)


def scope_of(aansluiting: Aansluiting) -> str:
    """The scope that names an aansluiting, in RvIG's form: `AfnemerID-OIN`."""
    return f"{aansluiting.afnemer_id}-{aansluiting.organisation_oin}"


def make_signing_keys() -> str:
    """Return the text of a file with one new signing key."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode("ascii")
    )


def read_signing_keys(path: Path) -> SigningKeys:
    """Read a PEM file of P-256 keys. The first private key signs; all of them, public ones too, verify.

    So that a new key can be known everywhere before it signs: first append it, then put it in front, and take the old
    one out when its last token has expired. Raises SigningKeysError.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SigningKeysError(f"Signing keys cannot be read from {path}: {type(error).__name__}.") from None
    private: list[ec.EllipticCurvePrivateKey] = []
    public: dict[str, ec.EllipticCurvePublicKey] = {}
    for number, block in enumerate(_PEM.finditer(text), start=1):
        key = _load(block.group(0).encode("ascii"), number, path)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            private.append(key)
            key = key.public_key()
        public[_thumbprint(key)] = key
    if not private:
        raise SigningKeysError(f"{path} holds no private key to sign with.")
    return SigningKeys(_thumbprint(private[0].public_key()), private[0], public)


def _load(block: bytes, number: int, path: Path) -> ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey:
    try:
        key = (
            serialization.load_pem_public_key(block)
            if b"PUBLIC KEY" in block
            else serialization.load_pem_private_key(block, None)
        )
    except (ValueError, TypeError):
        raise SigningKeysError(f"Block {number} of {path} is no unencrypted key.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise SigningKeysError(f"Block {number} of {path} is no key on P-256.")
    return key


def _claims(aansluiting: Aansluiting) -> list[str]:
    claims = [f"OIN={aansluiting.organisation_oin}", f"afnemerID={aansluiting.afnemer_id}"]
    if aansluiting.gemeentecode is not None:
        claims.append(f"gemeenteCode={aansluiting.gemeentecode}")
    if aansluiting.mailbox_id is not None:
        claims.append(f"mailboxid={aansluiting.mailbox_id}")
    return claims


def _read_payload(payload: Mapping[str, Any]) -> IssuedToken | None:
    if payload["aud"] != payload["sub"]:
        return None
    (scope,) = payload["scope"]
    return IssuedToken(
        client_id=str(payload["sub"]),
        taaksysteem=_pair(payload["taaksysteem"]),
        key_id=int(payload["sleutel"]),
        environment=str(payload["omgeving"]),
        aansluiting=_pair(payload["aansluiting"]),
        scope=str(scope),
        expires=int(payload["exp"]),
        not_before=int(payload["nbf"]),
        thumbprint=None if "cnf" not in payload else _decode(payload["cnf"]["x5t#S256"]),
    )


def _pair(text: str) -> tuple[int, int]:
    tenant, _, number = text.partition("/")
    return int(tenant), int(number)


def _jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": _encode(numbers.x.to_bytes(32)), "y": _encode(numbers.y.to_bytes(32))}


def _thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    return _encode(hashlib.sha256(json.dumps(_jwk(key), separators=(",", ":"), sort_keys=True).encode()).digest())


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
