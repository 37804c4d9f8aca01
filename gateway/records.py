"""Seals what a call asked and answered, so that only its tenant can read it.

Owns the data keys: one per tenant, schema and ten minutes (and year of the call's id), made here, kept in memory only,
and wrapped once to the tenant's public key of that year. The private half is not in this process: what is sealed here
cannot be opened here. Refuses to work without keys: no key of the tenant's year means IdentityUnavailable, never
plaintext.

One sealer belongs to one event loop and one schema: its compressor is not for two threads.
"""

import base64
import hmac
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID, uuid4

import orjson
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import IdentityUnavailable, Malformed
from tenants.keyring import Keyring
from tenants.model import TenantKey
from tenants.records import Kind, associated_data
from tenants.sealing import SealingError, open_sealed, seal_to

PERIOD_SECONDS = 600.0
_FORMAT = b"\x01"


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as the register keeps it: wrapped to its tenant. The key itself never leaves the sealer."""

    data_key_id: UUID
    tenant_id: int
    year: int
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """One sealed payload, and the data key it lies under."""

    data_key: DataKey
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Lock:
    """A data key in use, for as long as its period lasts and the tenant's public key stays the same."""

    cipher: AESGCM = field(repr=False)
    data_key: DataKey
    public_key: bytes
    until: float


