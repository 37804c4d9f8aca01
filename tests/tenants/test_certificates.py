"""A certificate is taken with its facts, or refused with everything that is wrong with it."""

import datetime as dt
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.pki import make_pki
from tenants.certificates import read_certificate
from tenants.faults import InputRefused

OIN = "00000001001234567000"
OTHER_OIN = "00000001007654321000"
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
PKI = make_pki(now=NOW)
ISSUED = PKI.issue_client(OIN, "Gemeente Voorbeeld")


def faults_of(
    chain_pem: bytes, key_pem: bytes = ISSUED.key_pem, oin: str = OIN, now: dt.datetime = NOW
) -> tuple[str, ...]:
    with pytest.raises(InputRefused) as told:
        read_certificate(chain_pem, key_pem, organisation_oin=oin, now=now)
    return told.value.faults


def self_signed(attributes: list[tuple[x509.ObjectIdentifier, str]], key: Any, ca: bool = False) -> tuple[bytes, bytes]:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    made = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM), pem_of(key)


def pem_of(key: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    made: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return made


def test_the_facts_are_those_of_the_certificate():
    facts = read_certificate(ISSUED.chain_pem, ISSUED.key_pem, organisation_oin=OIN, now=NOW)
    leaf = x509.load_pem_x509_certificate(ISSUED.certificate_pem)
    assert facts.oin == OIN
    assert facts.fingerprint == leaf.fingerprint(hashes.SHA256()) == bytes.fromhex(ISSUED.fingerprint)
    spki = leaf.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert facts.public_key_hash == hashlib.sha256(spki).digest()
    assert (facts.not_before, facts.not_after) == (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    assert len(x509.load_pem_x509_certificates(facts.chain_pem.encode())) == 3
    assert "PRIVATE" not in repr(facts)


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072"])
def test_rsa_keys_are_taken(kind):
    issued = PKI.issue_client(OIN, "Gemeente", key=kind)
    assert read_certificate(issued.chain_pem, issued.key_pem, organisation_oin=OIN, now=NOW).oin == OIN


def test_a_certificate_alone_is_taken_without_its_chain():
    assert read_certificate(ISSUED.certificate_pem, ISSUED.key_pem, organisation_oin=OIN, now=NOW).oin == OIN


def test_a_certificate_that_is_not_valid_yet_is_taken():
    issued = PKI.issue_client(OIN, "Gemeente", not_before=NOW + dt.timedelta(days=1))
    assert read_certificate(issued.chain_pem, issued.key_pem, organisation_oin=OIN, now=NOW).not_before > NOW


def test_all_faults_are_told_at_once():
    issued = PKI.issue_client(OTHER_OIN, "Gemeente", not_after=NOW - dt.timedelta(days=1))
    assert len(faults_of(issued.certificate_pem + ISSUED.certificate_pem)) == 4


def test_a_certificate_of_another_organisation_is_refused():
    assert faults_of(ISSUED.chain_pem, oin=OTHER_OIN) == (f"The certificate is that of OIN {OIN}, not of {OTHER_OIN}.",)


def test_an_expired_certificate_is_refused_to_the_second():
    end = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)
    issued = PKI.issue_client(OIN, "Gemeente", not_after=end)
    assert read_certificate(
        issued.chain_pem, issued.key_pem, organisation_oin=OIN, now=end - dt.timedelta(seconds=1)
    ).not_after == end  # fmt: skip
    assert faults_of(issued.chain_pem, issued.key_pem, now=end) == ("The certificate expired on 2030-06-01 00:00 UTC.",)


def test_the_key_of_another_certificate_is_refused():
    other = PKI.issue_client(OIN, "Gemeente")
    assert faults_of(ISSUED.chain_pem, other.key_pem) == ("The private key does not belong to the certificate.",)


def test_an_encrypted_key_is_refused_and_said_to_be_so():
    key = pem_of(ec.generate_private_key(ec.SECP256R1()), b"geheim")
    assert faults_of(ISSUED.chain_pem, key) == ("The private key is encrypted; give it without a password.",)


def test_a_chain_in_the_wrong_order_is_refused():
    leaf, issuing, domain = x509.load_pem_x509_certificates(ISSUED.chain_pem)
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, domain, issuing))
    assert faults_of(pem) == (
        "Certificate 1 of the chain was not issued by certificate 2.",
        "Certificate 2 of the chain was not issued by certificate 3.",
    )


def test_the_certificate_of_a_ca_is_refused():
    key = ec.generate_private_key(ec.SECP256R1())
    pem, key_pem = self_signed([(NameOID.SERIAL_NUMBER, OIN)], key, ca=True)
    assert faults_of(pem, key_pem)[0].startswith("The first certificate of the chain is that of a CA")


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ([(NameOID.COMMON_NAME, OIN)], "0 serialNumbers"),
        ([(NameOID.SERIAL_NUMBER, OIN), (NameOID.SERIAL_NUMBER, OTHER_OIN)], "2 serialNumbers"),
        ([(NameOID.SERIAL_NUMBER, "123")], "is no OIN"),
        ([(NameOID.SERIAL_NUMBER, OIN + " ")], "is no OIN"),
    ],
)
def test_a_subject_without_exactly_one_oin_is_refused(attributes, fault):
    pem, key_pem = self_signed(attributes, ec.generate_private_key(ec.SECP256R1()))
    assert fault in faults_of(pem, key_pem)[0]


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (rsa.generate_private_key(65537, 1024), "1024 bits"),  # noqa: S505
        (ec.generate_private_key(ec.SECP256K1()), "neither RSA nor on P-256"),
        (ed25519.Ed25519PrivateKey.generate(), "neither RSA nor on P-256"),
    ],
)
def test_a_key_that_is_too_weak_or_of_another_kind_is_refused(key, fault):
    pem, key_pem = self_signed([(NameOID.SERIAL_NUMBER, OIN)], key)
    assert fault in faults_of(pem, key_pem)[0]


def test_too_long_a_chain_is_refused():
    assert faults_of(ISSUED.certificate_pem * 7) == ("The chain holds 7 certificates; 6 at most.",)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(chain, key):
    assert faults_of(chain, key)


@given(st.data())
def test_a_damaged_certificate_is_refused_or_keeps_its_facts(data):
    pem = bytearray(ISSUED.certificate_pem)
    pem[data.draw(st.integers(0, len(pem) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = read_certificate(bytes(pem), ISSUED.key_pem, organisation_oin=OIN, now=NOW)
    except InputRefused:
        return
    assert facts.oin == OIN
