"""Own certificates in a working installation: revocation, expiry and roll-back as callers and RvIG's side meet them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from cryptography import x509

from tenants.certificates_activating import Activation, activate, roll_back
from tenants.certificates_reading import CertificateRefused
from tenants.certificates_trust import Trust
from tenants.registry import add_certificate
from tenants.scope import tenant_scope
from tests.databases import Database
from tests.world import Member, World, question, world

PERSONEN = "/api/brp/personen"


@pytest.fixture
async def here(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database, tmp_path) as made:
        yield made


async def call(session: aiohttp.ClientSession, url: str, member: Member) -> tuple[int, str | None]:
    headers = {"X-API-KEY": member.api_key}
    async with session.post(url + PERSONEN, json=question(), headers=headers) as answer:
        body = await answer.json(content_type=None)
        return answer.status, body.get("code")


async def test_two_replicas_refuse_the_next_call_after_a_revocation(here: World, database: Database):
    member, other = await here.add_members(2)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        urls = [await stack.enter_async_context(here.gateway(instance=f"g{n}")) for n in range(2)]
        assert [await call(session, url, member) for url in urls] == [(200, None)] * 2
        sealer = await asyncpg.connect(database.url("sealer"))
        try:
            done = "SELECT registry.revoke_certificate($1, $2, 'CRL')"
            assert await sealer.fetchval(done, member.tenant_id, member.certificate_id)
            assert not await sealer.fetchval(done, member.tenant_id, member.certificate_id)
        finally:
            await sealer.close()
        before = len(here.seen())
        # Nobody waits for a notice: the opening itself looks.
        refused = [await call(session, url, member) for url in urls]
        assert all(status == 403 for status, _ in refused), refused
        assert len(here.seen()) == before
        assert [(await call(session, url, other))[0] for url in urls] == [200, 200]


async def test_an_own_certificate_that_ends_is_refused_at_that_very_moment_by_the_clock_of_the_database(
    here: World, database: Database
):
    (member,) = await here.add_members(1)
    admin = await asyncpg.connect(database.url("admin"))
    try:
        async with aiohttp.ClientSession() as session, here.gateway() as url:
            assert await call(session, url, member) == (200, None)
            # Only in the registry: what the gateway holds still says two years.
            await admin.execute("ALTER TABLE registry.certificate DISABLE TRIGGER note_change")
            await admin.execute(
                "UPDATE registry.certificate SET not_after = now() WHERE certificate_id = $1", member.certificate_id
            )
            before = len(here.seen())
            assert (await call(session, url, member))[0] == 403
            assert len(here.seen()) == before
    finally:
        await admin.close()


async def test_calls_leave_with_the_new_certificate_and_after_the_roll_back_with_the_old_one(here: World):
    (member,) = await here.add_members(1)
    pki = here.ground.pki
    fresh = pki.issue_client(member.account.oin, "Gemeente 1")
    anchors = {here.environment: tuple(x509.load_pem_x509_certificates(pki.root_pem))}
    old, new = member.issued.fingerprint, fresh.fingerprint
    db = here.tenants
    async with tenant_scope(db, member.tenant_id, actor="test"):
        number = await add_certificate(
            db, member.tenant_id, here.ground.identity, organisation_oin=member.account.oin,
            chain_pem=fresh.chain_pem, key_pem=fresh.key_pem, state="staged",
        )  # fmt: skip
    wish = Activation(number, reason="Het oude eindigt")
    async with aiohttp.ClientSession() as session, here.gateway() as url:

        async def presented() -> str:
            before = len(here.seen())
            assert await call(session, url, member) == (200, None)
            (one,) = here.seen()[before:]
            return str(one.fingerprint)

        assert await presented() == old
        running = [asyncio.create_task(call(session, url, member)) for _ in range(20)]
        async with tenant_scope(db, member.tenant_id, actor="test"):
            # Whose fault it is differs: of a certificate of elsewhere, or of an operator who named no anchors.
            with pytest.raises(CertificateRefused) as without:
                await activate(db, member.tenant_id, wish, Trust({}))
            assert [fault.code for fault in without.value.faults] == ["stamcertificatenOntbreken"]
            assert await activate(db, member.tenant_id, wish, Trust(anchors)) == [member.aansluiting_id]
        # What ran when it was changed ends as it should, over the one or over the other.
        assert {status for status, _ in await asyncio.gather(*running)} == {200}
        assert await presented() == new
        running = [asyncio.create_task(call(session, url, member)) for _ in range(20)]
        async with tenant_scope(db, member.tenant_id, actor="test"):
            assert await roll_back(db, member.tenant_id, number) == [member.aansluiting_id]
        assert {status for status, _ in await asyncio.gather(*running)} == {200}
        assert await presented() == old
    assert (
        datetime.now(UTC) + timedelta(days=1)
        < x509.load_pem_x509_certificate(fresh.certificate_pem).not_valid_after_utc
    )
