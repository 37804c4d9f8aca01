"""The tenants process: keys of administrators and of years, TLS, readiness, and what it refuses to start with."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from gateway.pki import Pki
from tenants.admins import make_admin_key, recognise, withdraw_admin_key
from tenants.app import run_tenants
from tenants.config import TenantsConfig
from tenants.faults import InputRefused, NotFound
from tenants.keyring import KeyringError, add_version, public_half
from tenants.pools import WrongRole
from tenants.settings import ConfigError
from tenants.years import make_years
from tests.admin.conftest import Api, running
from tests.databases import Database
from tests.worlds import Keyrings, World

DAY = timedelta(days=1)


async def test_a_key_is_known_under_every_version_of_the_keyring(
    registrar: asyncpg.Connection, keyrings: Keyrings, world: World
):
    old = public_half(keyrings.identity)
    key_id, secret = await make_admin_key(
        registrar, old, role="auditor", tenant_id=world.tenant_id, name="Machine", valid_for=DAY
    )
    admin = await recognise(registrar, add_version(old), secret)
    assert admin is not None
    assert (admin.number, admin.role, admin.tenant_id) == (key_id, "auditor", world.tenant_id)
    assert await recognise(registrar, add_version(old), secret[:-1]) is None


async def test_only_the_hash_of_a_key_is_kept(
    registrar: asyncpg.Connection, admin: asyncpg.Connection, keyrings: Keyrings, world: World
):
    _, secret = await make_admin_key(
        registrar, public_half(keyrings.identity), role="beheerder", tenant_id=world.tenant_id, name="M", valid_for=DAY
    )
    for table in ("admin_key", "wijziging"):
        rows = await admin.fetch(f"SELECT * FROM registry.{table}")  # noqa: S608
        assert rows
        assert secret not in str([dict(row) for row in rows])


@pytest.mark.parametrize("role", ["operator", "beheerder"])
async def test_a_withdrawn_key_is_nobodys(registrar: asyncpg.Connection, keyrings: Keyrings, world: World, role):
    identity, tenant_id = public_half(keyrings.identity), None if role == "operator" else world.tenant_id
    key_id, secret = await make_admin_key(registrar, identity, role=role, tenant_id=tenant_id, name="M", valid_for=DAY)
    await withdraw_admin_key(registrar, key_id, tenant_id=tenant_id)
    assert await recognise(registrar, identity, secret) is None
    with pytest.raises(NotFound):
        await withdraw_admin_key(registrar, key_id, tenant_id=world.tenant_id + 1)


async def test_all_that_is_wrong_with_a_key_is_told_at_once(registrar: asyncpg.Connection, keyrings: Keyrings):
    with pytest.raises(InputRefused) as refused:
        await make_admin_key(
            registrar, public_half(keyrings.identity), role="auditor", tenant_id=None, name=" ",
            valid_for=timedelta(days=400),
        )  # fmt: skip
    assert len(refused.value.faults) == 3


async def test_an_active_tenant_has_its_keys_of_this_year_and_the_next(
    registrar: asyncpg.Connection, admin: asyncpg.Connection, keyrings: Keyrings, world: World, other: World
):
    year = datetime.now(UTC).year
    await admin.execute("DELETE FROM registry.tenant_key WHERE year = $1", year + 1)
    await admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", other.tenant_id)
    made = await make_years(registrar, public_half(keyrings.identity), public_half(keyrings.register))
    assert made == 1
    assert await make_years(registrar, keyrings.identity, keyrings.register) == 0
    rows = await admin.fetch("SELECT tenant_id, year FROM registry.tenant_key WHERE year > $1", year)
    assert [tuple(row) for row in rows] == [(world.tenant_id, year + 1)]


async def test_the_process_makes_the_keys_of_the_years_when_it_starts(
    config: TenantsConfig, admin: asyncpg.Connection, world: World
):
    await admin.execute("DELETE FROM registry.tenant_key")
    async with running(config), asyncio.timeout(20):
        while await admin.fetchval("SELECT count(*) FROM registry.tenant_key") != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_serves_tls_and_refuses_weak_suites(
    config: TenantsConfig, pki: Pki, tmp_path: Path, keys: dict[str, str]
):
    issued = pki.issue_server(["127.0.0.1"])
    (tmp_path / "server.pem").write_bytes(issued.chain_pem)
    (tmp_path / "server.key").write_bytes(issued.key_pem)
    (tmp_path / "anchors.pem").write_bytes(pki.root_pem)
    files = {"certificate_file": tmp_path / "server.pem", "key_file": tmp_path / "server.key"}
    context = ssl.create_default_context(cafile=tmp_path / "anchors.pem")
    async with running(config.model_copy(update=files)) as (port, _), aiohttp.ClientSession() as session:
        async with session.get(f"https://127.0.0.1:{port}/v1/openapi.json", ssl=context) as answer:
            assert answer.status == 200
        context.set_ciphers("ECDHE+AES128:!AESGCM:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        # A session of its own: the first one's connection is still there.
        async with aiohttp.ClientSession() as fresh:
            with pytest.raises(aiohttp.ClientConnectorError):
                await fresh.get(f"https://127.0.0.1:{port}/v1/openapi.json", ssl=context)


async def test_the_port_of_machines_tells_life_and_readiness(api: Api):
    async with api.session.get(f"{api.observed}/live") as live, api.session.get(f"{api.observed}/ready") as ready:
        assert (live.status, await live.json()) == (200, {"live": True})
        assert (ready.status, await ready.json()) == (200, {"registry": True, "inzage": True})


async def test_without_its_database_it_lives_and_answers_503(config: TenantsConfig, keys: dict[str, str]):
    nowhere = "postgresql://nobody:x@127.0.0.1:1/none"
    absent = config.model_copy(update={"database_url": nowhere, "inzage_url": nowhere})
    async with running(absent) as (port, observed), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{observed}/live") as live:
            assert live.status == 200
        async with session.get(f"http://127.0.0.1:{observed}/ready") as ready:
            assert (ready.status, await ready.json()) == (503, {"registry": False, "inzage": False})
        headers = {"Authorization": f"Bearer {keys['operator']}"}
        async with session.get(f"http://127.0.0.1:{port}/v1/tenants", headers=headers) as answer:
            assert answer.status == 503
            assert (await answer.json(content_type=None))["code"] == "databankNietBereikbaar"


@pytest.mark.parametrize("role", ["admin", "gateway", "inzage", "owner"])
async def test_a_database_user_of_another_role_is_refused_at_the_start(
    config: TenantsConfig, database: Database, role: str
):
    wrong = config.model_copy(update={"database_url": database.url(role)})
    with pytest.raises(WrongRole):
        async with asyncio.timeout(60):
            await run_tenants(wrong, asyncio.Event())


async def test_a_keyring_that_could_open_more_than_it_must_is_refused(config: TenantsConfig):
    swapped = config.model_copy(update={"identity_public_file": config.register_keyring_file})
    with pytest.raises(KeyringError):
        async with running(swapped):
            pass


def test_settings_are_read_once_with_all_faults_together(tmp_path: Path):
    (tmp_path / "url").write_text("postgresql://user:secret@host/db\n")
    good = {
        "KOPPELPUNT_DATABASE_URL_FILE": str(tmp_path / "url"),
        "KOPPELPUNT_INZAGE_URL": "postgresql://reader:secret@host/db",
        "KOPPELPUNT_IDENTITY_PUBLIC_FILE": "identity.json",
        "KOPPELPUNT_REGISTER_KEYRING_FILE": "register.json",
    }
    config = TenantsConfig.read(good)
    assert config.database_url == "postgresql://user:secret@host/db"
    assert "secret" not in repr(config)
    with pytest.raises(ConfigError) as wrong:
        TenantsConfig.read({
            "KOPPELPUNT_DATABASE_URL": "postgresql://user:secret@host/db", "KOPPELPUNT_IETS": "1",
            "KOPPELPUNT_GRACE_TIMEOUT": "0", "KOPPELPUNT_INZAGE_URL_FILE": str(tmp_path / "absent"),
        })  # fmt: skip
    for name in ("IETS", "GRACE_TIMEOUT", "INZAGE_URL_FILE", "IDENTITY_PUBLIC_FILE", "REGISTER_KEYRING_FILE"):
        assert f"KOPPELPUNT_{name}" in str(wrong.value)
    assert "secret" not in str(wrong.value)
