"""The part of an onboarding that says who may call: taaksystemen, keys, mandates, machtigingen. In a tenant's scope.

A tenant may have ten thousand of them: what is there is read once, and what is missing is made in one statement.
"""

import json
from collections import defaultdict

import asyncpg

from tenants import callers
from tenants.faults import InputRefused
from tenants.onboarding_document import MachtigingPart, TaaksysteemPart, TenantPart
from tenants.onboarding_names import Named, find_aansluiting, find_mandate, find_taaksysteem, find_tenant
from tenants.onboarding_pairing import pair
from tenants.onboarding_patterns import apply_header_choice, apply_header_profile
from tenants.onboarding_proofs import apply_idps, apply_proofs
from tenants.onboarding_work import IssuedSecret, Work
from tenants.rights import Policy

_EXISTING = (
    "SELECT machtiging_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, doelbinding, grondslag, ontvanger, "
    "  verwerkingsactiviteit, rights, mandate_id, valid_from, valid_until, conditions, add_bsn, leave_out_geheimhouding, "
    "  protocol_note, protocol_note_article, inzage, inzage_article "
    "FROM registry.machtiging WHERE tenant_id = $1 AND withdrawn_at IS NULL AND valid_until > now() ORDER BY machtiging_id"
)
_POLICY = ("leave_out_geheimhouding", "protocol_note", "protocol_note_article", "inzage", "inzage_article")


async def apply_taaksystemen(work: Work, part: TenantPart) -> None:
    """Make taaksystemen, and the secrets that the document asks for and that are not there yet."""
    tenant_id = work.tenants[part.oin]
    await apply_idps(work, tenant_id, part.idps)
    if not part.taaksystemen:
        return
    names = Named(work)
    numbers: dict[tuple[str, str], int] = {}
    missing: dict[str, list[str]] = defaultdict(list)
    for one in part.taaksystemen:
        number = await find_taaksysteem(names, tenant_id, one.name, one.environment)
        if number is None:
            missing[one.environment].append(one.name)
        else:
            numbers[one.name, one.environment] = number
    for environment, wanted in missing.items():
        made = await callers.create_taaksystemen(work.connection, tenant_id, environment, wanted)
        numbers |= {(name, environment): number for name, number in zip(wanted, made, strict=True)}
        work.made["taaksysteem"] += len(made)
    keys = await _held_keys(work, tenant_id, list(numbers.values()))
    await _api_keys(work, part, numbers, keys)
    for one in part.taaksystemen:
        number = numbers[one.name, one.environment]
        before = work.count
        await _gateway_clients(work, part.oin, number, one, {client for _, client in keys[number]})
        await apply_header_profile(work, tenant_id, number, one.header_profile)
        await apply_proofs(work, tenant_id, number, one.proofs)
        if work.count > before or one.name in missing.get(one.environment, ()) or _lacks_api_key(one, keys[number]):
            work.touched.append(one)


async def _held_keys(work: Work, tenant_id: int, numbers: list[int]) -> dict[int, set[tuple[str, str | None]]]:
    found: dict[int, set[tuple[str, str | None]]] = {number: set() for number in numbers}
    for row in await work.connection.fetch(
        "SELECT taaksysteem_id, kind, client_id FROM registry.taaksysteem_key "
        "WHERE tenant_id = $1 AND taaksysteem_id = ANY ($2::bigint[]) AND state = 'active' AND valid_until > now()",
        tenant_id, numbers,
    ):  # fmt: skip
        found[row["taaksysteem_id"]].add((row["kind"], row["client_id"]))
    return found


def _lacks_api_key(one: TaaksysteemPart, keys: set[tuple[str, str | None]]) -> bool:
    return one.api_key and not any(kind == "api-key" for kind, _ in keys)


async def _api_keys(
    work: Work, part: TenantPart, numbers: dict[tuple[str, str], int], keys: dict[int, set[tuple[str, str | None]]]
) -> None:
    wanted = [one for one in part.taaksystemen if _lacks_api_key(one, keys[numbers[one.name, one.environment]])]
    if not wanted:
        return
    made = await callers.issue_api_keys(
        work.connection, work.tenants[part.oin], work.identity, [numbers[one.name, one.environment] for one in wanted]
    )
    for one, (key_id, secret) in zip(wanted, made, strict=True):
        work.secrets.append(IssuedSecret(part.oin, one.name, "api-key", str(key_id), secret))
    work.made["key"] += len(made)


async def _gateway_clients(
    work: Work, oin: str, taaksysteem_id: int, part: TaaksysteemPart, known: set[str | None]
) -> None:
    for one in part.gateway_clients:
        if one.client_id not in known:
            name, secret = await callers.issue_gateway_client(
                work.connection, work.tenants[oin], work.identity, taaksysteem_id, client_id=one.client_id,
                secret=one.secret,
            )  # fmt: skip
            work.secrets.append(IssuedSecret(oin, part.name, "client-secret", name, secret))
            work.made["key"] += 1


