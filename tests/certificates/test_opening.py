"""Opening a file with a private key costs the process that serves everybody nothing, however much work the file asks for."""

import asyncio
import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tenants.certificates_opening import Opening, OpeningBusy, environment
from tenants.certificates_reading import CertificateRefused, public_bytes
from tenants.certificates_weak_keys import MOST_RSA, weakness_of
from tests.certificates.authorities import make_tree

TREE = make_tree("ec")
OIN = "00000001001234567000"
PASSWORD = b"geheim"
HOURS_OF_WORK = 2**31 - 1
"""Rounds; at ten million a second three minutes, and a file may ask for them as often as it has bags."""


def der(tag: int, *parts: bytes) -> bytes:
    """One value of ASN.1 in DER."""
    content = b"".join(parts)
    length = len(content)
    written = length.to_bytes((length.bit_length() + 7) // 8 or 1)
    size = written if length < 128 else bytes([0x80 | len(written)]) + written
    return bytes([tag]) + size + content


def oid(text: str) -> bytes:
    first, second, *others = (int(one) for one in text.split("."))
    found = [bytes([40 * first + second])]
    for one in others:
        groups = [one & 127]
        while one := one >> 7:
            groups.append(128 | (one & 127))
        found.append(bytes(reversed(groups)))
    return der(6, *found)


def endless_key() -> bytes:
    """An EncryptedPrivateKeyInfo whose key is derived in as many rounds as can be written (RFC 8018, A.4)."""
    rounds = der(0x30, oid("1.2.840.113549.1.5.12"), der(0x30, der(4, b"salt" * 4), der(2, HOURS_OF_WORK.to_bytes(4))))
    cipher = der(0x30, oid("2.16.840.1.101.3.4.1.42"), der(4, bytes(16)))
    method = der(0x30, oid("1.2.840.113549.1.5.13"), der(0x30, rounds, cipher))
    return der(0x30, method, der(4, bytes(64)))


def endless_pem() -> bytes:
    text = base64.encodebytes(endless_key())
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + text + b"-----END ENCRYPTED PRIVATE KEY-----\n"


def endless_pkcs12() -> bytes:
    """A PFX with that key in a bag (RFC 7292)."""
    data = oid("1.2.840.113549.1.7.1")
    bag = der(0x30, der(0x30, oid("1.2.840.113549.1.12.10.1.2"), der(0xA0, endless_key())))
    safe = der(0x30, der(0x30, data, der(0xA0, der(4, bag))))
    return der(0x30, der(2, b"\x03"), der(0x30, data, der(0xA0, der(4, safe))))


def codes(refused: pytest.ExceptionInfo[CertificateRefused]) -> list[str]:
    return [one.code for one in refused.value.faults]


async def test_a_file_is_opened_elsewhere_and_comes_back_whole():
    leaf = TREE.leaf(OIN)
    content = pkcs12.serialize_key_and_certificates(
        b"x", leaf.key, leaf.certificate, list(TREE.between), BestAvailableEncryption(PASSWORD)
    )
    upload = await Opening().open_pkcs12(1, content, PASSWORD)
    assert set(upload.certificates) == {leaf.certificate, *TREE.between}
    assert upload.key is not None
    assert public_bytes(upload.key) == public_bytes(leaf.certificate)
    with pytest.raises(CertificateRefused) as refused:
        await Opening().open_pkcs12(1, content, b"ander")
    assert codes(refused) == ["pkcs12OpentNiet"]


@pytest.mark.parametrize("kind", ["pem", "pkcs12"])
async def test_a_file_that_asks_for_hours_is_given_up_while_the_loop_goes_on(kind: str):
    opening, leaf = Opening(cpu_seconds=1), TREE.leaf(OIN)
    doing = (
        opening.open_pem(1, TREE.chain_pem(leaf), endless_pem(), PASSWORD)
        if kind == "pem"
        else opening.open_pkcs12(1, endless_pkcs12(), PASSWORD)
    )
    work = asyncio.create_task(doing)
    turns = 0
    while not work.done():
        await asyncio.sleep(0.01)
        turns += 1
    with pytest.raises(CertificateRefused) as refused:
        await work
    assert codes(refused) == ["bestandTeZwaar"]
    # It was a second of work for one processor, in which the loop had its turns.
    assert turns > 10
    # And its place is free again.
    assert (await opening.open_pem(1, TREE.chain_pem(leaf), leaf.key_pem, None)).key is not None


async def test_one_tenant_has_one_place_and_leaves_the_others_to_others():
    opening, leaf = Opening(places=2, cpu_seconds=600), TREE.leaf(OIN)
    heavy = asyncio.create_task(opening.open_pem(1, b"", endless_pem(), PASSWORD))
    await asyncio.sleep(0)
    with pytest.raises(OpeningBusy):
        await opening.open_pem(1, TREE.chain_pem(leaf), leaf.key_pem, None)
    assert (await opening.open_pem(2, TREE.chain_pem(leaf), leaf.key_pem, None)).key is not None
    other = asyncio.create_task(opening.open_pem(2, b"", endless_pem(), PASSWORD))
    await asyncio.sleep(0)
    with pytest.raises(OpeningBusy):
        await opening.open_pem(3, TREE.chain_pem(leaf), leaf.key_pem, None)
    for one in (heavy, other):
        one.cancel()
    await asyncio.wait((heavy, other))


async def test_who_goes_away_leaves_no_process_behind():
    opening = Opening(cpu_seconds=60)
    task = asyncio.create_task(opening.open_pem(1, b"", endless_pem(), PASSWORD))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    leaf = TREE.leaf(OIN)
    assert (await opening.open_pem(1, TREE.chain_pem(leaf), leaf.key_pem, None)).key is not None


async def test_a_machine_that_does_not_get_round_to_it_is_no_fault_of_the_file():
    with pytest.raises(OpeningBusy):
        await Opening(patience=0.0).open_pem(1, b"", endless_pem(), PASSWORD)


async def test_a_key_too_large_for_anything_is_refused_before_its_weaknesses_are_looked_for():
    large = rsa.RSAPublicNumbers(65_537, (1 << (MOST_RSA + 1)) + 1).public_key()
    assert "is het meeste" in (weakness_of(large) or "")


def test_nothing_of_the_environment_goes_along(monkeypatch: pytest.MonkeyPatch):
    """What is opened there may try what it likes: there is no secret in that process."""
    monkeypatch.setenv("KOPPELPUNT_DATABASE_URL", "postgresql://geheim")
    assert "PATH" in environment()
    assert not [name for name in environment() if name.startswith("KOPPELPUNT")]
