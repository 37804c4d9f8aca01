"""A registry with something in it: one tenant, one afnemer, one aansluiting, one taaksysteem that may call over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from gateway.pki import Issued, Pki
from tenants.callers import (
    NewMachtiging,
    create_machtiging,
    create_mandate,
    create_taaksysteem,
    issue_api_key,
)
from tenants.keyring import Keyring, make_keyring, public_half
from tenants.registry import (
    add_certificate,
    add_credential,
    create_aansluiting,
    create_afnemer,
    create_tenant,
    ensure_tenant_years,
)
from tenants.rights import Rights
from tenants.scope import operator_scope, tenant_scope

EVERYTHING: Mapping[str, Any] = {
    "personen": {}, "bewoningen": {}, "verblijfplaatshistorie": {}, "reisdocumenten": {}, "berichten": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keyrings:
    """Both keyrings whole; a test that plays the admin side takes their public halves."""

    identity: Keyring = field(default_factory=lambda: make_keyring("identity"))
    register: Keyring = field(default_factory=lambda: make_keyring("register"))


@dataclass(frozen=True, slots=True)
class World:
    """Every version is 1 as long as nothing was changed."""

    tenant_id: int
    oin: str
    afnemer_id: str
    environment: str
    issued: Issued
    fingerprint: bytes
    certificate_id: int
    credential_id: int
    aansluiting_id: int
    taaksysteem_id: int
    key_id: int
    api_key: str
    machtiging_id: int


async def make_world(
    connection: asyncpg.Connection,
    pki: Pki,
    keyrings: Keyrings,
    *,
    oin: str = "00000001001234567000",
    afnemer_id: str = "990001",
    environment: str = "productie",
    state: str | None = None,
    rights: Rights = EVERYTHING,
) -> World:
    """Make a tenant with all that a call needs, as the role `koppelpunt_tenants`."""
    identity, register = public_half(keyrings.identity), public_half(keyrings.register)
    async with operator_scope(connection, actor="test"):
        tenant_id = await create_tenant(connection, oin=oin, name=f"Gemeente {afnemer_id}", kind="gemeente")
    issued = pki.issue_client(oin, f"Gemeente {afnemer_id}")
    async with tenant_scope(connection, tenant_id, actor="test"):
        year = datetime.now(UTC).year
        await ensure_tenant_years(connection, tenant_id, identity, register, [year, year + 1])
        await create_afnemer(
            connection, tenant_id, afnemer_id=afnemer_id, oin=oin, name=f"Gemeente {afnemer_id}", kind="gemeente",
            gemeentecode=afnemer_id[-4:], mailbox_id=afnemer_id,
        )  # fmt: skip
        certificate_id = await add_certificate(
            connection, tenant_id, identity, organisation_oin=oin, chain_pem=issued.chain_pem, key_pem=issued.key_pem
        )
        credential_id = await add_credential(
            connection, tenant_id, identity, afnemer_id=afnemer_id, environment=environment,
            client_id=f"client-{afnemer_id}", secret=f"secret-{afnemer_id}",
        )  # fmt: skip
        aansluiting_id = await create_aansluiting(
            connection, tenant_id, afnemer_id=afnemer_id, organisation_oin=oin, environment=environment,
            certificate_id=certificate_id, credential_id=credential_id, state=state or environment,
        )  # fmt: skip
        taaksysteem_id = await create_taaksysteem(
            connection, tenant_id, name=f"Burgerzaken {afnemer_id}", environment=environment
        )
        key_id, api_key = await issue_api_key(connection, tenant_id, identity, taaksysteem_id)
        machtiging_id = await create_machtiging(
            connection, tenant_id, machtiging(aansluiting_id, (tenant_id, taaksysteem_id), rights)
        )
    return World(
        tenant_id, oin, afnemer_id, environment, issued, bytes.fromhex(issued.fingerprint), certificate_id,
        credential_id, aansluiting_id, taaksysteem_id, key_id, api_key, machtiging_id,
    )  # fmt: skip


async def mandate_and_machtiging(
    connection: asyncpg.Connection, giver: World, taker: World, rights: Rights = EVERYTHING
) -> tuple[int, int]:
    """Let the taker's taaksysteem call over the giver's aansluiting; return mandate and machtiging."""
    async with tenant_scope(connection, giver.tenant_id, actor="test"):
        mandate_id = await create_mandate(
            connection, giver.tenant_id, to_tenant_id=taker.tenant_id, reason="Samenwerking"
        )
        made = machtiging(giver.aansluiting_id, (taker.tenant_id, taker.taaksysteem_id), rights, mandate_id)
        return mandate_id, await create_machtiging(connection, giver.tenant_id, made)


def machtiging(
    aansluiting_id: int, taaksysteem: tuple[int, int], rights: Rights = EVERYTHING, mandate_id: int | None = None
) -> NewMachtiging:
    return NewMachtiging(
        aansluiting_id=aansluiting_id,
        taaksysteem=taaksysteem,
        doelbinding="Uitvoering Participatiewet",
        grondslag="art. 3.5 Wet BRP",
        ontvanger="College van burgemeester en wethouders",
        verwerkingsactiviteit="Bijstand",
        rights=rights,
        mandate_id=mandate_id,
    )
