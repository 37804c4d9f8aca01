"""A rotation moves everything that a keyring protects to its newest version, beside whatever else happens."""

import hashlib

import asyncpg
import pytest

from tenants.keyring import Keyring, add_version, drop_version, hash_secret, make_keyring
from tenants.rotating.rows import START, count_versions, exchange, list_old_hashes, list_sealed, lock_rotation
from tenants.rotating.running import rotate, seal_anew
from tenants.rotating.standing import faults_of, uses_of
from tenants.scope import tenant_scope
from tenants.sealing import SealingError, seal
from tests.rotating.opening import open_all, versions


@pytest.mark.parametrize("name", ["identity", "register"])
async def test_everything_goes_to_the_newest_version_and_opens_as_what_it_was(
    rotating, admin, world, other, keyrings, name
):
    old: Keyring = getattr(keyrings, name)
    both = (keyrings.identity, keyrings.register)
    before = await open_all(admin, *both)
    # Two tenants: a certificate, a secret and two years each; a year has two index keys and a private one.
    assert len(before) == 2 * (1 + 1 + 2 * 3)
    new = add_version(old)
    told: list[tuple[int, int]] = []
    outcome = await rotate(rotating, new, on_progress=lambda done, total: told.append((done, total)), batch=3)
    assert outcome.whole
    assert outcome.moved == 8
    assert await versions(admin, name) == {2: 8}
    assert told[-1] == (8, 8)
    assert len(told) > 1
    # The old version is needed by nothing any more.
    left, _ = drop_version(new, 1)
    rest = keyrings.register if name == "identity" else keyrings.identity
    assert await open_all(admin, left, rest) == before
    with pytest.raises(SealingError):
        await open_all(admin, *both)


async def test_running_again_changes_nothing(rotating, admin, world, keyrings):
    new = add_version(keyrings.identity)
    await rotate(rotating, new)
    before = await admin.fetch("SELECT * FROM registry.sealed_value ORDER BY 1, 3, 4")
    again = await rotate(rotating, new)
    assert (again.moved, again.whole) == (0, True)
    assert await admin.fetch("SELECT * FROM registry.sealed_value ORDER BY 1, 3, 4") == before


async def test_a_row_that_somebody_holds_is_passed_by_and_taken_later(rotating, admin, connect, world, keyrings):
    new = add_version(keyrings.identity)
    holder = await connect("admin")
    held = holder.transaction()
    await held.start()
    await holder.fetch("SELECT 1 FROM registry.credential FOR UPDATE")
    outcome = await rotate(rotating, new)
    assert (outcome.whole, outcome.held) == (False, 1)
    assert await versions(admin, "identity") == {1: 1, 2: outcome.moved}
    await held.rollback()
    assert (await rotate(rotating, new)).moved == 1
    assert await versions(admin, "identity") == {2: outcome.moved + 1}


async def test_what_was_changed_meanwhile_is_not_written_over(rotating, admin, world, keyrings):
    new = add_version(keyrings.identity)
    found = await list_sealed(rotating, "identity", below=2, after=START, most=100)
    made, _ = seal_anew(new, found)
    context = f"{world.tenant_id}/client-990001"
    newer = seal(keyrings.identity, b"another", purpose="client-secret", context=context)
    await admin.execute("UPDATE registry.credential SET secret_sealed = $1", newer)
    done = await exchange(rotating, [one for one, _ in made], [blob for _, blob in made])
    assert done == len(found) - 1
    assert await admin.fetchval("SELECT secret_sealed FROM registry.credential") == newer
    await rotate(rotating, new)
    name = ("credential.secret_sealed", world.tenant_id, world.credential_id)
    assert (await open_all(admin, drop_version(new, 1)[0]))[name] == b"another"


async def test_a_key_that_is_destroyed_meanwhile_does_not_come_back(rotating, admin, world, keyrings):
    new = add_version(keyrings.register)
    found = await list_sealed(rotating, "register", below=2, after=START, most=100)
    made, _ = seal_anew(new, found)
    await admin.execute(
        "UPDATE registry.tenant_key SET private_key_sealed = NULL, index_key_for_gateway = NULL, "
        "index_key_for_register = NULL, destroyed_at = now()"
    )
    assert await exchange(rotating, [one for one, _ in made], [blob for _, blob in made]) == 0
    assert await admin.fetchval("SELECT count(*) FROM registry.tenant_key WHERE private_key_sealed IS NOT NULL") == 0


async def test_a_value_that_does_not_open_is_told_and_left_as_it_is(rotating, admin, world, other, keyrings):
    stranger = seal(make_keyring("identity"), b"x" * 20, purpose="client-secret", context="elsewhere")
    await admin.execute(
        "UPDATE registry.credential SET secret_sealed = $1 WHERE tenant_id = $2", stranger, world.tenant_id
    )
    outcome = await rotate(rotating, add_version(keyrings.identity))
    assert outcome.closed == (("credential.secret_sealed", world.tenant_id, world.credential_id),)
    assert (outcome.held, outcome.whole) == (0, False)
    kept = "SELECT secret_sealed FROM registry.credential WHERE tenant_id = $1"
    assert await admin.fetchval(kept, world.tenant_id) == stranger
    assert await versions(admin, "identity") == {1: 1, 2: outcome.moved}