def year_of(id: UUID) -> int:  # noqa: A002
    """Return the year (UTC) in which a UUIDv7 was made: its first 48 bits are milliseconds (RFC 9562, 5.7)."""
    return _year_of_hour((id.int >> 80) // 3_600_000)


@lru_cache(16)
def _year_of_hour(hour: int) -> int:
    # A year begins with an hour; asked four times a call, and the hour is nearly always this one.
    return time.gmtime(hour * 3600).tm_year


class RecordSealer:
    """Seals records of one schema. `tenant_key` finds the TenantKey of (tenant_id, year), or None."""

    def __init__(
        self,
        tenant_key: Callable[[int, int], TenantKey | None],
        identity: Keyring,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenant_key = tenant_key
        self._identity = identity
        self._clock = clock
        self._locks: dict[tuple[int, int], _Lock] = {}
        self._index_keys: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        self._sweep_at = clock() + PERIOD_SECONDS
        self._compress = zstandard.ZstdCompressor(level=1).compress

    def seal_opening(
        self,
        tenant_id: int,
        id: UUID,  # noqa: A002
        *,
        user: str | None,
        source: str,
        headers: Mapping[str, str],
        question: bytes | None,
        query: str,
    ) -> SealedRecord:
        """Seal who asked what. Raises IdentityUnavailable (no key), Malformed (text that UTF-8 cannot hold)."""
        payload = {"user": user, "source": source, "headers": dict(headers), "query": query} | _text(
            "question", question
        )
        return self._seal("opening", tenant_id, id, payload)

    def seal_closing(
        self,
        tenant_id: int,
        id: UUID,  # noqa: A002
        *,
        persons: Sequence[str],
        answer: bytes | None,
        headers: Mapping[str, str],
        messages: Sequence[Mapping[str, object]] = (),
        withheld: Mapping[str, object] | None = None,
    ) -> SealedRecord:
        """Seal whom the answer is about (nine digits each), what its messages told, and the answer. As `seal_opening`.

        `withheld` is what was *ontvangen, niet doorgegeven*.
        """
        payload: dict[str, object] = {"persons": persons, "headers": dict(headers), **_text("answer", answer)}
        if messages:
            payload["messages"] = messages
        if withheld is not None:
            payload["withheld"] = withheld
        return self._seal("closing", tenant_id, id, payload)

    def person_index(self, tenant_id: int, year: int, bsn: str) -> UUID:
        """Return by what a person is found: 128 bits of a keyed hash. Raises IdentityUnavailable."""
        return self._index(tenant_id, year, b"bsn/" + bsn.encode())

    def a_nummer_index(self, tenant_id: int, year: int, a_nummer: str) -> UUID:
        """Return by what a person is found of whom a message told the A-nummer alone. Raises IdentityUnavailable."""
        return self._index(tenant_id, year, b"anr/" + a_nummer.encode())

    def user_index(self, tenant_id: int, year: int, user: str) -> UUID:
        """Return by what a user is found. Raises IdentityUnavailable, Malformed."""
        try:
            return self._index(tenant_id, year, b"user/" + user.encode())
        except UnicodeEncodeError:
            raise _unwritable() from None

    def _index(self, tenant_id: int, year: int, value: bytes) -> UUID:
        known = self._tenant_key(tenant_id, year)
        if known is None:
            raise _no_key()
        opened = self._index_keys.get((tenant_id, year))
        if opened is None or opened[0] != known.index_key_for_gateway:
            opened = (known.index_key_for_gateway, self._open_index_key(known))
            self._index_keys[tenant_id, year] = opened
        return UUID(bytes=hmac.digest(opened[1], value, "sha256")[:16])

    def _open_index_key(self, known: TenantKey) -> bytes:
        context = f"{known.tenant_id}/{known.year}"
        try:
            return open_sealed(self._identity, known.index_key_for_gateway, purpose="index-key", context=context)
        except SealingError:
            raise IdentityUnavailable(
                "indexsleutelOnbruikbaar", "De indexsleutel van deze organisatie gaat niet open."
            ) from None

    def _seal(self, kind: Kind, tenant_id: int, id: UUID, payload: Mapping[str, object]) -> SealedRecord:  # noqa: A002
        lock = self._lock(tenant_id, year_of(id))
        try:
            plain = orjson.dumps(payload)
        except orjson.JSONEncodeError:
            raise _unwritable() from None
        # A random nonce of 96 bits: a key lives ten minutes in one process, so it seals millions of records at the
        # most, far below the 2^32 that NIST SP 800-38D (8.3) allows. A counter would need care at every fork.
        nonce = os.urandom(12)
        sealed = lock.cipher.encrypt(nonce, self._compress(plain), associated_data(kind, tenant_id, id))
        return SealedRecord(lock.data_key, _FORMAT + nonce + sealed)

    def _lock(self, tenant_id: int, year: int) -> _Lock:
        # Looked up at each record, so that a destroyed or replaced key of the tenant stops working at once.
        known = self._tenant_key(tenant_id, year)
        if known is None:
            raise _no_key()
        lock = self._locks.get((tenant_id, year))
        now = self._clock()
        if lock is None or now >= lock.until or lock.public_key != known.public_key:
            lock = _new_lock(known, now + PERIOD_SECONDS)
            self._locks[tenant_id, year] = lock
            self._sweep(now)
        return lock

    def _sweep(self, now: float) -> None:
        """Forget data keys of tenants that ask nothing any more."""
        if now < self._sweep_at:
            return
        self._sweep_at = now + PERIOD_SECONDS
        self._locks = {place: lock for place, lock in self._locks.items() if now < lock.until}
        self._index_keys = {place: key for place, key in self._index_keys.items() if self._tenant_key(*place)}


def _new_lock(known: TenantKey, until: float) -> _Lock:
    data_key_id, key = uuid4(), os.urandom(32)
    try:
        wrapped = seal_to(known.public_key, key, purpose="data-key", context=f"{known.tenant_id}/{data_key_id}")
    except (SealingError, ValueError):
        # A public key that is no point on the curve.
        raise _no_key() from None
    data_key = DataKey(data_key_id, known.tenant_id, known.year, wrapped)
    return _Lock(AESGCM(key), data_key, known.public_key, until)


def _text(name: str, body: bytes | None) -> dict[str, str | None]:
    """Return a body as text; one that is not UTF-8 as base64, so that not a byte of it is lost."""
    if body is None:
        return {name: None}
    try:
        return {name: body.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(body).decode()}


def _no_key() -> IdentityUnavailable:
    return IdentityUnavailable(
        "registersleutelOntbreekt",
        "Voor deze organisatie is er dit jaar geen sleutel om het register mee te verzegelen.",
    )


def _unwritable() -> Malformed:
    return Malformed("tekenNietToegestaan", "De bevraging bevat tekens die niet vastgelegd kunnen worden.")
