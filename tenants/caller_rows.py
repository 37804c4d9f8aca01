"""Rows of IDPs and callers' keys as values. Only what could let a call in is read: what has ended stays where it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tenants.model import Idp, TaaksysteemKey

IDPS: Final = """SELECT tenant_id, idp_id, version, issuer, jwks_url, audience, algorithms, clock_skew_seconds, claim_taaksysteem,
    claim_user, claim_roles, claim_afnemer_id
  FROM registry.idp WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1)) AND state = 'active'"""
"""For one cursor over these tenants ($1), or over all (null)."""

KEYS: Final = """SELECT tenant_id, key_id, taaksysteem_id, kind, client_id, hash, hash_version, valid_from, valid_until, state,
    idp_id, idp_client, thumbprint, oin, jwks
  FROM registry.taaksysteem_key WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1)) AND state = 'active'"""
"""As above."""

_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


def make_idp(row: Mapping[str, Any]) -> Idp:
    """One row of IDPS."""
    return Idp(
        tenant_id=row["tenant_id"],
        idp_id=row["idp_id"],
        version=row["version"],
        issuer=row["issuer"],
        jwks_url=row["jwks_url"],
        audience=row["audience"],
        algorithms=frozenset(row["algorithms"]),
        clock_skew=row["clock_skew_seconds"],
        claim_taaksysteem=row["claim_taaksysteem"],
        claim_user=row["claim_user"],
        claim_roles=row["claim_roles"],
        claim_afnemer_id=row["claim_afnemer_id"],
    )


def make_key(row: Mapping[str, Any]) -> TaaksysteemKey:
    """One row of KEYS."""
    return TaaksysteemKey(
        tenant_id=row["tenant_id"],
        key_id=row["key_id"],
        taaksysteem_id=row["taaksysteem_id"],
        kind=row["kind"],
        client_id=row["client_id"],
        hash=row["hash"],
        hash_version=row["hash_version"],
        valid_from=_moment(row["valid_from"], _ALWAYS),
        valid_until=_moment(row["valid_until"], _FOREVER),
        state=row["state"],
        idp_id=row["idp_id"],
        idp_client=row["idp_client"],
        thumbprint=row["thumbprint"],
        oin=row["oin"],
        jwks=row["jwks"],
    )


def _moment(value: datetime, otherwise: datetime) -> datetime:
    # PostgreSQL's infinity arrives as the naive extremes of datetime.
    return otherwise if value.tzinfo is None or value.year in {1, 9999} else value
