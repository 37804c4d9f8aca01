"""Writes how callers prove themselves without a secret of this gateway: IDPs, their clients, certificates, public keys.

Scope, role and errors as in `tenants.registry`. Each is a key of a taaksysteem and is withdrawn as every key is
(`tenants.callers.withdraw_key`): from then on no opening passes that names it, or that was let in by it.
"""

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tenants.faults import InputRefused, NotFound

PROOFS: Final = frozenset({"api-key", "token", "idp", "certificate"})
"""The kinds of proof that a taaksysteem may have to give together."""

_MOST_KEYS: Final = 5
_LEAST_RSA: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class NewIdp:
    """An OIDC provider of the tenant. `clock_skew` in seconds; a claim that is None is not looked at."""

    name: str
    issuer: str
    jwks_url: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    clock_skew: int = 30
    claim_taaksysteem: str = "azp"
    claim_user: str | None = None
    claim_roles: str | None = None
    claim_afnemer_id: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """Everything but the name, in the order of the columns."""
        return (
            self.issuer, self.jwks_url, self.audience, list(self.algorithms), self.clock_skew, self.claim_taaksysteem,
            self.claim_user, self.claim_roles, self.claim_afnemer_id,
        )  # fmt: skip


async def put_idp(connection: asyncpg.Connection, tenant_id: int, idp: NewIdp) -> tuple[int, str]:
    """Make the active IDP of that name, or bring it to these words; return its number, and made, changed or same."""
    found = await connection.fetchrow(
        "SELECT idp_id, (issuer, jwks_url, audience, algorithms, clock_skew_seconds, claim_taaksysteem, claim_user, "
        "  claim_roles, claim_afnemer_id) IS NOT DISTINCT FROM ($3, $4, $5, $6::text[], $7::smallint, $8, $9, $10, $11) "
        "  AS same "
        "FROM registry.idp WHERE tenant_id = $1 AND name = $2 AND state = 'active'",
        tenant_id, idp.name, *idp.values,
    )  # fmt: skip
    if found is None:
        number: int = await connection.fetchval(
            "INSERT INTO registry.idp (tenant_id, name, issuer, jwks_url, audience, algorithms, clock_skew_seconds, "
            "  claim_taaksysteem, claim_user, claim_roles, claim_afnemer_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING idp_id",
            tenant_id, idp.name, *idp.values,
        )  # fmt: skip
        return number, "made"
    if found["same"]:
        return found["idp_id"], "same"
    await connection.execute(
        "UPDATE registry.idp SET issuer = $3, jwks_url = $4, audience = $5, algorithms = $6, clock_skew_seconds = $7, "
        "  claim_taaksysteem = $8, claim_user = $9, claim_roles = $10, claim_afnemer_id = $11 "
        "WHERE tenant_id = $1 AND idp_id = $2",
        tenant_id, found["idp_id"], *idp.values,
    )  # fmt: skip
    return found["idp_id"], "changed"


async def end_idp(connection: asyncpg.Connection, tenant_id: int, idp_id: int) -> None:
    """Let nobody of an IDP in any more: it ends, and every key that leans on it is withdrawn. Raises NotFound."""
    ended = await connection.fetchval(
        "UPDATE registry.idp SET state = 'ended' WHERE tenant_id = $1 AND idp_id = $2 AND state = 'active' "
        "RETURNING idp_id",
        tenant_id, idp_id,
    )  # fmt: skip
    if ended is None:
        raise NotFound(f"There is no active idp {idp_id} here.")
    await connection.execute(
        "UPDATE registry.taaksysteem_key SET state = 'withdrawn' "
        "WHERE tenant_id = $1 AND idp_id = $2 AND state = 'active'",
        tenant_id, idp_id,
    )  # fmt: skip


async def register_idp_client(
    connection: asyncpg.Connection,
    tenant_id: int,
    taaksysteem_id: int,
    *,
    idp_id: int,
    client: str,
    valid_until: datetime | None = None,
) -> int:
    """Let tokens of the tenant's IDP that name this client be the taaksysteem's; return the key's number."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.taaksysteem_key (tenant_id, taaksysteem_id, kind, idp_id, idp_client, valid_until) "
        "VALUES ($1, $2, 'idp', $3, $4, COALESCE($5, 'infinity'::timestamptz)) RETURNING key_id",
        tenant_id, taaksysteem_id, idp_id, client, valid_until,
    )  # fmt: skip
    return number


async def register_certificate(
    connection: asyncpg.Connection,
    tenant_id: int,
    taaksysteem_id: int,
    *,
    thumbprint: bytes | None = None,
    oin: str | None = None,
    valid_until: datetime | None = None,
) -> int:
    """Let a certificate be the taaksysteem's: one by its SHA-256, or any of an OIN. Raises InputRefused for both or none."""
    if (thumbprint is None) == (oin is None):
        raise InputRefused(["A certificate is named by its thumbprint or by its OIN, one of the two."])
    number: int = await connection.fetchval(
        "INSERT INTO registry.taaksysteem_key (tenant_id, taaksysteem_id, kind, thumbprint, oin, valid_until) "
        "VALUES ($1, $2, 'certificate', $3, $4, COALESCE($5, 'infinity'::timestamptz)) RETURNING key_id",
        tenant_id, taaksysteem_id, thumbprint, oin, valid_until,
    )  # fmt: skip
    return number


