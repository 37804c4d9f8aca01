"""The signature under a webhook, and the secret that its receiver checks it with. Pure.

A secret is stored nowhere: it is made of a notice key, which the admin side and the sealer have in a file, and of the
contact and generation that it is for. Who steals the database has no secret; the next generation makes another one. The
file holds base64 of 32 octets a line; the last line is the key of new secrets, the others still sign for contacts that
have theirs. Refuses a file without keys, and a line that is none, without showing it.

    Koppelpunt-Handtekening: t=1767225600,v1=<hex of HMAC-SHA-256 over "1767225600." and the body, by the secret>
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HEADER: Final = "Koppelpunt-Handtekening"
PREFIX: Final = "kpw_"
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class NoticeKeys:
    """Notice keys by name. `current` names the one of new secrets."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)


def parse_notice_keys(text: str) -> NoticeKeys:
    """Read the file's text. Raises ValueError, which shows no key."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate((one.strip() for one in text.splitlines()), start=1):
        if not line:
            continue
        try:
            key = base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _LENGTH:
            raise ValueError(f"Line {number} of the notice keys is no base64 of {_LENGTH} octets.")
        keys[hashlib.sha256(key).hexdigest()[:8]] = key
    if not keys:
        raise ValueError("The file of notice keys has none.")
    return NoticeKeys(list(keys)[-1], keys)


def read_notice_keys(path: Path | None) -> NoticeKeys | None:
    """The keys of a file; None without one: then no webhook can be signed. Raises OSError, ValueError."""
    return None if path is None else parse_notice_keys(path.read_text(encoding="ascii", errors="replace"))


def webhook_secret(keys: NoticeKeys, key: str, tenant_id: int, contact_id: int, generation: int) -> str | None:
    """The secret of a contact; None when its key is not here any more."""
    found = keys.keys.get(key)
    if found is None:
        return None
    made = hmac.digest(found, f"webhook/{tenant_id}/{contact_id}/{generation}".encode(), hashlib.sha256)
    return PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")


def signature_of(secret: str, body: bytes, at: int) -> str:
    """The value of the header. `at` is Unix time, so that a receiver can refuse what was kept and sent again."""
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hex()}"
