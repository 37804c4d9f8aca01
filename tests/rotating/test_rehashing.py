"""The hash of a secret moves to the newer version when the secret is used, by whoever it was shown to."""

from dataclasses import replace
from datetime import timedelta

from gateway.rehashing import Rehashing
from tenants.admins import make_admin_key, recognise
from tenants.keyring import add_version, drop_version, hash_secret, public_half
from tests.e2e.ledgers import until
from tests.values import key


async def test_an_admin_key_moves_when_it_is_used(registrar, admin, keyrings):
    half = public_half(keyrings.identity)
    number, secret = await make_admin_key(
        registrar, half, role="operator", tenant_id=None, name="Operator", valid_for=timedelta(days=1)
    )
    newer = add_version(half)
    found = await recognise(registrar, newer, secret)
    assert found is not None
    assert found.actor == f"operator/{number}"
    assert await admin.fetchval("SELECT hash_version FROM registry.admin_key") == 2
    # It opens with the new version alone now; before that it opened with the old one alone.
    left, gone = drop_version(newer, 1)
    assert await recognise(registrar, left, secret) == found
    assert await recognise(registrar, gone, secret) is None
    assert await recognise(registrar, left, secret[:-1]) is None


async def test_a_secret_of_the_current_version_is_not_noted(keyrings):
    asked: list[int] = []

    async def connect():
        asked.append(1)
        raise ConnectionRefusedError

    rehashing = Rehashing(keyrings.identity, connect)
    rehashing.start()
    rehashing.note(replace(key(1), hash=b"h" * 32, hash_version=1), "geheim")
    await rehashing.close()
    assert asked == []


async def test_what_does_not_get_through_moves_at_a_later_call(connect, admin, world, keyrings):
    newer = add_version(keyrings.identity)
    refused: list[int] = []

    async def go():
        if not refused:
            refused.append(1)
            raise ConnectionRefusedError
        return await connect("gateway")

    rehashing = Rehashing(newer, go, rest_seconds=0.01)
    rehashing.start()
    hashed, version = hash_secret(keyrings.identity, world.api_key)
    used = replace(key(1), key_id=world.key_id, hash=hashed, hash_version=version)

    async def has_moved():
        rehashing.note(used, world.api_key)
        return await admin.fetchval("SELECT hash_version FROM registry.taaksysteem_key") == 2

    await until(has_moved)
    await rehashing.close()
    assert refused == [1]
    assert await admin.fetchval("SELECT hash FROM registry.taaksysteem_key") == hash_secret(newer, world.api_key)[0]
