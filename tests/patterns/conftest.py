"""A registry with a derde that a leverancier works for, beside a gemeente; and the register's writing function."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from gateway.pki import Pki, make_pki
from tenants import registry
from tenants.keyring import public_half
from tenants.scope import operator_scope, tenant_scope
from tests.databases import Database
from tests.db.calls import Writer
from tests.worlds import Keyrings, World, make_world

OWN = "00000003000000077000"
HOLDER = "00000003000000088000"


@dataclass(frozen=True, slots=True)
class Vendor:
    """A leverancier with a certificate of its own."""

    tenant_id: int
    certificate_id: int
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Customer:
    """A derde that is a tenant, with an afnemer and credentials, and no aansluiting yet."""

    tenant_id: int
    credential_id: int
    afnemer_id: str = "995001"


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="module")
def keyrings() -> Keyrings:
    return Keyrings()


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("tenants"))
    yield made
    await made.close()


@pytest.fixture
async def gateway(database: Database) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database.url("gateway"))
    yield made
    await made.close()


@pytest.fixture
async def writer(gateway: asyncpg.Connection) -> Writer:
    return Writer(gateway, "register", await gateway.fetchval("SELECT register.begin_writer('test')"))


@pytest.fixture
async def gemeente(connection: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> World:
    return await make_world(connection, pki, keyrings)


@pytest.fixture
async def vendor(connection: asyncpg.Connection, pki: Pki, keyrings: Keyrings) -> Vendor:
    async with operator_scope(connection, actor="test"):
        tenant_id = await registry.create_tenant(connection, oin=HOLDER, name="Leverancier B.V.", kind="leverancier")
    issued = pki.issue_client(HOLDER, "Leverancier B.V.")
    async with tenant_scope(connection, tenant_id, actor="test"):
        certificate_id = await registry.add_certificate(
            connection, tenant_id, public_half(keyrings.identity), organisation_oin=HOLDER, chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )  # fmt: skip
    return Vendor(tenant_id, certificate_id, bytes.fromhex(issued.fingerprint))


@pytest.fixture
async def customer(connection: asyncpg.Connection, keyrings: Keyrings) -> Customer:
    async with operator_scope(connection, actor="test"):
        tenant_id = await registry.create_tenant(connection, oin=OWN, name="Pensioenfonds", kind="derde")
    identity, register = public_half(keyrings.identity), public_half(keyrings.register)
    async with tenant_scope(connection, tenant_id, actor="test"):
        await registry.ensure_tenant_years(connection, tenant_id, identity, register, [datetime.now(UTC).year])
        await registry.create_afnemer(
            connection, tenant_id, afnemer_id="995001", oin=OWN, name="Pensioenfonds", kind="derde"
        )
        credential_id = await registry.add_credential(
            connection, tenant_id, identity, afnemer_id="995001", environment="productie", client_id="c", secret="s"
        )
    return Customer(tenant_id, credential_id)
