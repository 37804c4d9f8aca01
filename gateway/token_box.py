"""What a token of RvIG looks like while replicas share it: sealed, so that only a gateway makes it and opens it.

AES-256-GCM under a key that is derived (HKDF-SHA256) from the private half of the identity keyring. Whoever has the
public half only, as the admin side has, or the database, can neither read a token nor put one there. Tenant and cache
key are bound in: a token that is moved to another row does not open. Pure: no I/O but the system's randomness.

    sealed = 1 byte format (1) + 2 bytes keyring version, big-endian + 12 bytes nonce + ciphertext
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tenants.keyring import Keyring

_FORMAT: Final = 1
_HEADER: Final = 3
_NONCE: Final = 12
_PURPOSE: Final = b"koppelpunt/shared-token"


class TokenBox:
    """Seals with the current version of the keyring, and opens with any that it has the private half of."""

    def __init__(self, keyring: Keyring) -> None:
        self._current = keyring.current
        self._ciphers = {
            number: AESGCM(HKDF(SHA256(), 32, None, _PURPOSE).derive(version.private))
            for number, version in keyring.versions.items()
            if version.private is not None
        }

    def seal(self, tenant_id: int, key: bytes, value: str) -> bytes:
        """Seal a token for one tenant and one cache key."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._current].encrypt(nonce, value.encode("ascii"), _bound_to(tenant_id, key))
        return bytes([_FORMAT]) + self._current.to_bytes(2) + nonce + sealed

    def open(self, tenant_id: int, key: bytes, sealed: bytes) -> str | None:
        """The token; None when it does not open here, whatever the reason: then it is asked for anew."""
        if len(sealed) < _HEADER + _NONCE or sealed[0] != _FORMAT:
            return None
        cipher = self._ciphers.get(int.from_bytes(sealed[1:_HEADER]))
        if cipher is None:
            return None
        nonce, text = sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE :]
        try:
            return cipher.decrypt(nonce, text, _bound_to(tenant_id, key)).decode("ascii")
        except (InvalidTag, UnicodeDecodeError):
            return None


def _bound_to(tenant_id: int, key: bytes) -> bytes:
    return b"%s/%d/%s" % (_PURPOSE, tenant_id, key.hex().encode("ascii"))
