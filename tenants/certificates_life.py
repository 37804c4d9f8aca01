"""The life of a certificate in the registry: asked for, staged, retired or revoked. Between them: `certificates_activating`.

For the role `koppelpunt_tenants`, in the tenant's scope. Keys come in sealed to the identity keyring and never go out.
Raises NotFound, and CertificateRefused with everything that stands in the way (Dutch).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tenants.certificates_checks import Judged
from tenants.certificates_reading import CertificateRefused, Remark
from tenants.certificates_request import NewRequest
from tenants.certificates_sealing import key_context
from tenants.faults import NotFound
from tenants.keyring import Keyring
from tenants.sealing import seal

MOST_REQUESTS: Final = 25
"""Requests of one tenant that may wait for their certificate at the same time: each holds a sealed key."""
_SEEN = (
    "SELECT c.certificate_id, c.oin, c.state, c.version, c.fingerprint, c.public_key_hash, c.chain_pem, c.csr_pem, "
    "c.made_inside, c.not_before, c.not_after, c.retired_at, c.key_destroyed_at, c.revocation, c.activation_reason, "
    "ARRAY(SELECT a.aansluiting_id FROM registry.aansluiting a WHERE a.tenant_id = c.tenant_id "
    "  AND a.certificate_tenant_id = c.tenant_id AND a.certificate_id = c.certificate_id AND a.state <> 'beeindigd' "
    "  ORDER BY 1) AS aansluitingen FROM registry.certificate c WHERE c.tenant_id = $1"
)


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """A certificate as its tenant sees it: everything but the key. `aansluitingen` are those of the tenant that use it."""

    certificate_id: int
    oin: str
    state: str
    version: int
    fingerprint: bytes | None
    public_key_hash: bytes
    chain_pem: str | None
    csr_pem: str | None
    made_inside: bool
    not_before: datetime | None
    not_after: datetime | None
    retired_at: datetime | None
    key_destroyed_at: datetime | None
    revocation: str | None
    activation_reason: str | None
    aansluitingen: Sequence[int]


async def list_certificates(
    connection: asyncpg.Connection, tenant_id: int, *, after: int, limit: int
) -> list[CertificateSeen]:
    rows = await connection.fetch(
        f"{_SEEN} AND c.certificate_id > $2 ORDER BY c.certificate_id LIMIT $3", tenant_id, after, limit
    )
    return [CertificateSeen(**row) for row in rows]


async def find_certificate(connection: asyncpg.Connection, tenant_id: int, number: int) -> CertificateSeen:
    row = await connection.fetchrow(f"{_SEEN} AND c.certificate_id = $2", tenant_id, number)
    if row is None:
        raise NotFound(f"There is no certificate {number} here.")
    return CertificateSeen(**row)


async def organisation_name(connection: asyncpg.Connection, tenant_id: int, oin: str) -> str:
    """The name of the tenant, or of its afnemer, with this OIN. Raises CertificateRefused for another organisation."""
    name: str | None = await connection.fetchval(
        "SELECT name FROM (SELECT name, 1 AS rank FROM registry.afnemer WHERE tenant_id = $1 AND oin = $2 "
        "  UNION ALL SELECT name, 0 FROM registry.tenant WHERE tenant_id = $1 AND oin = $2) n ORDER BY rank LIMIT 1",
        tenant_id, oin,
    )  # fmt: skip
    if name is None:
        text = "Dit OIN is niet van deze tenant en niet van een van zijn afnemers."
        raise CertificateRefused([Remark("organisatieOnbekend", text)])
    return name


async def must_have_room(connection: asyncpg.Connection, tenant_id: int) -> None:
    """Refuse one more request while as many as `MOST_REQUESTS` wait for their certificate. Raises CertificateRefused.

    Until this transaction ends nobody else asks for this tenant.
    """
    await connection.fetchval(
        "SELECT pg_advisory_xact_lock(hashtextextended('certificaataanvraag/' || $1::bigint, 0))", tenant_id
    )
    waiting: int = await connection.fetchval(
        "SELECT count(*) FROM registry.certificate WHERE tenant_id = $1 AND state = 'requested'", tenant_id
    )
    if waiting >= MOST_REQUESTS:
        text = f"Er staan al {waiting} aanvragen open; breng het certificaat van een ervan in, of faseer er een uit."
        raise CertificateRefused([Remark("teVeelAanvragen", text)])


async def add_request(
    connection: asyncpg.Connection, tenant_id: int, identity: Keyring, oin: str, request: NewRequest
) -> int:
    """Keep a request with its sealed key; return its number. Raises CertificateRefused when too many are open."""
    await must_have_room(connection, tenant_id)
    context = key_context(made_inside=True, fingerprint=None, public_key_hash=request.public_key_hash)
    number: int = await connection.fetchval(
        "INSERT INTO registry.certificate (tenant_id, state, organisation_oin, oin, public_key_hash, key_sealed, csr_pem, "
        "  made_inside) VALUES ($1, 'requested', $2, $2, $3, $4, $5, true) RETURNING certificate_id",
        tenant_id, oin, request.public_key_hash,
        seal(identity, request.key_pem, purpose="certificate-key", context=context), request.csr_pem,
    )  # fmt: skip
    return number


async def complete_request(connection: asyncpg.Connection, tenant_id: int, number: int, judged: Judged) -> None:
    """Put the issued certificate with its request. Raises NotFound when nothing is asked for under that number."""
    found = await connection.fetchval(
        "UPDATE registry.certificate SET state = 'staged', fingerprint = $3, chain_pem = $4, not_before = $5, "
        "  not_after = $6 WHERE tenant_id = $1 AND certificate_id = $2 AND state = 'requested' "
        "  AND public_key_hash = $7 AND oin = $8 RETURNING certificate_id",
        tenant_id, number, judged.fingerprint, judged.chain_pem, judged.not_before, judged.not_after,
        judged.public_key_hash, judged.oin,
    )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no request {number} here.")


async def add_imported(
    connection: asyncpg.Connection, tenant_id: int, identity: Keyring, judged: Judged, key_pem: bytes
) -> int:
    """Seal and keep a certificate that came with its key; staged. Return its number."""
    context = key_context(made_inside=False, fingerprint=judged.fingerprint, public_key_hash=judged.public_key_hash)
    number: int = await connection.fetchval(
        "INSERT INTO registry.certificate (tenant_id, state, organisation_oin, oin, fingerprint, public_key_hash, "
        "  chain_pem, key_sealed, not_before, not_after) "
        "VALUES ($1, 'staged', $2, $2, $3, $4, $5, $6, $7, $8) RETURNING certificate_id",
        tenant_id, judged.oin, judged.fingerprint, judged.public_key_hash, judged.chain_pem,
        seal(identity, key_pem, purpose="certificate-key", context=context), judged.not_before, judged.not_after,
    )  # fmt: skip
    return number


async def retire(connection: asyncpg.Connection, tenant_id: int, number: int) -> None:
    """End a certificate that no aansluiting uses, or a request that is given up. Its key goes thirty days later."""
    certificate = await find_certificate(connection, tenant_id, number)
    uses: int = await connection.fetchval("SELECT registry.certificate_uses($1)", number)
    if uses:
        text = f"{uses} aansluiting(en) gebruiken dit certificaat nog, die van lenende tenants meegeteld."
        raise CertificateRefused([Remark("nogInGebruik", text)])
    if certificate.state in {"retired", "revoked"}:
        raise CertificateRefused([Remark("alGeeindigd", "Dit certificaat is al uitgefaseerd of ingetrokken.")])
    await connection.execute(
        "UPDATE registry.certificate SET state = 'retired' WHERE tenant_id = $1 AND certificate_id = $2",
        tenant_id, number,
    )  # fmt: skip


async def declare_revoked(connection: asyncpg.Connection, tenant_id: int, number: int, reason: str) -> None:
    """The tenant's own word: from this commit on nothing leaves with it. It never comes back."""
    found = await connection.fetchval(
        "UPDATE registry.certificate SET state = 'revoked', revocation = $3 "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND state IN ('staged', 'active', 'retiring') "
        "RETURNING certificate_id",
        tenant_id, number, f"Eigen melding: {reason}"[:500],
    )  # fmt: skip
    if found is None:
        await find_certificate(connection, tenant_id, number)
        text = "Dit certificaat is nog niet uitgegeven, of al uitgefaseerd of ingetrokken."
        raise CertificateRefused([Remark("nietInTeTrekken", text)])
