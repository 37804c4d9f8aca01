"""Only the tenant's key of the year opens what the sealer seals."""

import base64
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IdentityUnavailable, Malformed
from gateway.records import PERIOD_SECONDS, RecordSealer, SealedRecord, year_of
from tenants.keyring import Keyring, make_keyring
from tenants.model import Bsn, TenantKey
from tenants.records import open_data_key, open_record, person_index, user_index
from tenants.sealing import SealingError, make_tenant_year, open_sealed
from tests.register.stage import uuid7

IDENTITY, REGISTER = make_keyring("identity"), make_keyring("register")
NOW = uuid7()
YEAR = year_of(NOW)
MADE = make_tenant_year(7, YEAR, IDENTITY, REGISTER)
PRIVATE = open_sealed(REGISTER, MADE.private_key_sealed, purpose="tenant-key", context=f"7/{YEAR}")
KEY = TenantKey(7, YEAR, MADE.public_key, MADE.index_key_for_gateway)
ASKED: dict[str, Any] = {"user": None, "source": "192.0.2.1", "headers": {}, "query": ""}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def make_sealer(
    keys: dict[tuple[int, int], TenantKey] | None = None, identity: Keyring = IDENTITY, clock=time.monotonic
):
    known = {(7, YEAR): KEY} if keys is None else keys
    return RecordSealer(lambda tenant_id, year: known.get((tenant_id, year)), identity, clock=clock)


def read(record: SealedRecord, kind, private: bytes = PRIVATE) -> dict[str, Any]:
    key = record.data_key
    data_key = open_data_key(private, key.wrapped, tenant_id=7, data_key_id=key.data_key_id)
    return open_record(data_key, record.sealed, tenant_id=7, id=NOW, kind=kind)


TEXT = st.text(st.characters(codec="utf-8"))


@given(
    user=st.none() | TEXT,
    headers=st.dictionaries(TEXT, TEXT),
    question=st.none() | st.binary() | TEXT.map(str.encode),
)
def test_the_tenant_reads_back_what_was_asked_to_the_byte(user, headers, question) -> None:
    record = make_sealer().seal_opening(
        7, NOW, user=user, source="::1", headers=headers, question=question, query="a=b"
    )
    found = read(record, "opening")
    assert (found["user"], found["source"], found["headers"], found["query"]) == (user, "::1", headers, "a=b")
    assert _body(found, "question") == question


@given(answer=st.none() | st.binary() | TEXT.map(str.encode))
def test_the_tenant_reads_back_what_was_answered_to_the_byte(answer) -> None:
    record = make_sealer().seal_closing(7, NOW, persons=("999990019",), answer=answer, headers={"etag": "x"})
    found = read(record, "closing")
    assert (found["persons"], found["headers"]) == (["999990019"], {"etag": "x"})
    assert _body(found, "answer") == answer


def _body(found: dict[str, Any], name: str) -> bytes | None:
    """A body that is no UTF-8 is kept as base64."""
    if f"{name}_base64" in found:
        body = base64.b64decode(found[f"{name}_base64"])
        with pytest.raises(UnicodeDecodeError):
            body.decode()
        return body
    return None if found[name] is None else found[name].encode()


def test_a_record_is_not_readable_as_another_kind_or_with_another_key() -> None:
    record = make_sealer().seal_opening(7, NOW, question=b"{}", **ASKED)
    with pytest.raises(SealingError):
        read(record, "closing")
    other = make_tenant_year(7, YEAR, IDENTITY, REGISTER)
    private = open_sealed(REGISTER, other.private_key_sealed, purpose="tenant-key", context=f"7/{YEAR}")
    with pytest.raises(SealingError):
        read(record, "opening", private)


def test_what_is_sealed_shows_nothing_and_is_never_twice_the_same() -> None:
    sealer = make_sealer()
    one, two = (sealer.seal_closing(7, NOW, persons=("999990019",), answer=b"Jansen", headers={}) for _ in range(2))
    assert one.sealed != two.sealed
    assert b"999990019" not in one.sealed
    assert b"Jansen" not in one.sealed
    assert "sealed=" not in repr(one)


