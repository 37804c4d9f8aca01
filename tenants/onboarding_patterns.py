"""The part of an onboarding that aansluitpatronen are judged by: agreements, exceptions, header profiles. In a tenant's scope."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from tenants import agreements
from tenants.delivery.places import MISSING, has_place
from tenants.faults import InputRefused, NotFound
from tenants.onboarding_document import AansluitingPart, Document, TenantPart
from tenants.onboarding_shapes import AgreementPart
from tenants.onboarding_work import Work
from tenants.pattern_rows import check_patterns
from tenants.scope import tenant_scope
from tenants.taaksysteem_headers import put_header_profile, set_header_profile

_IN_USE = frozenset({"proef", "productie"})


async def apply_agreements(work: Work, part: TenantPart) -> None:
    """Record the agreements that are not there yet, and the graces. One is known by kind, afnemer, party and first day."""
    tenant_id = work.tenants[part.oin]
    for one in part.agreements:
        row = await work.connection.fetchrow(
            "SELECT agreement_id, valid_until, grace_until, grace_reason, reference, products FROM registry.agreement "
            "WHERE tenant_id = $1 AND kind = $2 AND afnemer_id IS NOT DISTINCT FROM $3 AND party = $4 AND signed_on = $5 "
            "  AND withdrawn_at IS NULL",
            tenant_id, one.kind, one.afnemer_id, one.party, one.signed_on,
        )  # fmt: skip
        if row is not None and _is_other(row, one):
            await agreements.withdraw_agreement(work.connection, tenant_id, row["agreement_id"])
            work.changed["agreement"] += 1
            row = None
        number = await _agreement(work, tenant_id, one) if row is None else row["agreement_id"]
        known = (None, None) if row is None else (row["grace_until"], row["grace_reason"])
        if one.grace_until is not None and known != (one.grace_until, one.grace_reason):
            await agreements.grant_grace(
                work.connection, tenant_id, number, until=one.grace_until, reason=one.grace_reason or ""
            )
            work.changed["agreement"] += 1


def _is_other(row: Mapping[str, Any], part: AgreementPart) -> bool:
    known = (row["valid_until"], row["reference"], sorted(row["products"]))
    return known != (part.valid_until, part.reference or "", sorted(part.products))


async def _agreement(work: Work, tenant_id: int, part: AgreementPart) -> int:
    made = agreements.NewAgreement(
        part.kind, part.party, part.signed_on, part.valid_until, part.afnemer_id, part.reference or "", part.products
    )
    work.made["agreement"] += 1
    return await agreements.add_agreement(work.connection, tenant_id, made)


async def apply_lendings(work: Work, part: TenantPart) -> None:
    """Lend this tenant's certificates to whom the document names, where that does not stand yet."""
    tenant_id = work.tenants[part.oin]
    for one in part.certificate_lendings:
        to_tenant_id = await _tenant(work, one.to)
        if await _lending(work, tenant_id, to_tenant_id) is None:
            await agreements.lend_certificates(
                work.connection, tenant_id, to_tenant_id=to_tenant_id, reason=one.reason, valid_from=one.valid_from,
                valid_until=one.valid_until,
            )  # fmt: skip
            work.made["lending"] += 1


async def apply_exceptions(work: Work, part: TenantPart) -> None:
    """Record the exceptions that do not stand yet. Raises InputRefused where the holder lends nothing."""
    tenant_id = work.tenants[part.oin]
    for one in part.certificate_exceptions:
        if await _exception(work, tenant_id, one.afnemer_id, one.holder) is not None:
            continue
        holder = await _tenant(work, one.holder)
        lending_id = await _lending(work, holder, tenant_id)
        if lending_id is None:
            raise InputRefused([f"The tenant with OIN {one.holder} lends no certificate to the one with {part.oin}."])
        made = agreements.NewException(
            one.afnemer_id, (holder, lending_id), one.holder, one.reason, one.article, one.granted_by, one.valid_until,
            one.valid_from,
        )  # fmt: skip
        try:
            await agreements.grant_exception(work.connection, tenant_id, made)
        except NotFound as error:
            raise InputRefused([str(error)]) from None
        work.made["exception"] += 1


async def find_exception(work: Work, tenant_id: int, part: AansluitingPart) -> int | None:
    """The exception that an aansluiting needs, None for one with its own certificate. Raises InputRefused."""
    if part.certificate_of is None:
        return None
    number = await _exception(work, tenant_id, part.afnemer_id, part.certificate_of)
    if number is None:
        raise InputRefused([f"Afnemer {part.afnemer_id} has no exception for a certificate of {part.certificate_of}."])
    return number


