"""Writes the registry: tenants with their keys, afnemers, certificates, credentials and aansluitingen.

One function per query, for the role `koppelpunt_tenants`, inside a scope of `tenants.scope` (the caller's transaction).
Row-level security keeps each to that scope's tenant, and triggers raise versions and write the history. Secrets come in
readable and are sealed here, to keyrings of which only the public half is needed. What the database refuses (a second
certificate for one key, a gemeente without code) comes as asyncpg.IntegrityConstraintViolationError.

The functions that take many write them in one statement; each is one row's function too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from tenants.certificates import CertificateFacts, read_certificate
from tenants.faults import InputRefused, NotFound
from tenants.keyring import Keyring, hash_secret
from tenants.sealing import make_tenant_year, seal


@dataclass(frozen=True, slots=True)
class NewAfnemer:
    afnemer_id: str
    oin: str
    name: str
    kind: str
    gemeentecode: str | None = None
    mailbox_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """Leaf first; the key without a password."""

    organisation_oin: str
    chain_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewCredential:
    afnemer_id: str
    environment: str
    client_id: str
    secret: str = field(repr=False)
    authentication: str = "body"
    account: str = ""
    secret_valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewAansluiting:
    afnemer_id: str
    organisation_oin: str
    environment: str
    certificate_id: int | None
    credential_id: int | None
    pattern: str = "standaard"
    state: str = "concept"
    scope_template: str | None = None
    resource_server: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    exception_id: int | None = None


async def create_tenant(
    connection: asyncpg.Connection,
    *,
    oin: str,
    name: str,
    kind: str,
    record_content: str = "whole",
    retention_years: int = 20,
) -> int:
    """Make a tenant and return its number. In an operator's scope: no tenant's scope exists yet."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.tenant (oin, name, kind, record_content, retention_years) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING tenant_id",
        oin, name, kind, record_content, retention_years,
    )  # fmt: skip
    return number


async def ensure_tenant_years(
    connection: asyncpg.Connection, tenant_id: int, identity: Keyring, register: Keyring, years: Iterable[int]
) -> int:
    """Make the keys of those years that the tenant lacks; return how many. The keyrings' public halves are enough."""
    found = await connection.fetch("SELECT year FROM registry.tenant_key WHERE tenant_id = $1", tenant_id)
    missing = sorted(set(years) - {row["year"] for row in found})
    made = [make_tenant_year(tenant_id, year, identity, register) for year in missing]
    await connection.execute(
        "INSERT INTO registry.tenant_key "
        "(tenant_id, year, public_key, private_key_sealed, index_key_for_gateway, index_key_for_register) "
        "SELECT $1, * FROM unnest($2::smallint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) "
        "ON CONFLICT DO NOTHING",
        tenant_id,
        [one.year for one in made],
        [one.public_key for one in made],
        [one.private_key_sealed for one in made],
        [one.index_key_for_gateway for one in made],
        [one.index_key_for_register for one in made],
    )
    return len(made)


async def create_afnemers(connection: asyncpg.Connection, tenant_id: int, afnemers: Sequence[NewAfnemer]) -> None:
    await connection.execute(
        "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind, gemeentecode, mailbox_id) "
        "SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])",
        tenant_id,
        [one.afnemer_id for one in afnemers],
        [one.oin for one in afnemers],
        [one.name for one in afnemers],
        [one.kind for one in afnemers],
        [one.gemeentecode for one in afnemers],
        [one.mailbox_id for one in afnemers],
    )


async def create_afnemer(
    connection: asyncpg.Connection,
    tenant_id: int,
    *,
    afnemer_id: str,
    oin: str,
    name: str,
    kind: str,
    gemeentecode: str | None = None,
    mailbox_id: str | None = None,
) -> None:
    await create_afnemers(connection, tenant_id, [NewAfnemer(afnemer_id, oin, name, kind, gemeentecode, mailbox_id)])


