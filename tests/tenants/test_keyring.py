"""A keyring file is read whole or refused with all that is wrong, and a process has only the half that it needs."""

import json
from pathlib import Path

import pytest

from tenants.keyring import (
    KeyringError,
    add_version,
    dump,
    hash_secret,
    make_keyring,
    parse_keyring,
    public_half,
    read_keyring,
)


@pytest.mark.parametrize("name", ["identity", "register"])
def test_a_keyring_is_read_as_it_was_written(name: str, tmp_path: Path):
    keyring = add_version(make_keyring(name))
    path = tmp_path / "keyring.json"
    path.write_text(dump(keyring))
    assert read_keyring(path, name=name, private=True) == keyring
    path.write_text(dump(public_half(keyring)))
    assert read_keyring(path, name=name, private=False) == public_half(keyring)


def test_a_new_version_is_the_current_one_and_old_ones_stay():
    old = make_keyring("identity")
    new = add_version(old)
    assert new.current == 2
    assert new.versions[1] == old.versions[1]


def test_the_public_half_holds_no_private_key():
    half = public_half(add_version(make_keyring("register")))
    assert all(version.private is None for version in half.versions.values())
    assert "private" not in dump(half)


def test_no_representation_shows_a_key():
    keyring = make_keyring("identity")
    version = keyring.versions[1]
    assert version.private is not None
    assert version.mac is not None
    assert repr(version.private) not in repr(keyring)
    assert repr(version.mac) not in repr(keyring)


def test_a_missing_private_half_is_refused_where_it_is_needed():
    with pytest.raises(KeyringError, match="version 1 has no private half"):
        parse_keyring(dump(public_half(make_keyring("identity"))), name="identity", private=True)


def test_a_private_half_is_refused_where_it_may_not_be():
    with pytest.raises(KeyringError, match="version 1 has a private half, which may not be here"):
        parse_keyring(dump(make_keyring("identity")), name="identity", private=False)


def test_all_faults_are_told_at_once():
    document = json.loads(dump(make_keyring("register")))
    document["current"] = 7
    document["versions"]["x"] = {}
    document["versions"]["2"] = {"public": "AAAA"}
    with pytest.raises(KeyringError) as told:
        parse_keyring(json.dumps(document), name="identity", private=True)
    for part in ("'identity' is needed", "current names no version", "'x' is not a number", "3 bytes instead of 32"):
        assert part in str(told.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"keyring": "identity", "current": 1, "versions": {}, "extra": 1}']
)
def test_what_is_no_keyring_is_refused(text: str):
    with pytest.raises(KeyringError):
        parse_keyring(text, name="identity", private=False)


def test_halves_of_two_pairs_are_refused():
    document = json.loads(dump(add_version(make_keyring("register"))))
    document["versions"]["1"]["private"] = document["versions"]["2"]["private"]
    with pytest.raises(KeyringError, match="halves of version 1 do not belong together"):
        parse_keyring(json.dumps(document), name="register", private=True)


def test_an_unreadable_file_is_refused_by_name(tmp_path: Path):
    with pytest.raises(KeyringError, match=r"absent\.json"):
        read_keyring(tmp_path / "absent.json", name="identity", private=False)


def test_a_secret_hashes_alike_with_both_halves_and_differently_per_version():
    keyring = add_version(make_keyring("identity"))
    assert hash_secret(keyring, "geheim") == hash_secret(public_half(keyring), "geheim")
    assert hash_secret(keyring, "geheim")[1] == 2
    assert hash_secret(keyring, "geheim")[0] != hash_secret(keyring, "geheim", 1)[0]


def test_the_register_keyring_hashes_no_secrets():
    with pytest.raises(KeyringError):
        hash_secret(make_keyring("register"), "geheim")
