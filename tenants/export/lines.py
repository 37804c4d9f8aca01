"""One line of an export: a row of the register with the place of its leaf. Pure. docs/register-format.md says the form.

`row` holds exactly what the row's hash covers, in that order; the hash is SHA-256 over the JSON array of its values, as
PostgreSQL writes it (values separated by a comma and a space, no other white space, only the escapes that JSON demands).
Beside it stand what it covers by a hash of their own: the sealed bytes and the persons.
"""

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from tenants.leaves import Kind

OPENING: Final = (
    "form", "tenant_id", "id", "writer_id", "number", "opened_at", "aansluiting_id", "aansluiting_version",
    "machtiging_id", "machtiging_version", "mandate_id", "mandate_version", "taaksysteem_tenant_id", "taaksysteem_id",
    "taaksysteem_version", "acting_oin", "afnemer_id", "organisation_oin", "certificate_oin", "fingerprint",
    "doelbinding", "grondslag", "ontvanger", "verwerkingsactiviteit", "refusal", "api", "operation", "question_type",
    "zoekrubrieken", "rubrieken", "trace_id", "user_index", "data_key_id", "sealed_sha256",
)  # fmt: skip
CLOSING: Final = (
    "form", "tenant_id", "id", "writer_id", "number", "closed_at", "opening_hash", "outcome", "status", "code",
    "persons", "unidentified", "question_bytes", "answer_bytes", "token_us", "upstream_us", "total_us",
    "persons_sha256", "data_key_id", "sealed_sha256",
)  # fmt: skip
WIJZIGING: Final = ("form", "tenant_id", "number", "at", "actor", "action", "object", "before", "after")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {"opening": OPENING, "closing": CLOSING, "wijziging": WIJZIGING}
FORMS: Final[Mapping[str, str]] = {
    "opening": "register/opening/1",
    "closing": "register/closing/1",
    "wijziging": "registry/wijziging/1",
}
_NEWLINE_AFTER_COMMA: Final = b",\n  "


def canonical(values: Sequence[Any]) -> bytes:
    """The JSON array of text, integers, true, false and null as PostgreSQL writes it."""
    if not values:
        return b"[]"
    # Indented, every separator is a line break, which no string holds unescaped: so they can be replaced safely.
    indented = orjson.dumps(values, option=orjson.OPT_INDENT_2)
    return b"[" + indented[4:-2].replace(_NEWLINE_AFTER_COMMA, b", ") + b"]"


def persons_hash(persons: Sequence[str]) -> str | None:
    """What a closing says of its persons: SHA-256 over the array of `index/message id`, by their bytes; None for nobody."""
    if not persons:
        return None
    return hashlib.sha256(canonical(sorted(set(persons), key=str.encode))).hexdigest()


def line_of(
    leaf: int,
    kind: Kind,
    leaf_hash: bytes,
    row_hash: bytes,
    row: Mapping[str, Any],
    *,
    sealed: bytes | None = None,
    persons: Sequence[str] | None = None,
    contents: Mapping[str, Any] | None = None,
) -> bytes:
    """One line, without its end."""
    line: dict[str, Any] = {
        "leaf": leaf, "kind": kind, "hash": row_hash.hex(), "leaf_hash": leaf_hash.hex(), "row": row,
    }  # fmt: skip
    if sealed is not None:
        line["sealed"] = binascii.b2a_base64(sealed, newline=False).decode()
    if persons is not None:
        line["persons"] = persons
    if contents is not None:
        line["contents"] = contents
    return orjson.dumps(line, default=_text_of)


def line_of_gone(leaf: int, kind: Kind, leaf_hash: bytes, number: str) -> bytes:
    """A leaf whose row is not in the register any more: destroyed with its month, or taken away."""
    return orjson.dumps({"leaf": leaf, "kind": kind, "leaf_hash": leaf_hash.hex(), "number": number, "row": None})


def _text_of(value: object) -> str:
    """An id as PostgreSQL's driver gives it. Raises TypeError for anything else."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
