"""Checkpoints: the signed size and root of a tree, as text (C2SP tlog-checkpoint, signed-note; Ed25519). Pure.

    koppelpunt.example/00000001001234567000          origin: whose tree it is
    1048576                                          size: how many leaves
    base64 of 32 bytes                               root
    (empty line)
    — koppelpunt.example/00000001001234567000 base64 of 4 bytes key number and 64 bytes signature

The name in a signature is the origin. The key number is the first four bytes of SHA-256(name || 0x0A || 0x01 || public
key), so it differs per tenant and per key; a note that two keys signed (a rotation) verifies with either. Refuses what
is not exactly of this form. Raises BadNote, whose text says what is wrong.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_ALGORITHM = b"\x01"
_MARK = "— "
_LARGEST_NOTE = 4_096
_END = "-----END PRIVATE KEY-----"
_PUBLIC = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class BadNote(Exception):
    """Not a checkpoint, or not one that a trusted key signed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """That the tree of this origin had so many leaves and this root."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name that it signs as. As text: `name+number in hex+base64 of 0x01 and the key`."""

    name: str
    public_key: bytes

    @property
    def number(self) -> bytes:
        """The four bytes that stand in each signature of it."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ALGORITHM + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.number.hex()}+{base64.b64encode(_ALGORITHM + self.public_key).decode()}"


def origin_of(prefix: str, oin: str) -> str:
    """The origin of a tenant's tree. `prefix` names the installation, as a host name does. Raises ValueError."""
    if not prefix or "+" in prefix or any(character.isspace() for character in prefix):
        raise ValueError("The origin of checkpoints is a name without spaces and plus signs.")
    return f"{prefix}/{oin}"


def sign(checkpoint: Checkpoint, keys: Sequence[Ed25519PrivateKey]) -> str:
    """Return the note, signed with every key."""
    body = checkpoint.body()
    lines = []
    for key in keys:
        named = VerifierKey(checkpoint.origin, key.public_key().public_bytes_raw())
        signature = base64.b64encode(named.number + key.sign(body.encode())).decode()
        lines.append(f"{_MARK}{checkpoint.origin} {signature}\n")
    return f"{body}\n{''.join(lines)}"


def read_note(note: str) -> tuple[Checkpoint, list[tuple[str, bytes, bytes]]]:
    """Return what a note says and its signatures as (name, key number, signature), none of them checked."""
    body, mark, tail = note.partition("\n\n")
    lines = body.split("\n")
    if len(note) > _LARGEST_NOTE or not mark or len(lines) < 3 or not tail.endswith("\n"):
        raise BadNote("This is no signed checkpoint.")
    origin, size, root = lines[:3]
    if not origin or not (size.isascii() and size.isdigit()) or (size != "0" and size.startswith("0")):
        raise BadNote("This checkpoint has no origin, or no size.")
    if len(lines) > 3:
        raise BadNote("This checkpoint says more than is known here.")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, _, value = line.removeprefix(_MARK).rpartition(" ")
        if not line.startswith(_MARK) or not name:
            raise BadNote("This checkpoint has a line that is no signature.")
        decoded = _decode(value, "A signature")
        signatures.append((name, decoded[:4], decoded[4:]))
    decoded_root = _decode(root, "The root")
    if len(decoded_root) != 32:
        raise BadNote("The root of this checkpoint has no 32 bytes.")
    return Checkpoint(origin, int(size), decoded_root), signatures


def open_note(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Return what a note says when one of these keys signed it, under the name of the tree that it is about."""
    checkpoint, signatures = read_note(note)
    known = {(key.name, key.number): key for key in keys}
    for name, number, signature in signatures:
        key = known.get((name, number))
        if key is None or name != checkpoint.origin:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, checkpoint.body().encode())
        except InvalidSignature:
            raise BadNote(f"The signature under the checkpoint of size {checkpoint.size} is false.") from None
        return checkpoint
    raise BadNote(f"No key that is trusted here signed the checkpoint of {checkpoint.origin}.")


def read_verifier_keys(text: str) -> list[VerifierKey]:
    """Read keys, one a line; empty lines and lines that begin with # say nothing. Raises BadNote."""
    keys = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition("+")
        number, _, encoded = rest.partition("+")
        decoded = _decode(encoded, "A key")
        key = VerifierKey(name, decoded[1:])
        if not name or decoded[:1] != _ALGORITHM or len(decoded) != 33 or key.number.hex() != number:
            raise BadNote("A line of the public keys is no Ed25519 verifier key (name+number+key).")
        keys.append(key)
    if not keys:
        raise BadNote("There is no public key here.")
    return keys


def read_signing_keys(pem: bytes) -> list[Ed25519PrivateKey]:
    """Read one or more private keys (PKCS #8, PEM). All of them sign. Raises ValueError, which shows no key."""
    keys = []
    for part in _PUBLIC.sub("", pem.decode("ascii", "replace")).split(_END)[:-1]:
        try:
            key = load_pem_private_key((part.strip() + "\n" + _END + "\n").encode(), None)
        except (ValueError, TypeError):
            raise ValueError("The checkpoint key cannot be read.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("The checkpoint key must be an Ed25519 key.")  # noqa: TRY004 - the file is wrong, not the call
        keys.append(key)
    if not keys:
        raise ValueError("The checkpoint key must be an unencrypted private key in PEM.")
    return keys


def read_retired_keys(pem: bytes) -> list[bytes]:
    """Read the public keys (PEM) in such a file, of keys that sign no more: 32 bytes each. Raises ValueError."""
    keys = []
    for part in _PUBLIC.findall(pem.decode("ascii", "replace")):
        try:
            key = load_pem_public_key(part.encode())
        except (ValueError, TypeError):
            raise ValueError("A retired checkpoint key cannot be read.") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("A retired checkpoint key must be an Ed25519 key.")  # noqa: TRY004 - the file is wrong, not the call
        keys.append(key.public_bytes_raw())
    return keys


def make_signing_key() -> bytes:
    """Make a private key, in the form in which it is read."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _decode(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote(f"{what} is no base64.") from None
