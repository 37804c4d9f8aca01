"""The part of an onboarding that says who may call: taaksystemen, keys, mandates, machtigingen. In a tenant's scope."""

import json

from tenants import callers
from tenants.faults import InputRefused
from tenants.onboarding_document import AansluitingReference, MachtigingPart, TaaksysteemPart, TenantPart
from tenants.onboarding_patterns import apply_header_choice, apply_header_profile
from tenants.onboarding_proofs import apply_idps, apply_proofs
from tenants.onboarding_work import IssuedSecret, Work
from tenants.rights import Policy
from tenants.scope import tenant_scope


async def apply_taaksystemen(work: Work, part: TenantPart) -> None:
    """Make taaksystemen, and the secrets that the document asks for and that are not there yet."""
    tenant_id = work.tenants[part.oin]
    await apply_idps(work, tenant_id, part.idps)
    for one in part.taaksystemen:
        number = await _taaksysteem(work, tenant_id, one.name, one.environment)
        if number is None:
            number = await callers.create_taaksysteem(
                work.connection, tenant_id, name=one.name, environment=one.environment
            )
            work.made["taaksysteem"] += 1
        await _keys(work, part.oin, number, one)
        await apply_header_profile(work, tenant_id, number, one.header_profile)
        await apply_proofs(work, tenant_id, number, one.proofs)


async def _keys(work: Work, oin: str, taaksysteem_id: int, part: TaaksysteemPart) -> None:
    tenant_id = work.tenants[oin]
    rows = await work.connection.fetch(
        "SELECT kind, client_id FROM registry.taaksysteem_key "
        "WHERE tenant_id = $1 AND taaksysteem_id = $2 AND state = 'active' AND valid_until > now()",
        tenant_id, taaksysteem_id,
    )  # fmt: skip
    if part.api_key and not any(row["kind"] == "api-key" for row in rows):
        key_id, secret = await callers.issue_api_key(work.connection, tenant_id, work.identity, taaksysteem_id)
        work.secrets.append(IssuedSecret(oin, part.name, "api-key", str(key_id), secret))
        work.made["key"] += 1
    known = {row["client_id"] for row in rows}
    for one in part.gateway_clients:
        if one.client_id not in known:
            name, secret = await callers.issue_gateway_client(
                work.connection, tenant_id, work.identity, taaksysteem_id, client_id=one.client_id, secret=one.secret
            )
            work.secrets.append(IssuedSecret(oin, part.name, "client-secret", name, secret))
            work.made["key"] += 1


async def apply_mandates(work: Work, part: TenantPart) -> None:
    """Give the mandates that do not stand yet."""
    tenant_id = work.tenants[part.oin]
    for one in part.mandates:
        to_tenant_id = await _tenant(work, one.to)
        number = await _mandate(work, tenant_id, to_tenant_id)
        if number is None:
            number = await callers.create_mandate(
                work.connection, tenant_id, to_tenant_id=to_tenant_id, reason=one.reason, valid_from=one.valid_from,
                valid_until=one.valid_until,
            )  # fmt: skip
            work.made["mandate"] += 1
        await apply_header_choice(work, tenant_id, number, allowed=one.header_choice)


async def apply_vaste_aansluitingen(work: Work, part: TenantPart) -> None:
    """Name the aansluiting of each taaksysteem that names none itself, as the document says."""
    tenant_id = work.tenants[part.oin]
    for one in part.taaksystemen:
        if one.vaste_aansluiting is None:
            continue
        reference = one.vaste_aansluiting
        other = tenant_id if reference.tenant is None else await _tenant(work, reference.tenant)
        if other != tenant_id and await _mandate(work, other, tenant_id) is None:
            raise InputRefused(
                [f"The tenant with OIN {reference.tenant} has given no mandate to the one with {part.oin}."]
            )
        wanted = (other, await _aansluiting(work, other, one.environment, reference))
        row = await work.connection.fetchrow(
            "SELECT taaksysteem_id, vaste_aansluiting_tenant_id, vaste_aansluiting_id FROM registry.taaksysteem "
            "WHERE tenant_id = $1 AND name = $2 AND environment = $3 AND state = 'active'",
            tenant_id, one.name, one.environment,
        )  # fmt: skip
        if (row[1], row[2]) != wanted:
            await callers.set_vaste_aansluiting(work.connection, tenant_id, row[0], wanted)
            work.changed["taaksysteem"] += 1


