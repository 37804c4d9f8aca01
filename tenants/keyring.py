"""Keyrings: versioned X25519 key pairs, of which a process holds only the half that it needs.

Owns the file format. Two keyrings exist: *identity* (opened by the gateway: private keys and client-secrets) and
*register* (opened by the admin side: what the register holds). Whoever has the public half can seal; only the private
half opens. Refuses a private half where none belongs: a process that could open more than it must is a fault.

    {"keyring": "identity", "current": 2, "versions": {"1": {"public": …, "private": …, "mac": …}, "2": {…}}}

Values are base64 of 32 bytes. `mac`, in the identity keyring and its public half, keys the hashes of callers' secrets.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

NAMES = ("identity", "register")
_PARTS = ("public", "private", "mac")
_LARGEST_VERSION = 0xFFFF


class KeyringError(Exception):
    """A keyring cannot be used; the text says all that is wrong with it, and never shows a key."""


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One key pair. `private` is None where only sealing is needed; `mac` is None in the register keyring."""

    public: bytes
    private: bytes | None = field(default=None, repr=False)
    mac: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Versions of one keyring. New things are sealed with `current`; old ones open with the version they name."""

    name: str
    current: int
    versions: Mapping[int, KeyVersion]

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))


def make_keyring(name: str) -> Keyring:
    """Make a keyring of one new version. Raises KeyringError for an unknown name."""
    if name not in NAMES:
        raise KeyringError(f"A keyring is named {' or '.join(NAMES)}, not {name!r}.")
    return Keyring(name, 1, {1: _make_version(name)})


def add_version(keyring: Keyring, *, current: bool = True) -> Keyring:
    """Return the keyring with one more version. Old versions still open what they sealed.

    `current=False` prepares it: every process must be able to open with a version before anyone seals with it.
    """
    version = max(keyring.versions) + 1
    if version > _LARGEST_VERSION:
        raise KeyringError("A keyring has 65535 versions at most.")
    versions = {**keyring.versions, version: _make_version(keyring.name)}
    return Keyring(keyring.name, version if current else keyring.current, versions)


def make_current(keyring: Keyring, version: int) -> Keyring:
    """Return the keyring that seals with this version from now on. Raises KeyringError for an unknown or older one."""
    if version not in keyring.versions or version < keyring.current:
        raise KeyringError(f"Version {version} of keyring {keyring.name} cannot become the current one.")
    return Keyring(keyring.name, version, keyring.versions)


def drop_version(keyring: Keyring, version: int) -> tuple[Keyring, Keyring]:
    """Return the keyring without a version, and that version as a keyring of its own. Raises KeyringError.

    What was sealed with it can be opened by the second one alone: of a backup, for instance.
    """
    if version not in keyring.versions:
        raise KeyringError(f"Keyring {keyring.name} has no version {version}.")
    if version == keyring.current:
        raise KeyringError(f"Version {version} of keyring {keyring.name} is the current one and stays.")
    left = {number: one for number, one in keyring.versions.items() if number != version}
    return Keyring(keyring.name, keyring.current, left), Keyring(
        keyring.name, version, {version: keyring.versions[version]}
    )


def public_half(keyring: Keyring) -> Keyring:
    """Return what may seal and not open. It still holds `mac`: whoever has it can test guesses of callers' secrets."""
    versions = {number: replace(version, private=None) for number, version in keyring.versions.items()}
    return Keyring(keyring.name, keyring.current, versions)


def hash_secret(keyring: Keyring, secret: str, version: int | None = None) -> tuple[bytes, int]:
    """Return the keyed hash (HMAC-SHA-256) of a caller's secret, and the version that keyed it (None: the current).

    A plain hash would do against a stolen table, as these secrets are random; the key also keeps who can write the
    table from making a caller. Raises KeyringError for an unknown version.
    """
    number = keyring.current if version is None else version
    found = keyring.versions.get(number)
    if found is None or found.mac is None:
        raise KeyringError(f"Keyring {keyring.name} has no version {number} that can hash a secret.")
    return hmac.digest(found.mac, secret.encode("utf-8", "surrogatepass"), hashlib.sha256), number


