"""After a rotation of the checkpoint key a tree that has not grown meanwhile stands under the old one, and is signed on by the new."""

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tenants.checkpoints import VerifierKey, open_note, origin_of, read_note, read_retired_keys, read_signing_keys
from tenants.config import SealerConfig
from tenants.sealer.operator_signing import sign_operator
from tenants.sealer.parts import signer_of, ways_of
from tests.trees.stage import faults, seal, sign_all
from tests.trees.test_operator import act

OLD, NEW = Ed25519PrivateKey.from_private_bytes(b"o" * 32), Ed25519PrivateKey.from_private_bytes(b"n" * 32)


def private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@pytest.fixture
def start(tmp_path: Path):
    """Start as the process does: a signer from a file with these keys, and the directory if there is one."""

    def make(*pem: bytes, directory: Path | None = None):
        path = tmp_path / "checkpoint.key"
        path.write_bytes(b"".join(pem))
        made = signer_of(
            SealerConfig(database_url="postgresql://x", checkpoint_key_file=path, checkpoint_directory=directory)
        )
        assert made is not None
        return made

    return make


@pytest.mark.parametrize("remembers", [True, False])
async def test_a_tenant_that_was_quiet_during_a_rotation_is_signed_on(
    calls, sealing, world, other, admin, start, tmp_path, remembers
):
    directory = tmp_path / "own" if remembers else None
    for one in (world, other):
        await calls.record(one, 2)
    await seal(sealing)
    assert await sign_all(sealing, start(private(OLD), directory=directory)) == [True, True]
    # During the rotation one tenant has calls and the other has none.
    await calls.record(world)
    await seal(sealing)
    assert await sign_all(sealing, start(private(NEW), private(OLD), directory=directory)) == [True]
    # Without a directory the operator leaves the public half where the old key was.
    after = start(private(NEW), *(() if remembers else (public(OLD),)), directory=directory)
    await calls.record(other)
    await seal(sealing)
    assert await sign_all(sealing, after) == [True]
    assert await faults(admin) == []
    note = await admin.fetchval(
        "SELECT note FROM register.checkpoint WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1", other.tenant_id
    )
    origin = origin_of(after.prefix, other.oin)
    assert open_note(note, [VerifierKey(origin, raw(NEW))]).size == await admin.fetchval(
        "SELECT size FROM register.tree WHERE tenant_id = $1", other.tenant_id
    )
    # It signs with the new key alone.
    assert VerifierKey(origin, raw(OLD)).number not in {number for _, number, _ in read_note(note)[1]}


async def test_the_operators_own_history_is_signed_on_too(registrar, keyrings, sealing, start, tmp_path):
    directory = tmp_path / "own"
    await act(registrar, keyrings)
    assert await sign_operator(sealing, start(private(OLD), directory=directory)) is True
    await act(registrar, keyrings)
    assert await sign_operator(sealing, start(private(NEW))) is False
    assert await sign_operator(sealing, start(private(NEW), directory=directory)) is True


async def test_a_key_that_stands_in_postgresql_alone_is_not_believed_and_is_named(
    calls, sealing, world, admin, start, tmp_path
):
    """Who owns PostgreSQL can publish a key there, and have signed with it whatever it likes."""
    forger = Ed25519PrivateKey.generate()
    await admin.execute("INSERT INTO register.checkpoint_key (public_key) VALUES ($1)", raw(forger))
    signer = start(private(NEW), directory=tmp_path / "own")
    await calls.record(world)
    await seal(sealing)
    await sign_all(sealing, dataclasses.replace(signer, keys=(forger,), retired=(), directory=None))
    await calls.record(world)
    await seal(sealing)
    assert await sign_all(sealing, signer) == [False]
    ((_, code, place),) = await faults(admin)
    number = VerifierKey(origin_of(signer.prefix, world.oin), raw(forger)).number.hex()
    assert (code, place.endswith(f"it names key {number}")) == ("checkpoint_forged", True)


def test_keys_are_remembered_once_and_for_good_and_known_in_places(start, tmp_path):
    directory = tmp_path / "own"
    for pem in ((private(OLD),), (private(OLD),), (private(NEW), private(OLD)), (private(NEW),)):
        signer = start(*pem, directory=directory)
    assert signer.known_keys() == [raw(NEW), raw(OLD)]
    assert len((directory / "signing-keys.txt").read_text().splitlines()) == 2
    assert ways_of(SealerConfig(database_url="postgresql://x"), signer).keys == (raw(NEW), raw(OLD))
    (directory / "signing-keys.txt").write_text("niets")
    with pytest.raises(ValueError, match="remembers cannot be read"):
        start(private(NEW), directory=directory)


def test_a_key_file_may_hold_public_keys_anywhere_and_none_of_them_signs():
    pem = public(OLD) + private(NEW) + public(OLD)
    assert [key.private_bytes_raw() for key in read_signing_keys(pem)] == [b"n" * 32]
    assert read_retired_keys(pem) == [raw(OLD), raw(OLD)]
    for wrong in (b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", public(X25519PrivateKey.generate())):
        with pytest.raises(ValueError, match="retired checkpoint key"):
            read_retired_keys(private(NEW) + wrong)
    with pytest.raises(ValueError, match="must be an unencrypted private key"):
        read_signing_keys(public(OLD))