async def apply_machtigingen(work: Work, part: TenantPart) -> None:
    """Make machtigingen. One for the same aansluiting, taaksysteem and doelbinding in other words is withdrawn first."""
    tenant_id = work.tenants[part.oin]
    for one in part.machtigingen:
        made = await _machtiging(work, tenant_id, one)
        rows = await work.connection.fetch(
            "SELECT machtiging_id, grondslag, ontvanger, verwerkingsactiviteit, rights, mandate_id, valid_from, valid_until, "
            "  conditions, add_bsn, leave_out_geheimhouding, protocol_note, protocol_note_article, inzage, inzage_article "
            "FROM registry.machtiging WHERE tenant_id = $1 AND aansluiting_id = $2 AND taaksysteem_tenant_id = $3 "
            "AND taaksysteem_id = $4 AND doelbinding = $5 AND withdrawn_at IS NULL AND valid_until > now()",
            tenant_id, made.aansluiting_id, *made.taaksysteem, made.doelbinding,
        )  # fmt: skip
        wanted = (made.grondslag, made.ontvanger, made.verwerkingsactiviteit, one.rights, made.mandate_id)
        terms = (one.conditions, one.add_bsn, made.policy)
        same = [
            row
            for row in rows
            if (row[1], row[2], row[3], json.loads(row["rights"]), row["mandate_id"]) == wanted
            and (json.loads(row["conditions"]), row["add_bsn"], Policy(*row[10:15])) == terms
            and one.valid_from in {None, row["valid_from"]}
            and one.valid_until in {None, row["valid_until"]}
        ]
        if same:
            continue
        for row in rows:
            await callers.withdraw_machtiging(work.connection, tenant_id, row["machtiging_id"])
            work.changed["machtiging"] += 1
        await callers.create_machtiging(work.connection, tenant_id, made)
        work.made["machtiging"] += 1


async def _machtiging(work: Work, tenant_id: int, part: MachtigingPart) -> callers.NewMachtiging:
    reference = AansluitingReference(afnemer_id=part.afnemer_id, pattern=part.pattern)
    aansluiting_id = await _aansluiting(work, tenant_id, part.environment, reference)
    other = tenant_id if part.taaksysteem.tenant is None else await _tenant(work, part.taaksysteem.tenant)
    mandate_id = None if other == tenant_id else await _mandate(work, tenant_id, other)
    if other != tenant_id and mandate_id is None:
        raise InputRefused(
            [f"Taaksysteem {part.taaksysteem.name!r} is another tenant's, and there is no mandate for it."]
        )
    async with tenant_scope(work.connection, other, actor=work.actor):
        taaksysteem_id = await _taaksysteem(work, other, part.taaksysteem.name, part.environment)
    if taaksysteem_id is None:
        raise InputRefused([f"There is no taaksysteem {part.taaksysteem.name!r} in {part.environment}."])
    return callers.NewMachtiging(
        aansluiting_id=aansluiting_id,
        taaksysteem=(other, taaksysteem_id),
        doelbinding=part.doelbinding,
        grondslag=part.grondslag,
        ontvanger=part.ontvanger,
        verwerkingsactiviteit=part.verwerkingsactiviteit,
        rights=part.rights,
        mandate_id=mandate_id,
        valid_from=part.valid_from,
        valid_until=part.valid_until,
        conditions=part.conditions,
        add_bsn=part.add_bsn,
        policy=part.register_policy.policy(),
    )


async def _tenant(work: Work, oin: str) -> int:
    if oin not in work.tenants:
        found = await work.connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", oin)
        if found is None:
            raise InputRefused([f"There is no tenant with OIN {oin}."])
        work.tenants[oin] = found
    return work.tenants[oin]


async def _taaksysteem(work: Work, tenant_id: int, name: str, environment: str) -> int | None:
    rows = await work.connection.fetch(
        "SELECT taaksysteem_id FROM registry.taaksysteem "
        "WHERE tenant_id = $1 AND name = $2 AND environment = $3 AND state = 'active'",
        tenant_id, name, environment,
    )  # fmt: skip
    if len(rows) > 1:
        raise InputRefused([f"There are {len(rows)} taaksystemen {name!r} in {environment}; which one is meant?"])
    return rows[0][0] if rows else None


async def _aansluiting(work: Work, tenant_id: int, environment: str, reference: AansluitingReference) -> int:
    async with tenant_scope(work.connection, tenant_id, actor=work.actor):
        number: int | None = await work.connection.fetchval(
            "SELECT aansluiting_id FROM registry.aansluiting WHERE tenant_id = $1 AND afnemer_id = $2 "
            "AND environment = $3 AND pattern = $4 AND state <> 'beeindigd'",
            tenant_id, reference.afnemer_id, environment, reference.pattern,
        )  # fmt: skip
    if number is None:
        raise InputRefused([f"Afnemer {reference.afnemer_id} has no aansluiting {reference.pattern} in {environment}."])
    return number


async def _mandate(work: Work, tenant_id: int, to_tenant_id: int) -> int | None:
    number: int | None = await work.connection.fetchval(
        "SELECT mandate_id FROM registry.mandate WHERE tenant_id = $1 AND to_tenant_id = $2 AND withdrawn_at IS NULL "
        "AND valid_until > now() ORDER BY mandate_id LIMIT 1",
        tenant_id, to_tenant_id,
    )  # fmt: skip
    return number
