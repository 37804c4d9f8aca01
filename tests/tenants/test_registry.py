"""The registry takes what is right, refuses what is not, and keeps each tenant's rows to that tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tenants import callers, changes, registry
from tenants.faults import InputRefused, NotFound
from tenants.keyring import hash_secret, public_half
from tenants.scope import tenant_scope
from tenants.sealing import SealingError, open_sealed
from tests.worlds import Keyrings, World, machtiging, mandate_and_machtiging


async def column(connection: asyncpg.Connection, world: World, query: str, *values: object) -> Any:
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        return await connection.fetchval(query, *values)


async def test_secrets_open_only_with_the_whole_identity_keyring(connection, world, keyrings):
    key = await column(connection, world, "SELECT key_sealed FROM registry.certificate")
    context = world.fingerprint.hex()
    assert b"PRIVATE KEY" in open_sealed(keyrings.identity, key, purpose="certificate-key", context=context)
    secret = await column(connection, world, "SELECT secret_sealed FROM registry.credential")
    context = f"{world.tenant_id}/client-{world.afnemer_id}"
    assert open_sealed(keyrings.identity, secret, purpose="client-secret", context=context) == b"secret-990001"
    with pytest.raises(SealingError):
        open_sealed(public_half(keyrings.identity), secret, purpose="client-secret", context=context)


async def test_an_api_key_is_kept_as_a_keyed_hash_only(connection, world, keyrings):
    row = await column(connection, world, "SELECT k FROM registry.taaksysteem_key k")
    assert (row["hash"], row["hash_version"]) == hash_secret(keyrings.identity, world.api_key)
    assert world.api_key not in str(row)


async def test_years_that_a_tenant_has_are_not_made_again(connection, world, keyrings):
    year = datetime.now(UTC).year
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        before = await connection.fetchval("SELECT public_key FROM registry.tenant_key WHERE year = $1", year)
        made = await registry.ensure_tenant_years(
            connection, world.tenant_id, keyrings.identity, keyrings.register, [year, year + 1, year + 2]
        )
        assert made == 1
        assert await connection.fetchval("SELECT public_key FROM registry.tenant_key WHERE year = $1", year) == before


async def test_rotation_uses_the_new_certificate_and_lets_the_old_one_end(connection, world, pki, keyrings):
    issued = pki.issue_client(world.oin, "Gemeente")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        new = await registry.add_certificate(
            connection, world.tenant_id, keyrings.identity, organisation_oin=world.oin, chain_pem=issued.chain_pem,
            key_pem=issued.key_pem, state="staged",
        )  # fmt: skip
        await changes.rotate_certificate(connection, world.tenant_id, world.aansluiting_id, new)
        states = dict(await connection.fetch("SELECT certificate_id, state FROM registry.certificate"))
        row = await connection.fetchrow("SELECT certificate_id, version FROM registry.aansluiting")
    assert states == {world.certificate_id: "retiring", new: "active"}
    assert tuple(row) == (new, 2)


async def test_an_old_certificate_stays_active_while_another_aansluiting_uses_it(connection, world, pki, keyrings):
    issued = pki.issue_client(world.oin, "Gemeente")
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        await registry.create_aansluiting(
            connection, world.tenant_id, afnemer_id=world.afnemer_id, organisation_oin=world.oin,
            environment="productie", certificate_id=world.certificate_id, credential_id=world.credential_id,
            pattern="saas", state="productie",
        )  # fmt: skip
        new = await registry.add_certificate(
            connection, world.tenant_id, keyrings.identity, organisation_oin=world.oin, chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )  # fmt: skip
        await changes.rotate_certificate(connection, world.tenant_id, world.aansluiting_id, new)
        states = dict(await connection.fetch("SELECT certificate_id, state FROM registry.certificate"))
    assert states == {world.certificate_id: "active", new: "active"}


async def test_rotation_of_credentials_lets_the_old_one_end(connection, world, keyrings):
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        new = await registry.add_credential(
            connection, world.tenant_id, keyrings.identity, afnemer_id=world.afnemer_id, environment="productie",
            client_id="client-990001", secret="nieuw", state="staged",
        )  # fmt: skip
        await changes.rotate_credential(connection, world.tenant_id, world.aansluiting_id, new)
        states = dict(await connection.fetch("SELECT credential_id, state FROM registry.credential"))
    assert states == {world.credential_id: "retiring", new: "active"}


async def test_an_ended_aansluiting_and_a_revoked_certificate_never_come_back(connection, world):
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        await changes.set_aansluiting_state(connection, world.tenant_id, world.aansluiting_id, "beeindigd")
        with pytest.raises(NotFound):
            await changes.set_aansluiting_state(connection, world.tenant_id, world.aansluiting_id, "productie")
        await changes.set_certificate_state(connection, world.tenant_id, world.certificate_id, "revoked")
        with pytest.raises(NotFound):
            await changes.set_certificate_state(connection, world.tenant_id, world.certificate_id, "active")


@pytest.mark.parametrize("number", [0, 999_999])
async def test_what_is_not_there_is_said_to_be_not_there(connection, world, number):
    for change in (
        changes.set_aansluiting_state(connection, world.tenant_id, number, "proef"),
        changes.rotate_certificate(connection, world.tenant_id, world.aansluiting_id, number),
        changes.rotate_credential(connection, world.tenant_id, number, world.credential_id),
        callers.withdraw_key(connection, world.tenant_id, number),
        callers.withdraw_mandate(connection, world.tenant_id, number),
        callers.withdraw_machtiging(connection, world.tenant_id, number),
        callers.end_taaksysteem(connection, world.tenant_id, number),
        callers.set_vaste_aansluiting(connection, world.tenant_id, number, None),
    ):
        with pytest.raises(NotFound):
            async with tenant_scope(connection, world.tenant_id, actor="test"):
                await change


async def test_one_public_key_is_never_taken_twice(connection, world, other, pki, keyrings):
    async with tenant_scope(connection, other.tenant_id, actor="test"):
        with pytest.raises(asyncpg.UniqueViolationError):
            await registry.add_certificate(
                connection, other.tenant_id, keyrings.identity, organisation_oin=world.oin,
                chain_pem=world.issued.chain_pem, key_pem=world.issued.key_pem,
            )  # fmt: skip


async def test_another_tenants_taaksysteem_needs_a_mandate(connection, world, other):
    foreign = machtiging(world.aansluiting_id, (other.tenant_id, other.taaksysteem_id))
    with pytest.raises(asyncpg.CheckViolationError):
        async with tenant_scope(connection, world.tenant_id, actor="test"):
            await callers.create_machtiging(connection, world.tenant_id, foreign)
    _, machtiging_id = await mandate_and_machtiging(connection, world, other)
    assert machtiging_id > other.machtiging_id


@pytest.mark.parametrize(
    ("rights", "fault"),
    [
        ({}, "one API at least"),
        ({"personen": {"velden": ["naam"]}}, "unknown restriction 'velden'"),
        ({"personen": {"fields": "naam"}}, "must be a list of words"),
        ({"personen": {"fields": []}}, "must be a list of words"),
        ({"personen": {"types": [1]}}, "must be a list of words"),
    ],
)
async def test_rights_that_would_be_read_wrongly_are_refused(connection, world, rights, fault):
    made = machtiging(world.aansluiting_id, (world.tenant_id, world.taaksysteem_id), rights)
    with pytest.raises(InputRefused, match=fault):
        async with tenant_scope(connection, world.tenant_id, actor="test"):
            await callers.create_machtiging(connection, world.tenant_id, made)


async def test_many_are_made_in_the_order_given(connection, world, pki, keyrings):
    numbers = [f"{number:06}" for number in range(991_000, 991_020)]
    issued = [pki.issue_client(world.oin, "Gemeente") for _ in numbers]
    identity = public_half(keyrings.identity)
    tenant_id = world.tenant_id
    async with tenant_scope(connection, tenant_id, actor="test"):
        await registry.create_afnemers(
            connection, tenant_id,
            [registry.NewAfnemer(number, world.oin, f"Afnemer {number}", "overheidsorgaan") for number in numbers],
        )  # fmt: skip
        certificates = await registry.add_certificates(
            connection, tenant_id, identity,
            [registry.NewCertificate(world.oin, one.chain_pem, one.key_pem) for one in issued],
        )  # fmt: skip
        credentials = await registry.add_credentials(
            connection, tenant_id, identity,
            [registry.NewCredential(number, "proef", f"c-{number}", "s") for number in numbers],
        )  # fmt: skip
        aansluitingen = await registry.create_aansluitingen(
            connection, tenant_id,
            [
                registry.NewAansluiting(number, world.oin, "proef", certificate, credential, state="proef")
                for number, certificate, credential in zip(numbers, certificates, credentials, strict=True)
            ],
        )  # fmt: skip
        taaksystemen = await callers.create_taaksystemen(connection, tenant_id, "proef", [f"T {n}" for n in numbers])
        keys = await callers.issue_api_keys(connection, tenant_id, identity, taaksystemen)
        machtigingen = await callers.create_machtigingen(
            connection, tenant_id,
            [machtiging(a, (tenant_id, t)) for a, t in zip(aansluitingen, taaksystemen, strict=True)],
        )  # fmt: skip
        rows = await connection.fetch(
            "SELECT a.afnemer_id, c.fingerprint, r.client_id, t.name, k.hash FROM registry.machtiging m "
            "JOIN registry.aansluiting a USING (tenant_id, aansluiting_id) "
            "JOIN registry.certificate c USING (tenant_id, certificate_id) "
            "JOIN registry.credential r USING (tenant_id, credential_id) "
            "JOIN registry.taaksysteem t ON t.taaksysteem_id = m.taaksysteem_id "
            "JOIN registry.taaksysteem_key k ON k.taaksysteem_id = t.taaksysteem_id "
            "WHERE machtiging_id = ANY ($1) ORDER BY array_position($1, machtiging_id)",
            machtigingen,
        )
    expected = [
        (number, bytes.fromhex(one.fingerprint), f"c-{number}", f"T {number}", hash_secret(identity, secret)[0])
        for number, one, (_, secret) in zip(numbers, issued, keys, strict=True)
    ]
    assert [tuple(row) for row in rows] == expected


async def test_a_gemeente_has_a_code_and_nobody_else_has_one(connection, world):
    for kind, code in (("gemeente", None), ("derde", "0518")):
        with pytest.raises(asyncpg.CheckViolationError):
            async with tenant_scope(connection, world.tenant_id, actor="test"):
                await registry.create_afnemer(
                    connection, world.tenant_id, afnemer_id="990009", oin=world.oin, name="X", kind=kind,
                    gemeentecode=code,
                )  # fmt: skip


async def test_validity_is_kept_as_given_and_for_ever_otherwise(connection, world):
    until = datetime.now(UTC) + timedelta(days=1)
    async with tenant_scope(connection, world.tenant_id, actor="test"):
        key_id, _ = await callers.issue_api_key(
            connection, world.tenant_id, Keyrings().identity, world.taaksysteem_id, valid_until=until
        )
        rows = await connection.fetch("SELECT key_id, valid_until::text, valid_until FROM registry.taaksysteem_key")
    kept = {row[0]: row[2] if row[1] != "infinity" else "infinity" for row in rows}
    assert kept == {world.key_id: "infinity", key_id: until}