async def test_a_key_made_inside_for_a_request_is_moved_too(rotating, admin, world, keyrings):
    hashed = hashlib.sha256(b"public key").digest()
    sealed = seal(keyrings.identity, b"made inside", purpose="certificate-key", context=f"spki/{hashed.hex()}")
    await admin.execute(
        "INSERT INTO registry.certificate (tenant_id, organisation_oin, oin, public_key_hash, key_sealed, csr_pem, made_inside, state) "
        "VALUES ($1, $2, $2, $3, $4, 'request', true, 'requested')",
        world.tenant_id, world.oin, hashed, sealed,
    )  # fmt: skip
    new = add_version(keyrings.identity)
    assert (await rotate(rotating, new)).whole
    assert b"made inside" in (await open_all(admin, drop_version(new, 1)[0])).values()


async def test_what_was_tried_of_a_secret_stays_tried(rotating, admin, world, keyrings):
    await admin.execute(
        "INSERT INTO registry.verbindingstest (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, fingerprint, credential_id, "
        "secret_digest, apis, asked_by) SELECT $1, $2, $1, $3, $4, $5, sha256(secret_sealed), '{personen}', 'test' FROM registry.credential",
        world.tenant_id, world.aansluiting_id, world.certificate_id, world.fingerprint, world.credential_id,
    )  # fmt: skip
    await rotate(rotating, add_version(keyrings.identity))
    assert await admin.fetchval(
        "SELECT t.secret_digest = sha256(r.secret_sealed) FROM registry.verbindingstest t "
        "JOIN registry.credential r USING (tenant_id, credential_id)"
    )


async def test_the_history_of_the_tenant_says_that_a_key_was_sealed_anew(rotating, admin, world, keyrings):
    seen = await admin.fetchval("SELECT max(number) FROM registry.wijziging")
    await rotate(rotating, add_version(keyrings.identity))
    rows = await admin.fetch(
        "SELECT actor, action, object, before, after FROM registry.wijziging WHERE number > $1", seen
    )
    assert {row["object"] for row in rows} == {"certificate", "credential", "tenant_key"}
    assert {row["actor"] for row in rows} == {"sleutelrotatie"}
    assert not any("sealed" in row["after"] or "index_key" in row["after"] for row in rows)


async def test_only_one_rotates_at_a_time(rotating, connect):
    assert await lock_rotation(rotating)
    assert not await lock_rotation(await connect("keys"))


async def test_who_rotates_can_seal_nothing_to_an_older_version_and_reads_nothing_else(rotating, world, keyrings):
    (first, *_) = await list_sealed(rotating, "identity", below=2, after=START, most=1)
    for made in (first.sealed, b"\x01\x00\x01" + bytes(len(first.sealed) - 3), b"\x01\x00\x02"):
        with pytest.raises(asyncpg.CheckViolationError):
            await exchange(rotating, [first], [made])
    for statement in (
        "SELECT * FROM registry.certificate",
        "SELECT * FROM registry.sealed_value",
        "SELECT * FROM registry.tenant",
        "UPDATE registry.credential SET secret_sealed = secret_sealed",
        "SELECT registry.rehash('admin_key.hash', 1, ''::bytea, ''::bytea, 2)",
        "SELECT * FROM register.opening",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rotating.fetch(statement)


async def test_versions_are_counted_and_what_a_keyring_lacks_is_a_fault(rotating, world, keyrings):
    counted = await count_versions(rotating)
    by_name = {(one.name, one.version): one.count for one in counted}
    assert by_name["tenant_key.private_key_sealed", 1] == 2
    assert by_name["taaksysteem_key.hash", 1] == 1
    assert faults_of(keyrings.identity, counted) == []
    left, _ = drop_version(add_version(keyrings.identity), 1)
    faults = faults_of(left, counted)
    assert len(faults) == 4
    assert "1 of certificate.key_sealed name version 1, which identity.keyring does not have" in faults
    assert {one.name for one in uses_of("register", 1, counted)} == {
        "tenant_key.private_key_sealed",
        "tenant_key.index_key_for_register",
    }


async def test_hashes_stay_and_say_whose_they_are_until_their_key_has_ended(rotating, registrar, world, keyrings):
    new = add_version(keyrings.identity)
    assert (await rotate(rotating, new)).whole
    (left,) = await list_old_hashes(rotating, 2, most=10)
    assert (left.name, left.oin, left.number, left.taaksysteem, left.version) == (
        "taaksysteem_key.hash", world.oin, world.key_id, "Burgerzaken 990001", 1,
    )  # fmt: skip
    assert [one.name for one in uses_of("identity", 1, await count_versions(rotating))] == ["taaksysteem_key.hash"]
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await registrar.execute("UPDATE registry.taaksysteem_key SET state = 'withdrawn'")
    assert uses_of("identity", 1, await count_versions(rotating)) == []


async def test_a_hash_moves_only_for_who_knows_the_old_one_and_only_forward(connect, admin, world, keyrings):
    gateway = await connect("gateway")
    new = add_version(keyrings.identity)
    old, moved = hash_secret(keyrings.identity, world.api_key)[0], hash_secret(new, world.api_key)[0]
    ask = "SELECT registry.rehash_taaksysteem_key($1, $2, $3, $4)"
    assert not await gateway.fetchval(ask, world.key_id, b"w" * 32, moved, 2)
    assert not await gateway.fetchval(ask, world.key_id, old, moved, 1)
    version = "SELECT version FROM registry.taaksysteem"
    before = await admin.fetchval(version)
    assert await gateway.fetchval(ask, world.key_id, old, moved, 2)
    row = await admin.fetchrow("SELECT hash, hash_version FROM registry.taaksysteem_key")
    assert (row["hash"], row["hash_version"]) == (moved, 2)
    # Who may call is what it was: no call has to be chosen anew for it.
    assert await admin.fetchval(version) == before
