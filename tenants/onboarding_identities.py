"""The part of an onboarding that makes identities: afnemers, certificates, credentials, aansluitingen. In a tenant's scope."""

import hmac
from collections.abc import Collection
from datetime import datetime

import asyncpg

from tenants import registry
from tenants.endings import StillUsed, end_afnemer
from tenants.faults import InputRefused, NotFound
from tenants.onboarding_document import TenantPart
from tenants.onboarding_work import Opened, Work

_ENDED = frozenset({"retired", "revoked"})


async def apply_afnemers(work: Work, part: TenantPart) -> None:
    """Make or change afnemers. The OIN of one with an aansluiting never changes: the database refuses it."""
    if not part.afnemers:
        return
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT afnemer_id, oin, name, kind, gemeentecode, mailbox_id, state FROM registry.afnemer WHERE tenant_id = $1",
        tenant_id,
    )
    known = {row["afnemer_id"]: registry.NewAfnemer(*row[:6]) for row in rows}
    await _end_afnemers(work, tenant_id, part, {row["afnemer_id"] for row in rows if row["state"] != "active"})
    wanted = [
        registry.NewAfnemer(
            one.afnemer_id,
            one.oin or part.oin,
            one.name or part.name,
            one.kind or part.kind,
            one.gemeentecode,
            one.mailbox_id,
        )
        for one in part.afnemers
        if not one.ended
    ]
    missing = [one for one in wanted if one.afnemer_id not in known]
    if missing:
        await registry.create_afnemers(work.connection, tenant_id, missing)
    work.made["afnemer"] += len(missing)
    for one in wanted:
        if known.get(one.afnemer_id, one) == one:
            continue
        status = await work.connection.execute(
            "UPDATE registry.afnemer SET oin = $3, name = $4, kind = $5, gemeentecode = $6, mailbox_id = $7 "
            "WHERE tenant_id = $1 AND afnemer_id = $2 "
            "  AND (oin, name, kind, gemeentecode, mailbox_id) IS DISTINCT FROM ($3, $4, $5, $6, $7)",
            tenant_id, one.afnemer_id, one.oin, one.name, one.kind, one.gemeentecode, one.mailbox_id,
        )  # fmt: skip
        work.changed["afnemer"] += status == "UPDATE 1"


async def _end_afnemers(work: Work, tenant_id: int, part: TenantPart, ended: Collection[str]) -> None:
    """End those that are to end. Raises InputRefused with every one that cannot, or that ended and is to be there."""
    faults = [
        f"Afnemer {one.afnemer_id} has ended; it never comes back."
        for one in part.afnemers
        if not one.ended and one.afnemer_id in ended
    ]
    for one in part.afnemers:
        if one.ended:
            try:
                work.changed["afnemer"] += await end_afnemer(work.connection, tenant_id, one.afnemer_id)
            except (NotFound, StillUsed) as error:
                faults.append(f"Afnemer {one.afnemer_id}: {error}")
    if faults:
        raise InputRefused(faults)


async def apply_certificates(work: Work, part: TenantPart, opened: Opened) -> None:
    """Keep what is new. Raises InputRefused for one that was retired or revoked."""
    if not part.certificates:
        return
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT certificate_id, fingerprint, state FROM registry.certificate "
        "WHERE tenant_id = $1 AND fingerprint = ANY ($2)",
        tenant_id,
        [one.fingerprint for one in opened.certificates],
    )
    if any(row["state"] in _ENDED for row in rows):
        raise InputRefused(["A certificate of the document was retired or revoked before; it never comes back."])
    numbers = {row["fingerprint"]: row["certificate_id"] for row in rows}
    for named, facts in zip(part.certificates, opened.certificates, strict=True):
        if facts.fingerprint not in numbers:
            numbers[facts.fingerprint] = await registry.add_certificate(
                work.connection,
                tenant_id,
                work.identity,
                organisation_oin=named.organisation_oin or part.oin,
                chain_pem=facts.chain_pem.encode(),
                key_pem=facts.key_pem,
            )
            work.made["certificate"] += 1
    for named, facts in zip(part.certificates, opened.certificates, strict=True):
        work.certificates[part.oin, named.name] = numbers[facts.fingerprint]


async def apply_credentials(work: Work, part: TenantPart, opened: Opened) -> dict[str, int]:
    """Keep what is new; return number by name. Another secret than the one that is kept is a new version."""
    if not part.credentials:
        return {}
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT credential_id, afnemer_id, environment, account, client_id, secret_digest, secret_digest_version, "
        "  authentication, secret_valid_until "
        "FROM registry.credential WHERE tenant_id = $1 AND state <> 'retired' ORDER BY credential_id DESC",
        tenant_id,
    )
    known: dict[tuple[str, ...], list[asyncpg.Record]] = {}
    for row in rows:
        known.setdefault((row["afnemer_id"], row["environment"], row["account"], row["client_id"]), []).append(row)
    numbers, missing = {}, []
    for one, secret in zip(part.credentials, opened.secrets, strict=True):
        versions = known.get((one.afnemer_id, one.environment, one.account, one.client_id), [])
        same = next((row for row in versions if _has_secret(work, tenant_id, row, secret)), None)
        if same is None:
            missing.append((one, secret))
            work.changed["credential"] += bool(versions)
            work.made["credential"] += not versions
        else:
            numbers[one.name] = same["credential_id"]
            ends = same["secret_valid_until"] if one.secret_valid_until is None else one.secret_valid_until
            if (same["authentication"], same["secret_valid_until"]) != (one.authentication, ends):
                await _change_credential(work, tenant_id, same["credential_id"], one.authentication, ends)
    if not missing:
        return numbers
    made = await registry.add_credentials(
        work.connection,
        tenant_id,
        work.identity,
        [
            registry.NewCredential(
                one.afnemer_id,
                one.environment,
                one.client_id,
                secret,
                one.authentication,
                one.account,
                one.secret_valid_until,
            )
            for one, secret in missing
        ],
    )
    return numbers | {one.name: number for (one, _), number in zip(missing, made, strict=True)}


async def _change_credential(
    work: Work, tenant_id: int, credential_id: int, authentication: str, ends: datetime | None
) -> None:
    await work.connection.execute(
        "UPDATE registry.credential SET authentication = $3, secret_valid_until = $4 "
        "WHERE tenant_id = $1 AND credential_id = $2",
        tenant_id, credential_id, authentication, ends,
    )  # fmt: skip
    work.changed["credential"] += 1


def _has_secret(work: Work, tenant_id: int, row: asyncpg.Record, secret: str) -> bool:
    """Whether a credential has this secret; True where that cannot be told, for its digest is missing or of another key."""
    version = row["secret_digest_version"]
    if version is None or version not in work.identity.versions:
        return True
    digest, _ = registry.digest_secret(work.identity, tenant_id, row["client_id"], secret, version)
    return hmac.compare_digest(digest, row["secret_digest"])