async def register_signing_client(
    connection: asyncpg.Connection,
    tenant_id: int,
    taaksysteem_id: int,
    *,
    jwks: Mapping[str, Any],
    client_id: str | None = None,
    valid_until: datetime | None = None,
) -> str:
    """Register a client of the gateway's token endpoint that signs (private_key_jwt); return its client-ID.

    A client has one way to prove itself: beside keys it has no secret. Raises InputRefused for keys that cannot be used.
    """
    check_public_keys(jwks)
    name = client_id or "kp-" + secrets.token_hex(8)
    await connection.execute(
        "INSERT INTO registry.taaksysteem_key (tenant_id, taaksysteem_id, kind, client_id, jwks, valid_until) "
        "VALUES ($1, $2, 'private-key-jwt', $3, $4::jsonb, COALESCE($5, 'infinity'::timestamptz))",
        tenant_id, taaksysteem_id, name, json.dumps(jwks), valid_until,
    )  # fmt: skip
    return name


async def replace_public_keys(
    connection: asyncpg.Connection, tenant_id: int, client_id: str, jwks: Mapping[str, Any]
) -> bool:
    """Give a signing client these keys instead; whether anything changed. To rotate: the new beside the old, then alone.

    Raises InputRefused and NotFound.
    """
    check_public_keys(jwks)
    changed: bool | None = await connection.fetchval(
        "WITH old AS (SELECT key_id, jwks FROM registry.taaksysteem_key "
        "  WHERE tenant_id = $1 AND client_id = $2 AND kind = 'private-key-jwt' AND state = 'active' FOR UPDATE), "
        "new AS (UPDATE registry.taaksysteem_key k SET jwks = $3::jsonb FROM old "
        "  WHERE k.tenant_id = $1 AND k.key_id = old.key_id AND old.jwks IS DISTINCT FROM $3::jsonb RETURNING 1) "
        "SELECT EXISTS (SELECT 1 FROM new) FROM old",
        tenant_id, client_id, json.dumps(jwks),
    )  # fmt: skip
    if changed is None:
        raise NotFound("There is no active client here that signs by that name.")
    return changed


async def set_required_proofs(
    connection: asyncpg.Connection, tenant_id: int, taaksysteem_id: int, kinds: Collection[str]
) -> None:
    """Say which proofs a taaksysteem must give together, in every call. Raises InputRefused and NotFound."""
    if faults := faults_of_required(kinds):
        raise InputRefused(faults)
    found = await connection.fetchval(
        "UPDATE registry.taaksysteem SET requires = $3 WHERE tenant_id = $1 AND taaksysteem_id = $2 "
        "RETURNING taaksysteem_id",
        tenant_id, taaksysteem_id, sorted(set(kinds)),
    )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no taaksysteem {taaksysteem_id} here that this can be done to.")


def faults_of_required(kinds: Collection[str]) -> list[str]:
    """Say what is wrong with a combination of proofs."""
    faults = [f"{kind!r} is no kind of proof; known are {', '.join(sorted(PROOFS))}." for kind in set(kinds) - PROOFS]
    if {"token", "idp"} <= set(kinds):
        faults.append("A call carries one bearer token: of this gateway or of an IDP, never both.")
    return faults


def check_public_keys(jwks: Mapping[str, Any]) -> None:
    """Raise InputRefused, with every fault, unless this is a JWK Set (RFC 7517) of public keys that can be used."""
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_KEYS:
        raise InputRefused([f"A JWK Set has one to {_MOST_KEYS} keys, under the name keys."])
    faults = [f"keys.{number}: {fault}" for number, one in enumerate(listed) if (fault := _fault_of_key(one))]
    names = [one.get("kid") for one in listed if isinstance(one, dict)]
    if len(set(names)) != len(names):
        faults.append("Two keys have the same kid.")
    if faults:
        raise InputRefused(faults)


def _fault_of_key(one: object) -> str | None:
    """What is wrong with a key; the text never shows any part of it."""
    if not isinstance(one, dict):
        return "is no JWK."
    if _PRIVATE & one.keys():
        return "holds a private or secret key, which has now been seen; make a new pair and give the public half."
    if not isinstance(one.get("kid"), str) or not one["kid"]:
        return "has no kid."
    try:
        key = jwt.PyJWK(one).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return "cannot be read."
    is_usable = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    )
    return None if is_usable else f"is no RSA key of at least {_LEAST_RSA} bits, and none on P-256, P-384 or P-521."