async def confirm_afnemer(
    connection: asyncpg.Connection, tenant_id: int, afnemer_id: str, *, by: str, reason: str
) -> None:
    """The operator's word that the tenant serves this organisation. The first one stands. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.afnemer SET confirmed_by = COALESCE(confirmed_by, $3), confirmation = COALESCE(confirmation, $4) "
        "WHERE tenant_id = $1 AND afnemer_id = $2 RETURNING afnemer_id",
        tenant_id, afnemer_id, by, reason,
    )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no afnemer {afnemer_id} here.")


async def add_certificates(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    certificates: Sequence[NewCertificate],
    *,
    state: str = "active",
) -> list[int]:
    """Check, seal and keep certificates; return their numbers in the order given. Raises InputRefused."""
    facts, faults = _read_all(certificates)
    if faults:
        raise InputRefused(faults)
    sealed = [seal(identity, one.key_pem, purpose="certificate-key", context=one.fingerprint.hex()) for one in facts]
    rows = await connection.fetch(
        "INSERT INTO registry.certificate (tenant_id, state, organisation_oin, oin, fingerprint, public_key_hash, "
        "  chain_pem, key_sealed, not_before, not_after) "
        "SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::bytea[], "
        "  $9::timestamptz[], $10::timestamptz[]) RETURNING certificate_id, fingerprint",
        tenant_id,
        state,
        [one.organisation_oin for one in certificates],
        [str(one.oin) for one in facts],
        [one.fingerprint for one in facts],
        [one.public_key_hash for one in facts],
        [one.chain_pem for one in facts],
        sealed,
        [one.not_before for one in facts],
        [one.not_after for one in facts],
    )
    numbers = {row["fingerprint"]: row["certificate_id"] for row in rows}
    return [numbers[one.fingerprint] for one in facts]


async def add_certificate(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    *,
    organisation_oin: str,
    chain_pem: bytes,
    key_pem: bytes,
    state: str = "active",
) -> int:
    made = [NewCertificate(organisation_oin, chain_pem, key_pem)]
    return (await add_certificates(connection, tenant_id, identity, made, state=state))[0]


def digest_secret(
    identity: Keyring, tenant_id: int, client_id: str, secret: str, version: int | None = None
) -> tuple[bytes, int]:
    """The keyed digest of a client-secret, by which another one is told from the same, and the version that keyed it.

    It says nothing to whoever lacks the keyring's `mac`, nor whether two credentials have one secret. Raises KeyringError.
    """
    return hash_secret(identity, f"client-secret/{tenant_id}/{client_id}/{secret}", version)


async def add_credentials(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    credentials: Sequence[NewCredential],
    *,
    state: str = "active",
) -> list[int]:
    """Seal and keep client-IDs with their secrets; return their numbers in the order given."""
    digests = [digest_secret(identity, tenant_id, one.client_id, one.secret) for one in credentials]
    rows = await connection.fetch(
        "INSERT INTO registry.credential (tenant_id, state, afnemer_id, environment, account, client_id, "
        "  secret_sealed, authentication, secret_digest, secret_digest_version, secret_valid_until) "
        "SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], "
        "  $9::bytea[], $10::integer[], $11::timestamptz[]) "
        "RETURNING credential_id, secret_sealed",
        tenant_id,
        state,
        [one.afnemer_id for one in credentials],
        [one.environment for one in credentials],
        [one.account for one in credentials],
        [one.client_id for one in credentials],
        sealed := [
            seal(identity, one.secret.encode(), purpose="client-secret", context=f"{tenant_id}/{one.client_id}")
            for one in credentials
        ],
        [one.authentication for one in credentials],
        [digest for digest, _ in digests],
        [version for _, version in digests],
        [one.secret_valid_until for one in credentials],
    )
    # Every sealing is unique, so that it tells which number belongs to which.
    numbers = {row["secret_sealed"]: row["credential_id"] for row in rows}
    return [numbers[one] for one in sealed]


async def add_credential(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    *,
    afnemer_id: str,
    environment: str,
    client_id: str,
    secret: str,
    authentication: str = "body",
    account: str = "",
    state: str = "active",
) -> int:
    made = [NewCredential(afnemer_id, environment, client_id, secret, authentication, account)]
    return (await add_credentials(connection, tenant_id, identity, made, state=state))[0]


async def create_aansluitingen(
    connection: asyncpg.Connection, tenant_id: int, aansluitingen: Sequence[NewAansluiting]
) -> list[int]:
    """Make aansluitingen; return their numbers in the order given."""
    rows = await connection.fetch(
        "INSERT INTO registry.aansluiting (tenant_id, afnemer_id, organisation_oin, environment, pattern, state, "
        "  certificate_id, credential_id, scope_template, resource_server, valid_from, valid_until, exception_id, "
        "  holder_tenant_id, holder_oin) "
        "SELECT $1, a, o, e, p, s, c, r, t, v, COALESCE(f, '-infinity'), COALESCE(u, 'infinity'), w, "
        "  x.holder_tenant_id, x.holder_oin "
        "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], "
        "  $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::bigint[]) n (a, o, e, p, s, c, r, t, v, f, u, w) "
        "LEFT JOIN registry.certificate_exception x ON x.tenant_id = $1 AND x.exception_id = w "
        "RETURNING aansluiting_id, afnemer_id, environment, pattern",
        tenant_id,
        [one.afnemer_id for one in aansluitingen],
        [one.organisation_oin for one in aansluitingen],
        [one.environment for one in aansluitingen],
        [one.pattern for one in aansluitingen],
        [one.state for one in aansluitingen],
        [one.certificate_id for one in aansluitingen],
        [one.credential_id for one in aansluitingen],
        [one.scope_template for one in aansluitingen],
        [one.resource_server for one in aansluitingen],
        [one.valid_from for one in aansluitingen],
        [one.valid_until for one in aansluitingen],
        [one.exception_id for one in aansluitingen],
    )
    numbers = {(row["afnemer_id"], row["environment"], row["pattern"]): row["aansluiting_id"] for row in rows}
    return [numbers[one.afnemer_id, one.environment, one.pattern] for one in aansluitingen]


async def create_aansluiting(
    connection: asyncpg.Connection,
    tenant_id: int,
    *,
    afnemer_id: str,
    organisation_oin: str,
    environment: str,
    certificate_id: int | None,
    credential_id: int | None,
    pattern: str = "standaard",
    state: str = "concept",
) -> int:
    made = NewAansluiting(
        afnemer_id, organisation_oin, environment, certificate_id, credential_id, pattern=pattern, state=state
    )
    return (await create_aansluitingen(connection, tenant_id, [made]))[0]


def _read_all(certificates: Sequence[NewCertificate]) -> tuple[list[CertificateFacts], list[str]]:
    now = datetime.now(UTC)
    facts: list[CertificateFacts] = []
    faults: list[str] = []
    for one in certificates:
        try:
            facts.append(read_certificate(one.chain_pem, one.key_pem, organisation_oin=one.organisation_oin, now=now))
        except InputRefused as refusal:
            faults += refusal.faults
    return facts, faults
