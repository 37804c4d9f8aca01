"""The part of an onboarding that makes identities: afnemers, certificates, credentials, aansluitingen. In a tenant's scope."""

import hmac
from collections.abc import Mapping
from typing import Any

import asyncpg

from tenants import registry
from tenants.agreements import use_certificate
from tenants.changes import rotate_certificate, rotate_credential
from tenants.faults import InputRefused
from tenants.onboarding_document import AansluitingPart, TenantPart
from tenants.onboarding_patterns import find_exception
from tenants.onboarding_work import Opened, Work

_ENDED = frozenset({"retired", "revoked"})


async def apply_afnemers(work: Work, part: TenantPart) -> None:
    """Make or change afnemers. The OIN of one with an aansluiting never changes: the database refuses it."""
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT afnemer_id, oin, name, kind, gemeentecode, mailbox_id FROM registry.afnemer WHERE tenant_id = $1",
        tenant_id,
    )
    known = {row["afnemer_id"]: registry.NewAfnemer(*row) for row in rows}
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
    ]
    missing = [one for one in wanted if one.afnemer_id not in known]
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


async def apply_certificates(work: Work, part: TenantPart, opened: Opened) -> None:
    """Keep what is new. Raises InputRefused for one that was retired or revoked."""
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
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT credential_id, afnemer_id, environment, account, client_id, secret_digest, secret_digest_version "
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
    made = await registry.add_credentials(
        work.connection,
        tenant_id,
        work.identity,
        [
            registry.NewCredential(
                one.afnemer_id, one.environment, one.client_id, secret, one.authentication, one.account
            )
            for one, secret in missing
        ],
    )
    return numbers | {one.name: number for (one, _), number in zip(missing, made, strict=True)}


def _has_secret(work: Work, tenant_id: int, row: asyncpg.Record, secret: str) -> bool:
    """Whether a credential has this secret; True where that cannot be told, for its digest is missing or of another key."""
    version = row["secret_digest_version"]
    if version is None or version not in work.identity.versions:
        return True
    digest, _ = registry.digest_secret(work.identity, tenant_id, row["client_id"], secret, version)
    return hmac.compare_digest(digest, row["secret_digest"])


async def apply_aansluitingen(work: Work, part: TenantPart, credentials: Mapping[str, int]) -> None:
    """Make aansluitingen, or bring them to the certificate, credential and state that the document says."""
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT aansluiting_id, afnemer_id, environment, pattern, certificate_id, credential_id, exception_id, state, "
        "  scope_template, resource_server, valid_from, valid_until "
        "FROM registry.aansluiting WHERE tenant_id = $1 AND state <> 'beeindigd'",
        tenant_id,
    )
    known = {(row["afnemer_id"], row["environment"], row["pattern"]): row for row in rows}
    oins = dict(
        await work.connection.fetch("SELECT afnemer_id, oin FROM registry.afnemer WHERE tenant_id = $1", tenant_id)
    )
    missing = []
    for one in part.aansluitingen:
        identity = (
            None if one.certificate is None else work.certificates[one.certificate_of or part.oin, one.certificate],
            None if one.credential is None else credentials[one.credential],
        )
        exception_id = await find_exception(work, tenant_id, one)
        found = known.get((one.afnemer_id, one.environment, one.pattern))
        if found is not None:
            work.changed["aansluiting"] += await _change(work, tenant_id, found, one, (*identity, exception_id))
        elif one.afnemer_id not in oins:
            raise InputRefused([f"Afnemer {one.afnemer_id} is not of the tenant with OIN {part.oin}."])
        else:
            missing.append(
                registry.NewAansluiting(
                    one.afnemer_id,
                    oins[one.afnemer_id],
                    one.environment,
                    *identity,
                    one.pattern,
                    one.state,
                    one.scope_template,
                    one.resource_server,
                    one.valid_from,
                    one.valid_until,
                    exception_id,
                )
            )
    await registry.create_aansluitingen(work.connection, tenant_id, missing)
    work.made["aansluiting"] += len(missing)


async def _change(
    work: Work,
    tenant_id: int,
    found: Mapping[str, Any],
    wanted: AansluitingPart,
    identity: tuple[int | None, int | None, int | None],
) -> bool:
    number = found["aansluiting_id"]
    before = (found["certificate_id"], found["credential_id"], found["exception_id"])
    # What the document leaves open for a concept stays as it is.
    certificate_id, credential_id = identity[0] or before[0], identity[1] or before[1]
    identity = (certificate_id, credential_id, identity[2])
    standing = (found["state"], found["scope_template"], found["resource_server"])
    if (
        before == identity
        and standing == (wanted.state, wanted.scope_template, wanted.resource_server)
        and wanted.valid_from in {None, found["valid_from"]}
        and wanted.valid_until in {None, found["valid_until"]}
    ):
        return False
    if certificate_id is None:
        pass
    elif (identity[2] or before[2]) is not None:
        if (before[0], before[2]) != (identity[0], identity[2]):
            await use_certificate(work.connection, tenant_id, number, certificate_id, exception_id=identity[2])
    elif before[0] != certificate_id:
        await rotate_certificate(work.connection, tenant_id, number, certificate_id)
    if credential_id is not None and before[1] != credential_id:
        await rotate_credential(work.connection, tenant_id, number, credential_id)
    status = await work.connection.execute(
        "UPDATE registry.aansluiting SET state = $3, scope_template = $4, resource_server = $5, "
        "  valid_from = COALESCE($6, valid_from), valid_until = COALESCE($7, valid_until) "
        "WHERE tenant_id = $1 AND aansluiting_id = $2 "
        "  AND (state, scope_template, resource_server, valid_from, valid_until) "
        "    IS DISTINCT FROM ($3, $4, $5, COALESCE($6, valid_from), COALESCE($7, valid_until))",
        tenant_id, number, wanted.state, wanted.scope_template, wanted.resource_server, wanted.valid_from,
        wanted.valid_until,
    )  # fmt: skip
    return bool(status == "UPDATE 1") or before != identity
