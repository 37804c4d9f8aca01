"""Registers whoever the cases are asked by: a tenant per OIN, and per claims an afnemer with all that a call needs.

One registry cannot hold an AfnemerID twice, and the cases use one with and without gemeentecode; `share_out` says which
claims can stand together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from gateway.demo.ground import Ground
from gateway.simulator.settings import SimAfnemer
from tenants.agreements import NewAgreement, add_agreement
from tenants.autorisatie import NewBesluit, replace_besluiten
from tenants.callers import (
    NewMachtiging,
    create_machtiging,
    create_taaksysteem,
    issue_api_key,
    set_vaste_aansluiting,
)
from tenants.registry import (
    add_certificate,
    add_credential,
    create_aansluiting,
    create_afnemer,
    create_tenant,
    ensure_tenant_years,
)
from tenants.scope import operator_scope, tenant_scope
from tests.conformance.cases import Claims
from tests.world import ACTOR, RIGHTS, World

ENVIRONMENT = "productie"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks the cases of some claims."""

    tenant_id: int
    client_id: str
    api_key: str = field(repr=False)


def share_out(claims: Iterable[Claims]) -> list[list[Claims]]:
    """Divide distinct claims over as few registries as their AfnemerIDs allow."""
    registries: list[list[Claims]] = []
    for one in sorted(set(claims)):
        free = (those for those in registries if all(one.afnemer_id != other.afnemer_id for other in those))
        found = next(free, None)
        if found is None:
            registries.append([one])
        else:
            found.append(one)
    return registries


async def register_askers(world: World, claims: Sequence[Claims]) -> dict[Claims, Asker]:
    """Register all of them in the world, and their accounts with its simulator."""
    askers: dict[Claims, Asker] = {}
    for oin in sorted({one.oin for one in claims}):
        those = [one for one in claims if one.oin == oin]
        tenant_id, certificate_id = await _register_organisation(world.tenants, world.ground, oin, those)
        for one in those:
            account = SimAfnemer(
                afnemer_id=one.afnemer_id,
                oin=oin,
                gemeente_code=one.gemeentecode or None,
                client_id=f"rvig-{one.afnemer_id}",
                client_secret=f"geheim-{one.afnemer_id}",
            )
            world.simulator.afnemers.put(account)
            async with tenant_scope(world.tenants, tenant_id, actor=ACTOR):
                await _agree_on_information(world.tenants, tenant_id)
                api_key = await _register_afnemer(world.tenants, world.ground, tenant_id, certificate_id, account)
            askers[one] = Asker(tenant_id, account.client_id, api_key)
    return askers


async def register_besluiten(world: World, asker: Asker, afnemer_id: str, besluiten: Sequence[NewBesluit]) -> bool:
    """Let an asker's afnemer have these besluiten and no other; say whether that changed anything."""
    async with tenant_scope(world.tenants, asker.tenant_id, actor=ACTOR):
        return await replace_besluiten(world.tenants, asker.tenant_id, afnemer_id, besluiten) > 0


async def _agree_on_information(connection: asyncpg.Connection, tenant_id: int) -> None:
    """Record what asking informatieproducten wants of an organisation that is no gemeente; RvIG does not look at it."""
    today = datetime.now(UTC).date()
    products = ("adressering", "gezag", "leeftijd")
    await add_agreement(connection, tenant_id, NewAgreement("convenant", "RvIG", today))
    autorisatie = NewAgreement("aanvullende_autorisatie", "RvIG", today, products=products)
    await add_agreement(connection, tenant_id, autorisatie)


async def _register_organisation(
    connection: asyncpg.Connection, ground: Ground, oin: str, claims: Sequence[Claims]
) -> tuple[int, int]:
    """Return the tenant and its one certificate, which serves all its AfnemerIDs."""
    kind = "gemeente" if any(one.gemeentecode for one in claims) else "overheidsorgaan"
    issued = ground.pki.issue_client(oin, f"Afnemer {oin}")
    async with operator_scope(connection, actor=ACTOR):
        tenant_id = await create_tenant(connection, oin=oin, name=f"Afnemer {oin}", kind=kind)
    year = datetime.now(UTC).year
    async with tenant_scope(connection, tenant_id, actor=ACTOR):
        await ensure_tenant_years(connection, tenant_id, ground.identity, ground.register, [year, year + 1])
        certificate_id = await add_certificate(
            connection,
            tenant_id,
            ground.identity,
            organisation_oin=oin,
            chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )
    return tenant_id, certificate_id


async def _register_afnemer(
    connection: asyncpg.Connection, ground: Ground, tenant_id: int, certificate_id: int, account: SimAfnemer
) -> str:
    """Register an afnemer, its aansluiting and a taaksysteem that may ask everything; return the API key."""
    await create_afnemer(
        connection,
        tenant_id,
        afnemer_id=account.afnemer_id,
        oin=account.oin,
        name=f"Afnemer {account.afnemer_id}",
        kind="overheidsorgaan" if account.gemeente_code is None else "gemeente",
        gemeentecode=account.gemeente_code,
    )
    credential_id = await add_credential(
        connection,
        tenant_id,
        ground.identity,
        afnemer_id=account.afnemer_id,
        environment=ENVIRONMENT,
        client_id=account.client_id,
        secret=account.client_secret,
    )
    aansluiting_id = await create_aansluiting(
        connection,
        tenant_id,
        afnemer_id=account.afnemer_id,
        organisation_oin=account.oin,
        environment=ENVIRONMENT,
        certificate_id=certificate_id,
        credential_id=credential_id,
        state=ENVIRONMENT,
    )
    taaksysteem_id = await create_taaksysteem(
        connection, tenant_id, name=f"Taaksysteem {account.afnemer_id}", environment=ENVIRONMENT
    )
    await set_vaste_aansluiting(connection, tenant_id, taaksysteem_id, (tenant_id, aansluiting_id))
    machtiging = NewMachtiging(
        aansluiting_id=aansluiting_id,
        taaksysteem=(tenant_id, taaksysteem_id),
        doelbinding="conformiteit",
        grondslag="Wet BRP 3.5",
        ontvanger="afdeling Burgerzaken",
        verwerkingsactiviteit="https://example.org/verwerking/1",
        rights=RIGHTS,
    )
    await create_machtiging(connection, tenant_id, machtiging)
    return (await issue_api_key(connection, tenant_id, ground.identity, taaksysteem_id))[1]
