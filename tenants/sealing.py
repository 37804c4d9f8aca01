"""Sealing: what one process encrypts to a public key, and only the holder of the private one opens.

HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM. Purpose and context are bound into the key
schedule, so that a sealed value opens only as what it is and where it belongs: a secret copied to another row, or to
another tenant, does not open. Pure: no I/O but the system's randomness.

    sealed = 1 byte format (1) + 2 bytes keyring version, big-endian (0: a raw public key) + encapsulated key + ciphertext
"""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tenants.keyring import Keyring

Purpose = Literal[
    "certificate-key", "client-secret", "tenant-key", "index-key", "data-key", "inzageverzoek", "logboek-key",
    "logboek-secret",
]  # fmt: skip
"""No purpose holds a slash, so that purpose and context cannot be taken for each other."""

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_FORMAT = 1
_HEADER = 3
_RAW = 0


class SealingError(Exception):
    """A sealed value does not open: damaged, for another purpose or context, or sealed to another key."""


@dataclass(frozen=True, slots=True)
class TenantYear:
    """The keys of one tenant in one year, as the registry keeps them."""

    year: int
    public_key: bytes
    private_key_sealed: bytes = field(repr=False)
    index_key_for_gateway: bytes = field(repr=False)
    index_key_for_register: bytes = field(repr=False)


def seal(keyring: Keyring, plaintext: bytes, *, purpose: Purpose, context: str) -> bytes:
    """Seal to the current version of a keyring; its public half is enough."""
    return _seal(keyring.versions[keyring.current].public, keyring.current, plaintext, purpose, context)


def open_sealed(keyring: Keyring, blob: bytes, *, purpose: Purpose, context: str) -> bytes:
    """Open with the version that the value names. Raises SealingError, also when that private half is not here."""
    version = keyring.versions.get(_version(blob))
    if version is None or version.private is None:
        raise SealingError(f"Keyring {keyring.name} does not hold the private half that this {purpose} needs.")
    return _open(version.private, blob, purpose, context)


def reseal(keyring: Keyring, blob: bytes, *, purpose: Purpose, context: str) -> bytes:
    """The same thing under the current version. Raises SealingError; what it returns was opened again and compared."""
    plaintext = open_sealed(keyring, blob, purpose=purpose, context=context)
    made = seal(keyring, plaintext, purpose=purpose, context=context)
    if open_sealed(keyring, made, purpose=purpose, context=context) != plaintext:
        raise SealingError(f"This {purpose} does not open after it was sealed anew.")
    return made


def version_of(blob: bytes) -> int:
    """The version of the keyring that a sealed value names. Raises SealingError."""
    return _version(blob)


def seal_to(public_key: bytes, plaintext: bytes, *, purpose: Purpose, context: str) -> bytes:
    """Seal to a raw X25519 public key of 32 bytes: that of a tenant-year."""
    return _seal(public_key, _RAW, plaintext, purpose, context)


def open_from(private_key: bytes, blob: bytes, *, purpose: Purpose, context: str) -> bytes:
    """Open what was sealed to a raw public key. Raises SealingError."""
    if _version(blob) != _RAW:
        raise SealingError(f"This {purpose} was sealed to a keyring.")
    return _open(private_key, blob, purpose, context)


def make_tenant_year(tenant_id: int, year: int, identity: Keyring, register: Keyring) -> TenantYear:
    """Make a tenant's keys of one year: a pair that records are sealed to, and the key of its person and user index.

    The private key can be opened only with the register keyring; the index key with either.
    """
    private = X25519PrivateKey.generate()
    index_key = secrets.token_bytes(32)
    context = f"{tenant_id}/{year}"
    return TenantYear(
        year=year,
        public_key=private.public_key().public_bytes_raw(),
        private_key_sealed=seal(register, private.private_bytes_raw(), purpose="tenant-key", context=context),
        index_key_for_gateway=seal(identity, index_key, purpose="index-key", context=context),
        index_key_for_register=seal(register, index_key, purpose="index-key", context=context),
    )


def _seal(public_key: bytes, version: int, plaintext: bytes, purpose: Purpose, context: str) -> bytes:
    key = X25519PublicKey.from_public_bytes(public_key)
    return bytes([_FORMAT]) + version.to_bytes(2) + _SUITE.encrypt(plaintext, key, _info(purpose, context))


def _open(private_key: bytes, blob: bytes, purpose: Purpose, context: str) -> bytes:
    key = X25519PrivateKey.from_private_bytes(private_key)
    try:
        return _SUITE.decrypt(blob[_HEADER:], key, _info(purpose, context))
    except InvalidTag:
        raise SealingError(f"This {purpose} does not open.") from None


def _version(blob: bytes) -> int:
    if len(blob) < _HEADER or blob[0] != _FORMAT:
        raise SealingError("This is no sealed value of a known format.")
    return int.from_bytes(blob[1:_HEADER])


def _info(purpose: Purpose, context: str) -> bytes:
    return f"koppelpunt/{purpose}/{context}".encode()
