"""A record opens only for its tenant, as the row and kind that it was sealed for."""

import os
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tenants.model import Bsn
from tenants.records import open_data_key, open_record, person_index, user_index
from tenants.sealing import SealingError, seal_to

ID, KEY = uuid4(), os.urandom(32)
PLACE: dict[str, Any] = {"tenant_id": 7, "id": ID, "kind": "opening"}


def sealed(packed: bytes, key: bytes = KEY) -> bytes:
    """Seal as the format says, without the code of the gateway."""
    nonce = os.urandom(12)
    return b"\x01" + nonce + AESGCM(key).encrypt(nonce, packed, f"koppelpunt/opening/7/{ID}".encode())


RECORD = sealed(zstandard.compress(orjson.dumps({"user": "ans", "question": None})))


def test_a_record_opens_with_its_data_key():
    assert open_record(KEY, RECORD, **PLACE) == {"user": "ans", "question": None}


@pytest.mark.parametrize("wrong", [{"tenant_id": 8}, {"id": uuid4()}, {"kind": "closing"}])
def test_a_record_of_another_place_does_not_open(wrong):
    with pytest.raises(SealingError):
        open_record(KEY, RECORD, **{**PLACE, **wrong})


@given(st.integers(0, len(RECORD) * 8 - 1))
def test_a_changed_record_does_not_open(bit):
    changed = bytearray(RECORD)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealingError):
        open_record(KEY, bytes(changed), **PLACE)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_record(blob):
    with pytest.raises(SealingError):
        open_record(KEY, blob, **PLACE)


def test_a_record_that_cannot_be_unpacked_is_said_to_be_damaged():
    with pytest.raises(SealingError, match="damaged"):
        open_record(KEY, sealed(b"not zstd"), **PLACE)


def test_a_data_key_opens_for_its_tenant_and_number_only():
    private, number = X25519PrivateKey.generate(), uuid4()
    public = private.public_key().public_bytes_raw()
    wrapped = seal_to(public, KEY, purpose="data-key", context=f"7/{number}")
    raw = private.private_bytes_raw()
    assert open_data_key(raw, wrapped, tenant_id=7, data_key_id=number) == KEY
    for tenant_id, data_key_id in ((8, number), (7, uuid4())):
        with pytest.raises(SealingError):
            open_data_key(raw, wrapped, tenant_id=tenant_id, data_key_id=data_key_id)


def test_the_index_of_a_person_is_that_of_key_and_number_and_never_that_of_a_user():
    bsn, key = Bsn("999993653"), b"k" * 32
    # HMAC-SHA-256 of "bsn/999993653" under 32 times k, by openssl; its first sixteen bytes.
    assert person_index(key, bsn) == UUID("094c5e3db878b250b031f947cf9ed6eb")
    assert person_index(key, bsn) != person_index(b"l" * 32, bsn)
    assert user_index(key, "bsn/999993653") != person_index(key, bsn) != user_index(key, "999993653")