def dump(keyring: Keyring) -> str:
    """Return the file's text, private halves included where the keyring has them."""
    versions = {
        str(number): {
            part: base64.b64encode(value).decode() for part in _PARTS if (value := getattr(version, part)) is not None
        }
        for number, version in sorted(keyring.versions.items())
    }
    document = {"keyring": keyring.name, "current": keyring.current, "versions": versions}
    return json.dumps(document, indent=2) + "\n"


def read_keyring(path: str | Path, *, name: str, private: bool) -> Keyring:
    """Read a keyring file. Raises KeyringError with everything that is wrong.

    `private` says whether this process opens what was sealed: then every version must have its private half, and
    otherwise none may.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"Keyring {name} cannot be read from {path}: {type(error).__name__}.") from None
    return parse_keyring(text, name=name, private=private)


def parse_keyring(text: str, *, name: str, private: bool) -> Keyring:
    """`read_keyring` for the text itself (from an environment variable)."""
    try:
        document = json.loads(text)
    except ValueError:
        raise KeyringError(f"Keyring {name} is not JSON.") from None
    if not isinstance(document, dict) or document.keys() != {"keyring", "current", "versions"}:
        raise KeyringError(f"Keyring {name} must be an object with keyring, current and versions, and nothing else.")
    faults = []
    if document["keyring"] != name:
        faults.append(f"it is keyring {document['keyring']!r}, and {name!r} is needed")
    versions = _read_versions(document["versions"], name, faults, private=private)
    current = document["current"]
    if not isinstance(current, int) or current not in versions:
        faults.append("current names no version of it")
    if faults:
        raise KeyringError(f"Keyring {name} cannot be used: {'; '.join(faults)}.")
    return Keyring(name, current, versions)


def _read_versions(found: Any, name: str, faults: list[str], *, private: bool) -> dict[int, KeyVersion]:
    if not isinstance(found, dict) or not found:
        faults.append("it has no versions")
        return {}
    versions = {}
    for number, parts in found.items():
        if not (number.isascii() and number.isdigit() and str(int(number)) == number):
            faults.append(f"version {number!r} is not a number")
            continue
        if not 1 <= int(number) <= _LARGEST_VERSION:
            faults.append(f"version {number} is not between 1 and {_LARGEST_VERSION}")
            continue
        version = _read_version(number, parts, faults)
        if version is not None:
            versions[int(number)] = version
            faults += _faults_of(number, version, name, private=private)
    return versions


def _read_version(number: str, parts: Any, faults: list[str]) -> KeyVersion | None:
    if not isinstance(parts, dict) or "public" not in parts or parts.keys() - set(_PARTS):
        faults.append(f"version {number} must have public, and may have private and mac")
        return None
    values: dict[str, bytes] = {}
    for part, text in parts.items():
        try:
            values[part] = base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError):
            faults.append(f"{part} of version {number} is not base64")
            return None
        if len(values[part]) != 32:
            faults.append(f"{part} of version {number} has {len(values[part])} bytes instead of 32")
            return None
    return KeyVersion(values["public"], values.get("private"), values.get("mac"))


def _faults_of(number: str, version: KeyVersion, name: str, *, private: bool) -> list[str]:
    faults = []
    if private and version.private is None:
        faults.append(f"version {number} has no private half, which is needed here")
    if not private and version.private is not None:
        faults.append(f"version {number} has a private half, which may not be here")
    if version.private is not None and _public_of(version.private) != version.public:
        faults.append(f"the halves of version {number} do not belong together")
    if (version.mac is None) == (name == "identity"):
        faults.append(f"version {number} has {'no' if version.mac is None else 'a'} mac")
    return faults


def _make_version(name: str) -> KeyVersion:
    private = X25519PrivateKey.generate().private_bytes_raw()
    return KeyVersion(_public_of(private), private, secrets.token_bytes(32) if name == "identity" else None)


def _public_of(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
