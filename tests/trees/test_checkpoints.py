"""A checkpoint is a C2SP signed note: it verifies under the tree's own key and name, and under nothing else."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tenants.checkpoints import (
    BadNote,
    Checkpoint,
    VerifierKey,
    open_note,
    origin_of,
    read_signing_keys,
    read_verifier_keys,
    sign,
)

ORIGIN = "koppelpunt.example/00000001001234567000"
KEY, OTHER = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"o" * 32)
CHECKPOINT = Checkpoint(ORIGIN, 1_048_576, hashlib.sha256(b"root").digest())


def verifier(key: Ed25519PrivateKey = KEY, name: str = ORIGIN) -> VerifierKey:
    return VerifierKey(name, key.public_key().public_bytes_raw())


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_note_has_the_form_of_the_specification():
    origin, size, root, empty, signature, rest = sign(CHECKPOINT, [KEY]).split("\n")
    assert (origin, size, base64.b64decode(root), empty, rest) == (ORIGIN, "1048576", CHECKPOINT.root, "", "")
    mark, name, encoded = signature.split(" ")
    signed = base64.b64decode(encoded)
    number = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + KEY.public_key().public_bytes_raw()).digest()[:4]
    assert (mark, name, signed[:4], len(signed)) == ("—", ORIGIN, number, 68)
    KEY.public_key().verify(signed[4:], f"{origin}\n{size}\n{root}\n".encode())


def test_a_verifier_key_is_read_as_it_is_written():
    # The example of the Go implementation of signed notes.
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    (key,) = read_verifier_keys(f"# whose\n\n{text}\n")
    assert (str(key), key.name, key.number.hex()) == (text, "PeterNeumann", "c74f20a3")


def test_a_note_says_who_signed_which_tree():
    assert open_note(sign(CHECKPOINT, [KEY]), [verifier()]) == CHECKPOINT


def test_during_a_rotation_either_key_verifies():
    note = sign(CHECKPOINT, [OTHER, KEY])
    assert open_note(note, [verifier()]) == open_note(note, [verifier(OTHER)]) == CHECKPOINT


@pytest.mark.parametrize("key", [verifier(OTHER), verifier(name="koppelpunt.example/00000001009999999000")])
def test_a_note_of_another_key_or_another_tree_is_not_trusted(key):
    with pytest.raises(BadNote, match="No key that is trusted"):
        open_note(sign(CHECKPOINT, [KEY]), [key])


def test_a_key_cannot_speak_for_another_tree():
    stolen = sign(CHECKPOINT, [KEY]).replace(f"— {ORIGIN}", "— koppelpunt.example/x")
    with pytest.raises(BadNote):
        open_note(stolen, [verifier(), verifier(name="koppelpunt.example/x")])


@given(st.integers(0, 300), st.integers(0, 255))
def test_a_note_that_was_changed_anywhere_is_refused(place, value):
    note = sign(CHECKPOINT, [KEY]).encode()
    place %= len(note)
    changed = note[:place] + bytes([value]) + note[place + 1 :]
    if changed == note:
        return
    with pytest.raises(BadNote):
        open_note(changed.decode("utf-8", "replace"), [verifier()])


@pytest.mark.parametrize(
    "note",
    ["", "a\n1\n", "a\n01\nAAAA\n\n— a AAAA\n", "a\n1\nAAAA\nmore\n\n— a AAAA\n", "a\n1\nAAAA\n\nx\n", "\n1\n\n\n"],
)
def test_what_is_no_checkpoint_is_refused(note):
    with pytest.raises(BadNote):
        open_note(note, [verifier()])


@pytest.mark.parametrize("text", ["", "# nothing", "a+b+c", str(verifier()).replace("+", "-"), str(verifier())[:-4]])
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(BadNote):
        read_verifier_keys(text)


def test_a_file_may_hold_two_private_keys_and_only_of_the_right_sort():
    assert [one.private_bytes_raw() for one in read_signing_keys(pem(OTHER) + b"\n" + pem(KEY))] == [
        b"o" * 32,
        b"k" * 32,
    ]
    for wrong in (b"", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", pem(X25519PrivateKey.generate())):
        with pytest.raises(ValueError, match="checkpoint key"):
            read_signing_keys(wrong)


def test_an_origin_is_one_word():
    assert origin_of("koppelpunt.example", "00000001001234567000") == ORIGIN
    for prefix in ("", "a b", "a+b"):
        with pytest.raises(ValueError, match="origin"):
            origin_of(prefix, "1")
