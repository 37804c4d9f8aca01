"""The life of a certificate in the registry: asked for, staged, active, retiring, retired or revoked; and one step back.

For the role `koppelpunt_tenants`, in the tenant's scope. Keys come in sealed to the identity keyring and never go out.
Raises NotFound, and CertificateRefused with everything that stands in the way (Dutch).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from tenants.certificates_checks import Anchors, Judged, environments_of
from tenants.certificates_reading import CertificateRefused, Remark
from tenants.certificates_request import NewRequest
from tenants.certificates_sealing import key_context
from tenants.changes import rotate_certificate
from tenants.faults import NotFound
from tenants.keyring import Keyring
from tenants.pattern_facts import Finding
from tenants.pattern_rows import read_pattern_facts
from tenants.patterns import check_pattern, stops
from tenants.sealing import seal

_SEEN = (
    "SELECT c.certificate_id, c.oin, c.state, c.version, c.fingerprint, c.public_key_hash, c.chain_pem, c.csr_pem, "
    "c.made_inside, c.not_before, c.not_after, c.retired_at, c.key_destroyed_at, c.revocation, "
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


async def add_request(
    connection: asyncpg.Connection, tenant_id: int, identity: Keyring, oin: str, request: NewRequest
) -> int:
    """Keep a request with its sealed key; return its number."""
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


async def activate(
    connection: asyncpg.Connection,
    tenant_id: int,
    number: int,
    aansluitingen: Sequence[int] | None,
    anchors: Anchors,
) -> list[int]:
    """Let these aansluitingen (None: all of its organisation) leave with it from the next call on; return which.

    The certificate that each had until now is retiring when nobody uses it any more, so that it can be gone back to.
    """
    certificate = await find_certificate(connection, tenant_id, number)
    rows = await connection.fetch(
        "SELECT a.aansluiting_id, a.environment, a.certificate_id, a.organisation_oin, a.exception_id, a.state "
        "FROM registry.aansluiting a WHERE a.tenant_id = $1 AND CASE WHEN $2::bigint[] IS NULL "
        "  THEN a.organisation_oin = $3 AND a.exception_id IS NULL AND a.state <> 'beeindigd' "
        "  ELSE a.aansluiting_id = ANY ($2) END ORDER BY a.aansluiting_id FOR UPDATE",
        tenant_id, None if aansluitingen is None else list(aansluitingen), certificate.oin,
    )  # fmt: skip
    faults = await _faults_of_certificate(connection, certificate)
    faults += _faults_of_aansluitingen(rows, certificate, aansluitingen, anchors)
    if faults:
        raise CertificateRefused(faults)
    numbers = [row["aansluiting_id"] for row in rows]
    before = await _stopping(connection, tenant_id, numbers)
    for row in rows:
        if row["certificate_id"] == number:
            continue
        await rotate_certificate(connection, tenant_id, row["aansluiting_id"], number)
        if row["certificate_id"] is not None:
            await connection.execute(
                "INSERT INTO registry.certificate_activation (tenant_id, certificate_id, aansluiting_id, "
                "  previous_certificate_id) VALUES ($1, $2, $3, $4)",
                tenant_id, number, row["aansluiting_id"], row["certificate_id"],
            )  # fmt: skip
    # What stopped these aansluitingen already is another matter; what the change itself would stop is not done.
    new = [one for one in await _stopping(connection, tenant_id, numbers) if one not in before]
    if new:
        raise CertificateRefused([Remark(one.code, one.text) for _, one in new])
    return numbers


async def roll_back(connection: asyncpg.Connection, tenant_id: int, number: int) -> list[int]:
    """Give every aansluiting that uses this certificate the one back that it had before; return which."""
    await find_certificate(connection, tenant_id, number)
    rows = await connection.fetch(
        "SELECT DISTINCT ON (v.aansluiting_id) v.aansluiting_id, v.previous_certificate_id, p.state, "
        "  p.not_before <= now() AND now() < p.not_after AS is_valid "
        "FROM registry.certificate_activation v "
        "JOIN registry.aansluiting a ON a.tenant_id = v.tenant_id AND a.aansluiting_id = v.aansluiting_id "
        "  AND a.certificate_id = v.certificate_id AND a.certificate_tenant_id = v.tenant_id AND a.state <> 'beeindigd' "
        "JOIN registry.certificate p ON p.tenant_id = v.tenant_id AND p.certificate_id = v.previous_certificate_id "
        "WHERE v.tenant_id = $1 AND v.certificate_id = $2 AND v.rolled_back_at IS NULL "
        "ORDER BY v.aansluiting_id, v.activation_id DESC",
        tenant_id, number,
    )  # fmt: skip
    if not rows:
        text = "Er is geen aansluiting die dit certificaat gebruikt en er hiervoor een ander had."
        raise CertificateRefused([Remark("nietsTerugTeDraaien", text)])
    faults = [
        Remark(
            "vorigeNietBruikbaar",
            f"Het vorige certificaat {row['previous_certificate_id']} van aansluiting {row['aansluiting_id']} "
            "is ingetrokken, uitgefaseerd of niet geldig.",
        )
        for row in rows
        if row["state"] not in {"active", "retiring"} or not row["is_valid"]
    ]
    if faults:
        raise CertificateRefused(faults)
    for row in rows:
        await rotate_certificate(connection, tenant_id, row["aansluiting_id"], row["previous_certificate_id"])
    await connection.execute(
        "UPDATE registry.certificate_activation SET rolled_back_at = now() "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND rolled_back_at IS NULL",
        tenant_id, number,
    )  # fmt: skip
    return [row["aansluiting_id"] for row in rows]


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


async def _faults_of_certificate(connection: asyncpg.Connection, certificate: CertificateSeen) -> list[Remark]:
    if certificate.state not in {"staged", "active", "retiring"}:
        return [Remark("nietKlaargezet", "Dit certificaat is niet klaargezet, of al uitgefaseerd of ingetrokken.")]
    # The database's own clock decides at each call, so it decides here.
    valid = await connection.fetchval(
        "SELECT $1::timestamptz <= now() AND now() < $2::timestamptz", certificate.not_before, certificate.not_after
    )
    return [] if valid else [Remark("nietGeldig", "Dit certificaat is verlopen of nog niet geldig.")]


def _faults_of_aansluitingen(
    rows: Sequence[asyncpg.Record], certificate: CertificateSeen, asked: Sequence[int] | None, anchors: Anchors
) -> list[Remark]:
    if asked is None and not rows:
        text = "De organisatie van dit certificaat heeft geen aansluiting die het kan gebruiken."
        return [Remark("geenAansluiting", text)]
    missing = sorted(set(asked or ()) - {row["aansluiting_id"] for row in rows})
    faults = [Remark("aansluitingOnbekend", f"Aansluiting {one} bestaat hier niet.") for one in missing]
    good = environments_of(certificate.chain_pem, anchors, datetime.now(UTC)) if certificate.chain_pem else ()
    for row in rows:
        number = row["aansluiting_id"]
        if row["state"] == "beeindigd":
            faults.append(Remark("aansluitingBeeindigd", f"Aansluiting {number} is beëindigd."))
        if row["organisation_oin"] != certificate.oin:
            text = f"Aansluiting {number} is van een andere organisatie: een certificaat dient er één."
            faults.append(Remark("andereOrganisatie", text))
        if row["exception_id"] is not None:
            text = f"Aansluiting {number} gebruikt bij uitzondering het certificaat van een houder; beëindig die eerst."
            faults.append(Remark("uitzondering", text))
        if row["environment"] not in good:
            text = f"Het certificaat leidt niet tot een stamcertificaat van omgeving {row['environment']} (aansluiting {number})."
            faults.append(Remark("stamcertificaatVanAndereOmgeving", text))
    return faults


async def _stopping(
    connection: asyncpg.Connection, tenant_id: int, numbers: Sequence[int]
) -> list[tuple[int, Finding]]:
    now = datetime.now(UTC)
    return [
        (facts.aansluiting_id, finding)
        for facts in (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())
        if facts.aansluiting_id in numbers
        for finding in stops(check_pattern(facts, now))
    ]
