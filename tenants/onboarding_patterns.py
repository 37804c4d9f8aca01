"""The part of an onboarding that aansluitpatronen are judged by: agreements, exceptions, header profiles. In a tenant's scope."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from tenants import agreements
from tenants.delivery.places import MISSING, has_place
from tenants.endings import StillUsed, end_header_profile
from tenants.faults import InputRefused, NotFound
from tenants.onboarding_document import AansluitingPart, Document, TenantPart
from tenants.onboarding_names import find_tenant
from tenants.onboarding_pairing import pair
from tenants.onboarding_shapes import AgreementPart
from tenants.onboarding_work import Work
from tenants.pattern_rows import check_patterns
from tenants.scope import tenant_scope
from tenants.taaksysteem_headers import put_header_profile, set_header_profile

_IN_USE = frozenset({"proef", "productie"})


async def apply_agreements(work: Work, part: TenantPart) -> None:
    """Record the agreements that are not there yet, and the graces. One is known by kind, afnemer, party and first day."""
    if not part.agreements:
        return
    tenant_id = work.tenants[part.oin]
    rows = await work.connection.fetch(
        "SELECT agreement_id, kind, afnemer_id, party, signed_on, valid_until, grace_until, grace_reason, reference, products "
        "FROM registry.agreement WHERE tenant_id = $1 AND withdrawn_at IS NULL ORDER BY agreement_id",
        tenant_id,
    )
    for one, found in pair(
        part.agreements,
        rows,
        name_of=lambda one: (one.kind, one.afnemer_id, one.party, one.signed_on),
        name_of_known=lambda row: (row["kind"], row["afnemer_id"], row["party"], row["signed_on"]),
        is_same=lambda one, row: (
            not _is_other(row, one) and (one.grace_until, one.grace_reason) == (row["grace_until"], row["grace_reason"])
        ),
    ):
        row, before = found, work.count
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
        if work.count > before:
            work.touched.append(one)


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
        to_tenant_id = await find_tenant(work, one.to)
        if await find_lending(work, tenant_id, to_tenant_id) is None:
            await agreements.lend_certificates(
                work.connection, tenant_id, to_tenant_id=to_tenant_id, reason=one.reason, valid_from=one.valid_from,
                valid_until=one.valid_until,
            )  # fmt: skip
            work.made["lending"] += 1
            work.touched.append(one)


async def apply_exceptions(work: Work, part: TenantPart) -> None:
    """Record the exceptions that do not stand yet. Raises InputRefused where the holder lends nothing."""
    tenant_id = work.tenants[part.oin]
    for one in part.certificate_exceptions:
        if await standing_exception(work, tenant_id, one.afnemer_id, one.holder) is not None:
            continue
        if one.granted_by is None:
            raise InputRefused([f"The exception of {one.afnemer_id} does not say by whom it was granted."])
        holder = await find_tenant(work, one.holder)
        lending_id = await find_lending(work, holder, tenant_id)
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
    """The exception that an aansluiting needs, None for one with its own certificate. Raises InputRefused without it.

    Where exceptions are asked it is None too as long as there is none.
    """
    if part.certificate_of is None:
        return None
    number = await standing_exception(work, tenant_id, part.afnemer_id, part.certificate_of)
    if number is None and not work.asks:
        raise InputRefused([f"Afnemer {part.afnemer_id} has no exception for a certificate of {part.certificate_of}."])
    return number


async def apply_header_profiles(work: Work, part: TenantPart) -> None:
    """Make or change the tenant's own header profiles, and end those that are to end. Raises InputRefused."""
    for one in part.header_profiles:
        if one.ended:
            try:
                ended = await end_header_profile(work.connection, work.tenants[part.oin], one.name)
            except (NotFound, StillUsed) as error:
                raise InputRefused([f"Header profile {one.name}: {error}"]) from None
            work.changed["header_profile"] += ended
            continue
        document = one.model_dump(mode="json", exclude={"name", "ended"}, exclude_unset=True)
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
    """Raise InputRefused, with everything, unless what the document puts to use is as its aansluitpatroon wants it.

    Where states are asked this is looked at by the move; here only of what is in use and got another certificate.
    """
    faults: list[str] = []
    for part in () if work.asks and not work.rotated else document.tenants:
        tenant_id = work.tenants[part.oin]
        named = {(one.afnemer_id, one.environment, one.pattern) for one in part.aansluitingen if one.state in _IN_USE}
        async with tenant_scope(work.connection, tenant_id, actor=work.actor):
            rows = await work.connection.fetch(
                "SELECT aansluiting_id, afnemer_id, environment, pattern FROM registry.aansluiting "
                "WHERE tenant_id = $1 AND state = ANY ($2::text[])",
                tenant_id, sorted(_IN_USE),
            )  # fmt: skip
            if not work.asks and await _lacks_place(work.connection, tenant_id, part):
                faults.append(f"{part.oin}: {MISSING}")
            numbers = {row[0] for row in rows if (row[1], row[2], row[3]) in named}
            if work.asks:
                numbers &= work.rotated
            if not numbers:
                continue
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


async def find_lending(work: Work, tenant_id: int, to_tenant_id: int) -> int | None:
    """The oldest lending that stands, of one tenant to the other."""
    number: int | None = await work.connection.fetchval(
        "SELECT lending_id FROM registry.certificate_lending WHERE tenant_id = $1 AND to_tenant_id = $2 "
        "AND withdrawn_at IS NULL AND valid_until > now() ORDER BY lending_id LIMIT 1",
        tenant_id, to_tenant_id,
    )  # fmt: skip
    return number


async def standing_exception(work: Work, tenant_id: int, afnemer_id: str, holder_oin: str) -> int | None:
    """The oldest exception that stands, of an afnemer for certificates of that holder."""
    number: int | None = await work.connection.fetchval(
        "SELECT exception_id FROM registry.certificate_exception WHERE tenant_id = $1 AND afnemer_id = $2 "
        "AND holder_oin = $3 AND withdrawn_at IS NULL AND valid_until > now() ORDER BY exception_id LIMIT 1",
        tenant_id, afnemer_id, holder_oin,
    )  # fmt: skip
    return number