async def apply_mandates(work: Work, part: TenantPart) -> None:
    """Give the mandates that do not stand yet."""
    tenant_id = work.tenants[part.oin]
    for one in part.mandates:
        before = work.count
        to_tenant_id = await find_tenant(work, one.to)
        number = await find_mandate(work, tenant_id, to_tenant_id)
        if number is None:
            number = await callers.create_mandate(
                work.connection, tenant_id, to_tenant_id=to_tenant_id, reason=one.reason, valid_from=one.valid_from,
                valid_until=one.valid_until,
            )  # fmt: skip
            work.made["mandate"] += 1
        await apply_header_choice(work, tenant_id, number, allowed=one.header_choice)
        if work.count > before:
            work.touched.append(one)


async def apply_vaste_aansluitingen(work: Work, part: TenantPart) -> None:
    """Name the aansluiting of each taaksysteem that names none itself, as the document says."""
    tenant_id = work.tenants[part.oin]
    wanting = [one for one in part.taaksystemen if one.vaste_aansluiting is not None]
    if not wanting:
        return
    rows = await work.connection.fetch(
        "SELECT name, environment, taaksysteem_id, vaste_aansluiting_tenant_id, vaste_aansluiting_id "
        "FROM registry.taaksysteem WHERE tenant_id = $1 AND state = 'active'",
        tenant_id,
    )
    known = {(row["name"], row["environment"]): row for row in rows}
    names = Named(work)
    for one in wanting:
        reference = one.vaste_aansluiting
        if reference is None:
            continue
        other = tenant_id if reference.tenant is None else await find_tenant(work, reference.tenant)
        if other != tenant_id and await find_mandate(work, other, tenant_id) is None:
            raise InputRefused(
                [f"The tenant with OIN {reference.tenant} has given no mandate to the one with {part.oin}."]
            )
        place = (reference.afnemer_id, one.environment, reference.pattern)
        wanted = (other, await find_aansluiting(names, other, place))
        row = known.get((one.name, one.environment))
        if row is None:
            raise InputRefused([f"There is no taaksysteem {one.name!r} in {one.environment}."])
        if (row["vaste_aansluiting_tenant_id"], row["vaste_aansluiting_id"]) != wanted:
            await callers.set_vaste_aansluiting(work.connection, tenant_id, row["taaksysteem_id"], wanted)
            work.changed["taaksysteem"] += 1
            work.touched.append(one)


async def apply_machtigingen(work: Work, part: TenantPart) -> None:
    """Make machtigingen. One for the same aansluiting, taaksysteem and doelbinding in other words is withdrawn first."""
    if not part.machtigingen:
        return
    tenant_id = work.tenants[part.oin]
    names = Named(work)
    wanted = [(one, await _machtiging(names, tenant_id, one)) for one in part.machtigingen]
    pairs = pair(
        wanted,
        await work.connection.fetch(_EXISTING, tenant_id),
        name_of=lambda one: (one[1].aansluiting_id, one[1].taaksysteem, one[1].doelbinding),
        name_of_known=lambda row: (
            row["aansluiting_id"], (row["taaksysteem_tenant_id"], row["taaksysteem_id"]), row["doelbinding"],
        ),
        is_same=lambda one, row: _is_same(*one, row),
    )  # fmt: skip
    new = []
    for (one, made), row in pairs:
        if row is not None and _is_same(one, made, row):
            continue
        if row is not None:
            await callers.withdraw_machtiging(work.connection, tenant_id, row["machtiging_id"])
            work.changed["machtiging"] += 1
        new.append(made)
        work.touched.append(one)
    if new:
        await callers.create_machtigingen(work.connection, tenant_id, new)
        work.made["machtiging"] += len(new)


def _is_same(part: MachtigingPart, made: callers.NewMachtiging, row: asyncpg.Record) -> bool:
    words = (row["grondslag"], row["ontvanger"], row["verwerkingsactiviteit"], row["mandate_id"], row["add_bsn"])
    return (
        words == (made.grondslag, made.ontvanger, made.verwerkingsactiviteit, made.mandate_id, made.add_bsn)
        and Policy(*(row[name] for name in _POLICY)) == made.policy
        and part.valid_from in {None, row["valid_from"]}
        and part.valid_until in {None, row["valid_until"]}
        and json.loads(row["rights"]) == made.rights
        and json.loads(row["conditions"]) == made.conditions
    )


async def _machtiging(names: Named, tenant_id: int, part: MachtigingPart) -> callers.NewMachtiging:
    work = names.work
    aansluiting_id = await find_aansluiting(names, tenant_id, (part.afnemer_id, part.environment, part.pattern))
    other = tenant_id if part.taaksysteem.tenant is None else await find_tenant(work, part.taaksysteem.tenant)
    mandate_id = None if other == tenant_id else await names.mandate(tenant_id, other)
    if other != tenant_id and mandate_id is None:
        raise InputRefused(
            [f"Taaksysteem {part.taaksysteem.name!r} is another tenant's, and there is no mandate for it."]
        )
    taaksysteem_id = await find_taaksysteem(names, other, part.taaksysteem.name, part.environment)
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
