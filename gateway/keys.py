"""The key files of an installation: made once, checked at will, rotated by versions.

Two keyrings, because two processes need different secrets: the identity keyring (gateway) opens private keys and
client-secrets, the register keyring (tenants) opens the register. Each process gets the whole of its own and the public
half of the other. `keys make` overwrites nothing: a lost private half is a lost register. Versions are added, made current
and dropped by writing a file beside the old one and putting it in its place; the whole keyring goes first and its public
half is made from it, so that what is broken off in between is mended by the next command.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.issued import make_signing_keys, read_signing_keys
from tenants.keyring import (
    Keyring,
    add_version,
    drop_version,
    dump,
    make_current,
    make_keyring,
    public_half,
    read_keyring,
)

NAMES = ("identity", "register")
TOKEN_KEYS = "token.keys"  # noqa: S105 - a file name


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """One keyring as files in a directory: the whole and its public half."""

    directory: Path
    name: str

    @property
    def whole(self) -> Path:
        return self.directory / f"{self.name}.keyring"

    @property
    def half(self) -> Path:
        return self.directory / f"{self.name}.public"

    def read(self) -> Keyring:
        """The whole keyring. Raises KeyringError, and ValueError when its public half is another's."""
        keyring = read_keyring(self.whole, name=self.name, private=True)
        half = read_keyring(self.half, name=self.name, private=False)
        mine = public_half(keyring)
        shared = keyring.versions.keys() & half.versions.keys()
        if not shared or any(mine.versions[one] != half.versions[one] for one in shared):
            raise ValueError(
                f"{self.half.name} is not the public half of {self.whole.name}: give tenants and gateway the same pair."
            )
        return keyring

    def is_settled(self) -> bool:
        """Whether the public half says what the whole says; not so when a change was broken off."""
        return public_half(self.read()) == read_keyring(self.half, name=self.name, private=False)

    def write(self, keyring: Keyring) -> None:
        """Put both in the place of what is there. Raises OSError."""
        replace_file(self.whole, dump(keyring))
        replace_file(self.half, dump(public_half(keyring)))

    def prepare(self) -> Keyring:
        """Add a version that nobody seals with yet. One that is prepared already is that version."""
        keyring = self.read()
        if max(keyring.versions) == keyring.current:
            keyring = add_version(keyring, current=False)
        self.write(keyring)
        return keyring

    def advance(self) -> Keyring:
        """Make the newest version the current one."""
        there = self.read()
        keyring = make_current(there, max(there.versions))
        self.write(keyring)
        return keyring

    def drop(self, version: int) -> Path:
        """Take a version out, and keep it apart in a file for backups of before. Raises KeyringError, OSError."""
        left, gone = drop_version(self.read(), version)
        kept = self.directory / f"{self.name}.dropped-{version}.keyring"
        # First kept, then dropped: a crash in between leaves it twice.
        replace_file(kept, dump(gone))
        self.write(left)
        return kept


def make_all(directory: Path) -> list[Path]:
    """Make every file in `directory`, mode 0600. Raises FileExistsError when one of them exists; then makes none."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents = {TOKEN_KEYS: make_signing_keys()}
    for name in NAMES:
        keyring = make_keyring(name)
        contents[f"{name}.keyring"] = dump(keyring)
        contents[f"{name}.public"] = dump(public_half(keyring))
    present = [name for name in contents if (directory / name).exists()]
    if present:
        raise FileExistsError(f"Not overwritten: {', '.join(sorted(present))} in {directory}. Nothing was made.")
    for name, text in contents.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return [directory / name for name in sorted(contents)]


def check_all(directory: Path) -> list[str]:
    """Say of each file that it is whole, and that public halves belong to private ones. Raises ValueError, OSError."""
    said = []
    for name in NAMES:
        files = KeyFiles(directory, name)
        whole = files.read()
        if not files.is_settled():
            raise ValueError(
                f"{files.half.name} is behind {files.whole.name}: a change was broken off. "
                f"`koppelpunt keys add-version {directory} --keyring {name}` mends it."
            )
        prepared = max(whole.versions)
        ahead = "" if prepared == whole.current else f", version {prepared} prepared"
        said.append(f"{name}: {len(whole.versions)} version(s), current {whole.current}{ahead}, public half fits")
    read_signing_keys(directory / TOKEN_KEYS)
    said.append("token signing keys: readable")
    return said


def replace_file(path: Path, text: str) -> None:
    """Write a file so that there is always a whole one, which only its owner reads, unless the old one says otherwise."""
    mode, owner = 0o600, None
    if path.exists():
        there = path.stat()
        mode, owner = there.st_mode & 0o777, (there.st_uid, there.st_gid)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(stream.fileno(), *owner)
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
