"""Brings the registry to what an onboarding document says, in one transaction. Applying it again changes nothing.

What the document does not name is left alone: nothing is ended or withdrawn for being absent. A machtiging that the
document words otherwise is withdrawn and made anew, so that the register's rows keep pointing at the words that held.
An existing credential is recognised by its client-ID and by the keyed digest of its secret: another secret is a new
version, which the aansluitingen of the document go over to. One that was kept before digests were is left as it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from tenants.certificates import CertificateFacts, read_certificate
from tenants.faults import InputRefused
from tenants.keyring import Keyring
from tenants.onboarding_aansluitingen import apply_aansluitingen, apply_steps
from tenants.onboarding_besluiten import apply_besluiten
from tenants.onboarding_callers import apply_machtigingen, apply_mandates, apply_taaksystemen, apply_vaste_aansluitingen
from tenants.onboarding_checkpoints import apply_destinations
from tenants.onboarding_contacts import apply_contacts
from tenants.onboarding_document import (
    CertificatePart,
    CredentialPart,
    Document,
    TenantPart,
    read_document,
)
from tenants.onboarding_doelbindingen import apply_doelbindingen
from tenants.onboarding_files import is_reference, read_pem, read_reference
from tenants.onboarding_identities import apply_afnemers, apply_certificates, apply_credentials
from tenants.onboarding_patterns import (
    apply_agreements,
    apply_exceptions,
    apply_header_profiles,
    apply_lendings,
    check_document,
)
from tenants.onboarding_register import ask_registers, bring_tenant, must_be_kept
from tenants.onboarding_work import IssuedSecret, Opened, Work
from tenants.scope import tenant_scope

ACTOR = "onboarding"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done. `secrets` are shown now and never again; `tenants` is number by OIN."""

    tenants: Mapping[str, int]
    made: Mapping[str, int]
    changed: Mapping[str, int]
    secrets: tuple[IssuedSecret, ...] = field(repr=False, default=())


async def apply(
    connection: asyncpg.Connection,
    document: Mapping[str, Any],
    identity_public: Keyring,
    register_public: Keyring,
    *,
    actor: str = ACTOR,
    directory: Path | None = None,
) -> Outcome:
    """Apply a document; paths in it are relative to `directory`. Raises InputRefused with every fault; nothing is kept then."""
    read = read_document(document)
    must_be_kept(read)
    opened = read_files(read, directory or Path())
    work = Work(connection, identity_public, register_public, actor)
    try:
        async with connection.transaction():
            await bring(work, read, opened)
            await ask_registers(work, read)
            await check_document(work, read)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise refused_by_registry(error) from None
    return outcome_of(work)


def outcome_of(work: Work) -> Outcome:
    """What an onboarding did."""
    return Outcome(dict(work.tenants), dict(work.made), dict(work.changed), tuple(work.secrets))


def refused_by_registry(error: asyncpg.IntegrityConstraintViolationError) -> InputRefused:
    """The database's own detail would show values."""
    return InputRefused([f"The registry refuses this: {error.constraint_name} of {error.table_name}."])


async def bring(work: Work, read: Document, opened: Sequence[Opened]) -> None:
    """Bring the registry to what a document says, in the transaction that is open.

    Raises InputRefused with what is wrong of every tenant, by its place: the first thing of each.
    """
    await hold_registry(work.connection)
    await _check_environments(work.connection, read)
    for part in read.tenants:
        work.tenants[part.oin] = await bring_tenant(work, part)
    of_tenant = {part.oin: one for part, one in zip(read.tenants, opened, strict=True)}
    failed: dict[str, list[str]] = {}
    for step, names in _STEPS:
        for number, part in enumerate(read.tenants):
            if part.oin in failed or not any(getattr(part, name) for name in names):
                continue
            try:
                async with tenant_scope(work.connection, work.tenants[part.oin], actor=work.actor):
                    await step(work, part, of_tenant[part.oin])
            except InputRefused as refusal:
                failed[part.oin] = [f"tenants.{number}: {fault}" for fault in refusal.faults]
            except asyncpg.IntegrityConstraintViolationError as error:
                failed[part.oin] = [f"tenants.{number}: {fault}" for fault in refused_by_registry(error).faults]
    if failed:
        raise InputRefused(fault for faults in failed.values() for fault in faults)


