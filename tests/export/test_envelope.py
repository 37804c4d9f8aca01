"""What is sealed to a certificate is opened by openssl with its key, and by nothing else; nothing of ours is needed for it."""

import io
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.export.envelope import Envelope, read_recipient

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    key=KEY, *, ends: datetime = NOW + timedelta(days=3650), begins: datetime = NOW - timedelta(days=365)
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gemeente Voorbeeld, overdracht")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends).sign(
        key, hashes.SHA256()
    )
    return made.public_bytes(serialization.Encoding.PEM)


def seal(path: Path, pem: bytes, *parts: bytes) -> None:
    with path.open("wb") as stream:
        envelope = Envelope(stream, read_recipient(pem, NOW))
        for part in parts:
            envelope.write(part)
        envelope.close()


def unseal(path: Path, pem: bytes, key=KEY) -> tuple[int, bytes]:
    """As the tenant does it."""
    (path.parent / "recipient.pem").write_bytes(pem)
    (path.parent / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    done = subprocess.run(
        ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", path, "-inkey", path.parent / "key.pem", "-recip",
         path.parent / "recipient.pem"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("parts", [(), (b"",), (b"een",), (b"x" * 16,), (b"{}\n" * 50_000, b"\x00" * 100_001, b"eind")])
def test_openssl_opens_what_was_sealed(tmp_path, parts):
    pem = certificate()
    seal(tmp_path / "a.cms", pem, *parts)
    assert unseal(tmp_path / "a.cms", pem) == (0, b"".join(parts))


def test_another_key_opens_nothing(tmp_path):
    pem = certificate()
    seal(tmp_path / "a.cms", pem, b"burgerservicenummer 999990019")
    assert b"999990019" not in (tmp_path / "a.cms").read_bytes()
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    status, said = unseal(tmp_path / "a.cms", certificate(other), other)
    assert (status != 0, b"999990019" in said) == (True, False)


def test_what_was_not_ended_does_not_open(tmp_path):
    with (tmp_path / "a.cms").open("wb") as stream:
        Envelope(stream, read_recipient(certificate(), NOW)).write(b"half" * 100)
    assert unseal(tmp_path / "a.cms", certificate())[0] != 0


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        (certificate(ec.generate_private_key(ec.SECP256R1())), "RSA"),
        (certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "RSA"),  # noqa: S505 - refused
        (certificate(ends=NOW - timedelta(days=1)), "not valid"),
        (certificate(begins=NOW + timedelta(days=1)), "not valid"),
    ],
)
def test_a_certificate_that_does_not_serve_is_refused(pem, says):
    with pytest.raises(ValueError, match=says):
        read_recipient(pem, NOW)


def test_what_is_no_certificate_is_refused():
    with pytest.raises(ValueError, match="PEM"):
        read_recipient(b"niets", NOW)


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=70), max_size=8))
def test_the_same_content_in_other_pieces_is_as_long(parts):
    """No piece is lost at a border of blocks: what is sealed is the whole, padded once."""
    recipient = read_recipient(certificate(), NOW)
    total = 0
    stream = io.BytesIO()
    envelope = Envelope(stream, recipient)
    at = stream.tell()
    for part in parts:
        envelope.write(part)
    envelope.close()
    body = stream.getvalue()[at:-10]
    while body:
        assert body[0] == 0x04
        assert body[1] < 0x80
        total, body = total + body[1], body[2 + body[1] :]
    length = sum(map(len, parts))
    assert total == length // 16 * 16 + 16
