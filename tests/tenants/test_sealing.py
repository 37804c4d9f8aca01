"""What is sealed opens only with the right key, for the right purpose and in the right place."""

import typing

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tenants.keyring import add_version, make_keyring, public_half
from tenants.sealing import Purpose, SealingError, make_tenant_year, open_from, open_sealed, seal, seal_to

KEYRING = make_keyring("identity")
OTHER = make_keyring("identity")
PRIVATE = X25519PrivateKey.generate()
OTHER_PRIVATE = X25519PrivateKey.generate()

purposes = st.sampled_from(typing.get_args(Purpose))
contexts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
payloads = st.binary(max_size=200)


@given(payloads, purposes, contexts)
def test_what_the_public_half_seals_the_private_half_opens(payload, purpose, context):
    blob = seal(public_half(KEYRING), payload, purpose=purpose, context=context)
    assert open_sealed(KEYRING, blob, purpose=purpose, context=context) == payload


@given(payloads, purposes, purposes, contexts, contexts)
def test_another_purpose_or_context_never_opens(payload, purpose, other_purpose, context, other_context):
    blob = seal(KEYRING, payload, purpose=purpose, context=context)
    if (purpose, context) != (other_purpose, other_context):
        with pytest.raises(SealingError):
            open_sealed(KEYRING, blob, purpose=other_purpose, context=other_context)


@given(payloads, purposes, contexts)
def test_another_key_never_opens(payload, purpose, context):
    blob = seal(KEYRING, payload, purpose=purpose, context=context)
    with pytest.raises(SealingError):
        open_sealed(OTHER, blob, purpose=purpose, context=context)
    raw = seal_to(PRIVATE.public_key().public_bytes_raw(), payload, purpose=purpose, context=context)
    assert open_from(PRIVATE.private_bytes_raw(), raw, purpose=purpose, context=context) == payload
    with pytest.raises(SealingError):
        open_from(OTHER_PRIVATE.private_bytes_raw(), raw, purpose=purpose, context=context)


@given(payloads, st.data())
def test_one_changed_bit_never_opens(payload, data):
    blob = bytearray(seal(KEYRING, payload, purpose="client-secret", context="1/a"))
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealingError):
        open_sealed(KEYRING, bytes(blob), purpose="client-secret", context="1/a")


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused_as_no_sealed_value(blob):
    with pytest.raises(SealingError):
        open_sealed(KEYRING, blob, purpose="data-key", context="")
    with pytest.raises(SealingError):
        open_from(PRIVATE.private_bytes_raw(), blob, purpose="data-key", context="")


def test_the_public_half_does_not_open():
    blob = seal(KEYRING, b"x", purpose="client-secret", context="1/a")
    with pytest.raises(SealingError, match="private half"):
        open_sealed(public_half(KEYRING), blob, purpose="client-secret", context="1/a")


def test_what_an_old_version_sealed_still_opens_after_a_new_one_was_made():
    blob = seal(KEYRING, b"x", purpose="client-secret", context="1/a")
    assert open_sealed(add_version(KEYRING), blob, purpose="client-secret", context="1/a") == b"x"


def test_the_text_of_a_failure_shows_neither_content_nor_context():
    blob = seal(KEYRING, b"zeer geheim", purpose="client-secret", context="1/naam")
    with pytest.raises(SealingError) as told:
        open_sealed(OTHER, blob, purpose="client-secret", context="1/naam")
    assert "geheim" not in str(told.value)
    assert "naam" not in str(told.value)


def test_the_keys_of_a_tenant_year_open_with_the_keyrings_they_are_for():
    register = make_keyring("register")
    year = make_tenant_year(7, 2031, public_half(KEYRING), public_half(register))
    private = open_sealed(register, year.private_key_sealed, purpose="tenant-key", context="7/2031")
    assert X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == year.public_key
    index_key = open_sealed(register, year.index_key_for_register, purpose="index-key", context="7/2031")
    assert open_sealed(KEYRING, year.index_key_for_gateway, purpose="index-key", context="7/2031") == index_key
    with pytest.raises(SealingError):
        open_sealed(register, year.private_key_sealed, purpose="tenant-key", context="8/2031")