async def apply_header_profiles(work: Work, part: TenantPart) -> None:
    """Make or change the tenant's own header profiles."""
    for one in part.header_profiles:
        document = one.model_dump(mode="json", exclude={"name"}, exclude_unset=True)
        changed = await put_header_profile(work.connection, work.tenants[part.oin], one.name, document)
        work.changed["header_profile"] += changed


async def apply_header_profile(work: Work, tenant_id: int, taaksysteem_id: int, name: str | None) -> None:
    """Give a taaksysteem the profile that the document names; None leaves it as it is."""
    query = "SELECT header_profile FROM registry.taaksysteem WHERE tenant_id = $1 AND taaksysteem_id = $2"
    if name is not None and name != await work.connection.fetchval(query, tenant_id, taaksysteem_id):
        try:
            await set_header_profile(work.connection, tenant_id, taaksysteem_id, name)
        except NotFound as error:
            raise InputRefused([str(error)]) from None
        work.changed["taaksysteem"] += 1


async def apply_header_choice(work: Work, tenant_id: int, mandate_id: int, *, allowed: bool | None) -> None:
    """Let a mandate's consent to a choice by header be what the document says; None leaves it as it is."""
    if allowed is None:
        return
    query = "SELECT header_choice FROM registry.mandate WHERE tenant_id = $1 AND mandate_id = $2"
    if allowed != await work.connection.fetchval(query, tenant_id, mandate_id):
        await agreements.set_header_choice(work.connection, tenant_id, mandate_id, allowed=allowed)
        work.changed["mandate"] += 1


async def check_document(work: Work, document: Document) -> None:
    """Raise InputRefused, with everything, unless what the document puts to use is as its aansluitpatroon wants it."""
    faults: list[str] = []
    for part in document.tenants:
        tenant_id = work.tenants[part.oin]
        named = {(one.afnemer_id, one.environment, one.pattern) for one in part.aansluitingen if one.state in _IN_USE}
        async with tenant_scope(work.connection, tenant_id, actor=work.actor):
            rows = await work.connection.fetch(
                "SELECT aansluiting_id, afnemer_id, environment, pattern FROM registry.aansluiting "
                "WHERE tenant_id = $1 AND state <> 'beeindigd'",
                tenant_id,
            )
            if await _lacks_place(work.connection, tenant_id, part):
                faults.append(f"{part.oin}: {MISSING}")
            numbers = {row[0] for row in rows if (row[1], row[2], row[3]) in named}
            try:
                await check_patterns(work.connection, tenant_id, numbers)
            except InputRefused as refusal:
                faults += refusal.faults
    if faults:
        raise InputRefused(faults)


async def _lacks_place(connection: asyncpg.Connection, tenant_id: int, part: TenantPart) -> bool:
    """Whether the document has something in productie while checkpoints go nowhere."""
    environments = {one.environment for one in part.aansluitingen if one.state == "productie"}
    is_productie = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.environment WHERE kind = 'productie' AND name = ANY ($1))",
        sorted(environments),
    )
    return bool(is_productie) and not await has_place(connection, tenant_id)


async def _tenant(work: Work, oin: str) -> int:
    if oin not in work.tenants:
        found = await work.connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", oin)
        if found is None:
            raise InputRefused([f"There is no tenant with OIN {oin}."])
        work.tenants[oin] = found
    return work.tenants[oin]


async def _lending(work: Work, tenant_id: int, to_tenant_id: int) -> int | None:
    number: int | None = await work.connection.fetchval(
        "SELECT lending_id FROM registry.certificate_lending WHERE tenant_id = $1 AND to_tenant_id = $2 "
        "AND withdrawn_at IS NULL AND valid_until > now() ORDER BY lending_id LIMIT 1",
        tenant_id, to_tenant_id,
    )  # fmt: skip
    return number


async def _exception(work: Work, tenant_id: int, afnemer_id: str, holder_oin: str) -> int | None:
    number: int | None = await work.connection.fetchval(
        "SELECT exception_id FROM registry.certificate_exception WHERE tenant_id = $1 AND afnemer_id = $2 "
        "AND holder_oin = $3 AND withdrawn_at IS NULL AND valid_until > now() ORDER BY exception_id LIMIT 1",
        tenant_id, afnemer_id, holder_oin,
    )  # fmt: skip
    return number