def test_a_data_key_serves_one_tenant_for_one_period() -> None:
    other = make_tenant_year(8, YEAR, IDENTITY, REGISTER)
    clock = Clock()
    keys = {(7, YEAR): KEY, (8, YEAR): TenantKey(8, YEAR, other.public_key, other.index_key_for_gateway)}
    sealer = make_sealer(keys, clock=clock)

    def key_of(tenant_id: int) -> UUID:
        key_id: UUID = sealer.seal_opening(tenant_id, NOW, question=None, **ASKED).data_key.data_key_id
        return key_id

    first = key_of(7)
    assert key_of(8) != first
    clock.now += PERIOD_SECONDS - 1
    assert key_of(7) == first
    clock.now += 2
    second = key_of(7)
    assert second != first
    replaced = make_tenant_year(7, YEAR, IDENTITY, REGISTER)
    keys[7, YEAR] = replace(KEY, public_key=replaced.public_key)
    assert key_of(7) not in {first, second}


def test_keys_of_tenants_that_ask_nothing_are_forgotten() -> None:
    clock = Clock()
    other = make_tenant_year(8, YEAR, IDENTITY, REGISTER)
    keys = {(7, YEAR): KEY, (8, YEAR): TenantKey(8, YEAR, other.public_key, other.index_key_for_gateway)}
    sealer = make_sealer(keys, clock=clock)
    sealer.seal_opening(8, NOW, question=None, **ASKED)
    clock.now += 2 * PERIOD_SECONDS
    sealer.seal_opening(7, NOW, question=None, **ASKED)
    assert list(sealer._locks) == [(7, YEAR)]


def test_without_the_key_of_its_year_nothing_is_sealed() -> None:
    sealer = make_sealer()
    last_year = uuid7(time.time() - 366 * 86_400)
    for tenant_id, id in ((7, last_year), (8, NOW)):  # noqa: A001
        with pytest.raises(IdentityUnavailable) as refused:
            sealer.seal_opening(tenant_id, id, question=None, **ASKED)
        assert refused.value.code == "registersleutelOntbreekt"
    with pytest.raises(IdentityUnavailable):
        sealer.person_index(8, YEAR, "999990019")


def test_a_public_key_that_is_none_seals_nothing() -> None:
    sealer = make_sealer({(7, YEAR): replace(KEY, public_key=b"\0" * 32)})
    with pytest.raises(IdentityUnavailable):
        sealer.seal_opening(7, NOW, question=None, **ASKED)


def test_the_index_is_what_the_reading_side_computes() -> None:
    index_key = open_sealed(REGISTER, MADE.index_key_for_register, purpose="index-key", context=f"7/{YEAR}")
    sealer = make_sealer()
    for _ in range(2):
        assert sealer.person_index(7, YEAR, "999990019") == person_index(index_key, Bsn("999990019"))
        assert sealer.user_index(7, YEAR, "j.jansen") == user_index(index_key, "j.jansen")


def test_an_index_key_of_another_keyring_does_not_open() -> None:
    with pytest.raises(IdentityUnavailable) as refused:
        make_sealer(identity=make_keyring("identity")).person_index(7, YEAR, "999990019")
    assert refused.value.code == "indexsleutelOnbruikbaar"


def test_a_lone_surrogate_is_refused_and_not_repaired() -> None:
    sealer = make_sealer()
    with pytest.raises(Malformed):
        sealer.seal_opening(7, NOW, question=None, **ASKED | {"user": "\ud800"})
    with pytest.raises(Malformed):
        sealer.user_index(7, YEAR, "\ud800")


@pytest.mark.parametrize(("at", "year"), [(1_798_761_599.999, 2026), (1_798_761_600.0, 2027)])
def test_the_year_of_a_call_is_that_of_its_id_in_utc(at, year) -> None:
    assert year_of(uuid7(at)) == year
