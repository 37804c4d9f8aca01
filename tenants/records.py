"""Opens what the gateway sealed into the register, and finds persons and users in its index. Pure.

A sealed column is one byte of format (1), a nonce of 12 bytes, and AES-256-GCM over the zstd of a JSON object. The
associated data binds it to tenant, call and kind, so that a column moved to another row does not open. Its data key is
sealed to the public key of the tenant and the year of the call's id (UUIDv7, in UTC).
"""

import hashlib
import hmac
from typing import Any, Literal, cast
from uuid import UUID

import orjson
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenants.model import Bsn
from tenants.sealing import SealingError, open_from

Kind = Literal["opening", "closing"]

_FORMAT = 1
_NONCE = slice(1, 13)
_CIPHERTEXT = 13
_LARGEST_RECORD = 256 << 20
"""Bytes of a record before compression; more is damage, as no body that large is accepted."""


def open_data_key(private_key: bytes, wrapped: bytes, *, tenant_id: int, data_key_id: UUID) -> bytes:
    """Return the data key of 32 bytes. `private_key` is that of the tenant-year. Raises SealingError."""
    return open_from(private_key, wrapped, purpose="data-key", context=f"{tenant_id}/{data_key_id}")


def open_record(data_key: bytes, sealed: bytes, *, tenant_id: int, id: UUID, kind: Kind) -> dict[str, Any]:  # noqa: A002
    """Return what an opening or closing holds. Raises SealingError for another row's column, or a damaged one."""
    if len(sealed) < _CIPHERTEXT or sealed[0] != _FORMAT:
        raise SealingError("This is no record of a known format.")
    try:
        packed = AESGCM(data_key).decrypt(sealed[_NONCE], sealed[_CIPHERTEXT:], associated_data(kind, tenant_id, id))
        text = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST_RECORD)
    except InvalidTag:
        raise SealingError(f"This {kind} does not open.") from None
    except zstandard.ZstdError:
        raise SealingError(f"This {kind} is damaged: it cannot be unpacked.") from None
    return cast("dict[str, Any]", orjson.loads(text))


def associated_data(kind: Kind, tenant_id: int, id: UUID) -> bytes:  # noqa: A002
    """What a sealed column is bound to."""
    return f"koppelpunt/{kind}/{tenant_id}/{id}".encode()


def person_index(index_key: bytes, bsn: Bsn) -> UUID:
    """Return how the register knows a person in the year of this key: 128 bits of HMAC-SHA-256."""
    return _index(index_key, b"bsn/" + bsn.digits.encode())


def a_nummer_index(index_key: bytes, a_nummer: str) -> UUID:
    """Return how the register knows a person of whom a message told the A-nummer alone."""
    return _index(index_key, b"anr/" + a_nummer.encode())


def user_index(index_key: bytes, user: str) -> UUID:
    """Return how the register knows a user of a taaksysteem in the year of this key."""
    return _index(index_key, b"user/" + user.encode())


def _index(index_key: bytes, value: bytes) -> UUID:
    return UUID(bytes=hmac.digest(index_key, value, hashlib.sha256)[:16])