async def hold_registry(connection: asyncpg.Connection) -> None:
    """Let no other document come in until this transaction ends: two would both find nothing and make everything twice."""
    await connection.execute("SELECT pg_advisory_xact_lock(19265, 1)")


async def _identities(work: Work, part: TenantPart, opened: Opened) -> None:
    await apply_afnemers(work, part)
    await apply_besluiten(work, part)
    await apply_certificates(work, part, opened)
    await apply_lendings(work, part)


async def _callers(work: Work, part: TenantPart, opened: Opened) -> None:
    await apply_agreements(work, part)
    await apply_exceptions(work, part)
    credentials = await apply_credentials(work, part, opened)
    await apply_aansluitingen(work, part, credentials)
    if not work.asks:
        await apply_steps(work, work.tenants[part.oin], part.aansluitingen)
    await apply_header_profiles(work, part)
    await apply_taaksystemen(work, part)


async def _mandates(work: Work, part: TenantPart, _: Opened) -> None:
    await apply_mandates(work, part)


async def _use(work: Work, part: TenantPart, _: Opened) -> None:
    await apply_vaste_aansluitingen(work, part)
    await apply_machtigingen(work, part)
    await apply_destinations(work, part.oin, part.checkpoint_destinations)
    await apply_doelbindingen(work, part.oin, part.doelbindingen)
    await apply_contacts(work, part.oin, part.contacts)


_STEPS: Final = (
    (_identities, ("afnemers", "certificates", "certificate_lendings")),
    (
        _callers,
        (
            "agreements",
            "certificate_exceptions",
            "credentials",
            "aansluitingen",
            "header_profiles",
            "idps",
            "taaksystemen",
        ),
    ),
    (_mandates, ("mandates",)),
    (_use, ("taaksystemen", "machtigingen", "checkpoint_destinations", "doelbindingen", "contacts")),
)
"""In this order through all tenants, as each leans on what others did before; with the parts of a tenant that it is for."""


def read_files(document: Document, directory: Path) -> list[Opened]:
    """What the document names by where it lies. Raises InputRefused with everything that is wrong."""
    faults: list[str] = []
    read: list[Opened] = []
    for number, tenant in enumerate(document.tenants):
        certificates: list[CertificateFacts] = []
        secrets: list[str] = []
        for index, one in enumerate(tenant.certificates):
            try:
                certificates.append(_read_certificate(tenant, one, directory))
            except InputRefused as refusal:
                faults += (f"tenants.{number}.certificates.{index}: {fault}" for fault in refusal.faults)
        for index, credential in enumerate(tenant.credentials):
            try:
                secrets.append(_read_secret(credential, directory))
            except InputRefused as refusal:
                faults += (f"tenants.{number}.credentials.{index}: {fault}" for fault in refusal.faults)
        read.append(Opened(tuple(certificates), tuple(secrets)))
    if faults:
        raise InputRefused(faults)
    return read


def _read_certificate(tenant: TenantPart, one: CertificatePart, directory: Path) -> CertificateFacts:
    chain, key = read_pem(one.chain, directory), read_pem(one.key, directory)
    return read_certificate(chain, key, organisation_oin=one.organisation_oin or tenant.oin, now=datetime.now(UTC))


def _read_secret(one: CredentialPart, directory: Path) -> str:
    if one.secret is not None and not is_reference(one.secret):
        return one.secret
    try:
        place = one.secret if one.secret is not None else f"file:{one.secret_file}"
        secret = read_reference(place, directory).decode().strip()
    except UnicodeDecodeError:
        raise InputRefused(["The secret is no text."]) from None
    if not secret:
        raise InputRefused(["The secret is empty."])
    return secret


async def _check_environments(connection: asyncpg.Connection, document: Document) -> None:
    known = {row["name"] for row in await connection.fetch("SELECT name FROM registry.environment")}
    named = Counter(
        one.environment
        for tenant in document.tenants
        for part in (tenant.credentials, tenant.aansluitingen, tenant.taaksystemen, tenant.machtigingen)
        for one in part
    )
    if unknown := sorted(named.keys() - known):
        raise InputRefused(f"There is no environment {name!r}." for name in unknown)
