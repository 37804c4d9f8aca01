"""Checkpoints as files: the sealer's own memory of what it signed. One file per tenant, replaced whole.

A file is written beside the old one, made durable, and put in its place, so that a crash leaves the old or the new one.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tenants.checkpoints import BadNote, VerifierKey, read_verifier_keys

_KEYS = "signing-keys.txt"


def read_kept(directory: Path, oin: str) -> str | None:
    """The last checkpoint of a tenant that was kept here; None when there is none. Raises OSError."""
    try:
        return (directory / f"{oin}.checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def list_kept(directory: Path) -> Iterator[tuple[str, str]]:
    """Every checkpoint that is kept here, as (OIN, text). What cannot be read as text is empty text. Raises OSError."""
    for path in sorted(directory.glob("*.checkpoint")):
        if not path.name.startswith("."):
            yield path.name.removesuffix(".checkpoint"), path.read_text(encoding="utf-8", errors="replace")


def write_kept(directory: Path, oin: str, note: str) -> None:
    """Keep a checkpoint. Raises OSError."""
    write_whole(directory / f"{oin}.checkpoint", note)


def remember_keys(directory: Path, prefix: str, keys: Sequence[bytes]) -> list[bytes]:
    """Keep these public keys with those that were kept before, and return all of them. Raises OSError, ValueError.

    A key is remembered for as long as the directory is: a tree that grows no more stands under the key that signed it last.
    """
    path = directory / _KEYS
    try:
        kept = [key.public_key for key in read_verifier_keys(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        kept = []
    except (BadNote, UnicodeDecodeError):
        raise ValueError("The public keys that the sealer remembers cannot be read.") from None
    known = list(dict.fromkeys([*kept, *keys]))
    if known != kept:
        write_whole(path, "".join(f"{VerifierKey(prefix, key)}\n" for key in known))
    return known


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it, and so that it survives a power cut. Raises OSError."""
    write_octets(path, text.encode())


def write_octets(path: Path, content: bytes) -> None:
    """The same for what is no text. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
