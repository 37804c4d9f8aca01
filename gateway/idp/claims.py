"""What a token of a tenant's IDP must say, and what it then means: taaksysteem, user, roles, AfnemerID. Pure.

The token must be of this issuer, for this gateway (`aud`), of now (`exp`, `iat`, and `nbf` where it is there, each with the
IDP's clock skew), and live no longer than the NL GOV OAuth profile allows. The taaksysteem is the claim that the tenant
named, `azp` unless said otherwise; an `azp` beside it must say the same. Claims are taken as they are or not at all: one
that should be text and is not spoils the token. A user without the AfnemerID that the tenant's tokens are said to carry
is refused: the aansluiting of that moment is the employee's, and nothing else may stand in for it.

Sources: RFC 9068, RFC 8725, OpenID Connect Core 2 and 3.1.3.7, RFC 8705 3.1, NL GOV OAuth profile.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tenants.model import AfnemerId, Idp

LONGEST_SECONDS: Final = 6 * 3600
"""How long a token may live, from `iat` to `exp` (NL GOV OAuth profile)."""

TYPES: Final = frozenset({"", "jwt", "at+jwt"})
_MOST_ROLES: Final = 200
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
_LAST_MOMENT: Final = 253_402_300_800


class ClaimsRefused(Exception):
    """A token that is well signed does not say what it must. `code` is for the security log, never for the caller."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class IdpIdentity:
    """Whom a token names. It counts from `not_before` until `expires` (Unix time, the clock skew included).

    `thumbprint` is that of the certificate to which the token is bound, where it is (RFC 8705).
    """

    taaksysteem: str
    user: str | None = field(repr=False)
    roles: frozenset[str] = field(repr=False)
    afnemer_id: AfnemerId | None
    not_before: float
    expires: float
    thumbprint: bytes | None = None


def read_identity(payload: Mapping[str, Any], idp: Idp) -> IdpIdentity:
    """Return whom a verified payload names. Raises ClaimsRefused. Whether it counts now is for whoever has a clock."""
    if payload.get("iss") != idp.issuer:
        raise ClaimsRefused("idpIssuer")
    audience = payload.get("aud")
    if audience != idp.audience and not (isinstance(audience, list) and idp.audience in audience):
        raise ClaimsRefused("idpAudience")
    not_before, expires = _read_times(payload, idp)
    taaksysteem = _text(_find(payload, idp.claim_taaksysteem), "idpTaaksysteem")
    if payload.get("azp", taaksysteem) != taaksysteem:
        raise ClaimsRefused("idpTaaksysteem")
    user = None if idp.claim_user is None else _optional(_find(payload, idp.claim_user), "idpGebruiker")
    return IdpIdentity(
        taaksysteem=taaksysteem,
        user=user,
        roles=frozenset() if idp.claim_roles is None else _read_roles(_find(payload, idp.claim_roles)),
        afnemer_id=_read_afnemer_id(payload, idp, has_user=user is not None),
        not_before=not_before,
        expires=expires,
        thumbprint=read_confirmation(payload),
    )


def read_confirmation(payload: Mapping[str, Any]) -> bytes | None:
    """The thumbprint of `cnf` (RFC 8705, 3.1). Raises ClaimsRefused for any other confirmation: it could not be checked."""
    if "cnf" not in payload:
        return None
    confirmation = payload["cnf"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {"x5t#S256"}:
        raise ClaimsRefused("idpBevestiging")
    try:
        text = confirmation["x5t#S256"]
        thumbprint = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ClaimsRefused("idpBevestiging") from None
    if len(thumbprint) != 32:
        raise ClaimsRefused("idpBevestiging")
    return thumbprint


def read_moment(value: object) -> float | None:
    """A NumericDate (RFC 7519, 2); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value < _LAST_MOMENT else None


def _read_times(payload: Mapping[str, Any], idp: Idp) -> tuple[float, float]:
    issued, ends = read_moment(payload.get("iat")), read_moment(payload.get("exp"))
    begins = issued if "nbf" not in payload else read_moment(payload["nbf"])
    if issued is None or ends is None or begins is None or not 0 < ends - issued <= LONGEST_SECONDS:
        raise ClaimsRefused("idpTijden")
    return max(begins, issued) - idp.clock_skew, ends + idp.clock_skew


def _read_afnemer_id(payload: Mapping[str, Any], idp: Idp, *, has_user: bool) -> AfnemerId | None:
    if idp.claim_afnemer_id is None:
        return None
    value = _find(payload, idp.claim_afnemer_id)
    if value is None and not has_user:
        return None
    try:
        # A number has lost its leading zeros: it is text or nothing.
        return AfnemerId(value) if isinstance(value, str) else _refuse("idpAfnemerId")
    except ValueError:
        raise ClaimsRefused("idpAfnemerId") from None


def _read_roles(value: object) -> frozenset[str]:
    listed = [] if value is None else value.split() if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > _MOST_ROLES:
        raise ClaimsRefused("idpRollen")
    return frozenset(_text(one, "idpRollen") for one in listed)


def _find(payload: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or the one at this path of names; None where there is none."""
    if name in payload:
        return payload[name]
    found: Any = payload
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def _optional(value: object, code: str) -> str | None:
    return None if value is None else _text(value, code)


def _text(value: object, code: str) -> str:
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise ClaimsRefused(code)
    return value


def _refuse(code: str) -> AfnemerId:
    raise ClaimsRefused(code)
