"""What RvIG's token says of itself, and whether that agrees with the aansluiting. Pure: no I/O, no clock.

The token is RvIG's and for RvIG: its signature is not checked here, and nothing is granted by what it says. It may be
encrypted or opaque, then there is nothing to compare. Reading it serves one purpose: a token of another afnemer must be
seen before a call leaves with it. A claim that is missing contradicts nothing.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tenants.model import Aansluiting

FOREIGN_GEMEENTECODE = "gemeentecodeBijNietGemeente"
"""The token of a body that is no gemeente carries a gemeentecode: RvIG would skip its checks of fields. An alarm."""

_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that can be compared; each holds every value that the token gives. `seconds` is exp − iat."""

    oins: tuple[str, ...] = ()
    afnemer_ids: tuple[str, ...] = ()
    gemeentecodes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    mailbox_ids: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    seconds: float | None = field(default=None)


def read_claims(token: str) -> Claims | None:
    """Read the payload of a compact JWS (RFC 7515 section 7.1); None when the token is anything else."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST:
        return None
    try:
        text = parts[1].encode("ascii")
        payload = orjson.loads(base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        return None
    if not isinstance(payload, dict):
        return None
    found: dict[str, list[str]] = {}
    for name, value in _pairs(payload.get("claims")):
        if value.strip():
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return Claims(
        oins=tuple(found.get("oin", ())),
        afnemer_ids=tuple(found.get("afnemerid", ())),
        gemeentecodes=tuple(found.get("gemeentecode", ())),
        endpoints=tuple(found.get("endpoint", ())),
        mailbox_ids=tuple(found.get("mailboxid", ())),
        scopes=_scopes(payload.get("scope")),
        seconds=_seconds(payload.get("exp"), payload.get("iat")),
    )


def check_claims(claims: Claims, aansluiting: Aansluiting, *, endpoint: str | None, scope: str) -> tuple[str, ...]:
    """Name every contradiction between a token and the aansluiting that asked for it with `scope`; () is agreement.

    A claim with several values agrees only if all do; but a token may serve more endpoints than the one that is needed.
    """
    wanted_mailbox = aansluiting.mailbox_id
    wrong = {
        # By an exception the certificate is another organisation's; then RvIG may name either.
        "oin": any(
            _plain_oin(one) not in {aansluiting.organisation_oin, aansluiting.certificate.oin} for one in claims.oins
        ),
        "afnemerId": any(one.zfill(6) != aansluiting.afnemer_id for one in claims.afnemer_ids),
        "gemeentecode": _wrong_gemeentecode(claims, aansluiting.gemeentecode),
        FOREIGN_GEMEENTECODE: aansluiting.gemeentecode is None and bool(claims.gemeentecodes),
        "endpoint": endpoint is not None and bool(claims.endpoints) and endpoint not in claims.endpoints,
        "mailbox": wanted_mailbox is not None and any(one != wanted_mailbox for one in claims.mailbox_ids),
        "scope": any(_plain_scope(one) != _plain_scope(scope) for one in claims.scopes),
    }
    return tuple(name for name, is_wrong in wrong.items() if is_wrong)


def _wrong_gemeentecode(claims: Claims, gemeentecode: str | None) -> bool:
    return gemeentecode is not None and any(one.zfill(4) != gemeentecode.zfill(4) for one in claims.gemeentecodes)


def _plain_oin(oin: str) -> str:
    """RvIG's test material has OINs with one leading zero too many; they are the same organisation's."""
    return oin[1:] if len(oin) == 21 and oin.startswith("0") else oin


def _plain_scope(scope: str) -> str:
    head, dash, oin = scope.rpartition("-")
    return f"{head}{dash}{_plain_oin(oin)}"


def _pairs(claims: Any) -> Iterable[tuple[str, str]]:
    """`["OIN=…", "endpoint=…"]` or `{"OIN": "…"}` as pairs; whatever else stands there is passed over."""
    if isinstance(claims, dict):
        return [(name, value) for name, value in claims.items() if isinstance(value, str)]
    if not isinstance(claims, list):
        return []
    return [(one.partition("=")[0], one.partition("=")[2]) for one in claims if isinstance(one, str) and "=" in one]


def _scopes(scope: Any) -> tuple[str, ...]:
    if isinstance(scope, str):
        return tuple(scope.split())
    return tuple(one for one in scope if isinstance(one, str)) if isinstance(scope, list) else ()


def _seconds(expires: Any, issued: Any) -> float | None:
    """Life of the token, by its own clock; None when it does not say."""
    numbers = [one for one in (expires, issued) if isinstance(one, int | float) and not isinstance(one, bool)]
    return float(numbers[0] - numbers[1]) if len(numbers) == 2 else None
