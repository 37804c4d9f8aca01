"""Certificates that a proxy hands over, verified here: chain, use and validity; and what counts of them."""

import datetime as dt
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.errors import NotAuthenticated
from gateway.pki import Pki, make_pki
from gateway.presented import AnchorsError, ClientCertificates, read_anchors

OIN = "00000001001234567000"
NOW = time.time()


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki()


def ders(pem: bytes) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)]


def made(pki: Pki, clock=lambda: NOW) -> ClientCertificates:
    return ClientCertificates(tuple(x509.load_pem_x509_certificates(pki.root_pem)), clock)


def is_verified(certificates: ClientCertificates, leaf: bytes, *chain: bytes) -> bool:
    try:
        certificates.verify(leaf, chain)
    except NotAuthenticated:
        return False
    return True


def own_leaf(pki: Pki, *extensions, subject=(), issuer=None) -> bytes:
    """A leaf of the issuing authority with exactly these extensions."""
    authority = issuer or pki.authorities[-1]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x"), *subject])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        authority.certificate.subject,
        name,
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        x509.random_serial_number(),
        now - dt.timedelta(hours=1),
        now + dt.timedelta(days=1),
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


CLIENTS = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
SERVERS = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)


def serial(number: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.SERIAL_NUMBER, number)


def test_a_certificate_with_its_chain_is_verified_and_known_by_thumbprint_and_oin(pki):
    issued = pki.issue_client(OIN, "Gemeente")
    leaf, *chain = ders(issued.chain_pem)
    found = made(pki).verify(leaf, chain)
    assert (found.thumbprint.hex(), found.oin) == (issued.fingerprint, OIN)


def test_a_chain_that_is_missing_or_of_another_authority_is_refused(pki):
    leaf, *chain = ders(pki.issue_client(OIN, "Gemeente").chain_pem)
    stranger, *theirs = ders(make_pki().issue_client(OIN, "Gemeente").chain_pem)
    certificates = made(pki)
    assert is_verified(certificates, leaf, *chain)
    assert is_verified(certificates, leaf, *reversed(chain))
    assert not is_verified(certificates, leaf)
    assert not is_verified(certificates, leaf, chain[0])
    assert not is_verified(certificates, stranger, *theirs)
    assert not is_verified(certificates, stranger, *chain)


def test_a_certificate_counts_in_its_time_also_when_it_was_verified_before(pki):
    now = dt.datetime.now(dt.UTC)
    first, last = now - dt.timedelta(days=1), now + dt.timedelta(days=1)
    leaf, *chain = ders(pki.issue_client(OIN, "Gemeente", not_before=first, not_after=last).chain_pem)
    moment = [now.timestamp()]
    certificates = made(pki, lambda: moment[0])
    for seconds, counts in ((0, True), (-86_402, False), (86_402, False), (86_000, True)):
        moment[0] = now.timestamp() + seconds
        assert is_verified(certificates, leaf, *chain) == counts
        assert is_verified(made(pki, lambda: moment[0]), leaf, *chain) == counts


def test_a_certificate_of_our_own_listener_ends_with_its_validity(pki):
    issued = pki.issue_client(OIN, "Gemeente")
    moment = [NOW]
    certificates = made(pki, lambda: moment[0])
    pem = issued.certificate_pem.decode()
    assert certificates.read_verified(pem).oin == OIN
    moment[0] += 3 * 365 * 86_400
    with pytest.raises(NotAuthenticated):
        certificates.read_verified(pem)


def test_only_certificates_for_clients_are_clients(pki):
    chain = ders(pki.intermediates_pem)
    certificates = made(pki)
    assert is_verified(certificates, own_leaf(pki, CLIENTS), *chain)
    assert is_verified(certificates, own_leaf(pki), *chain)
    assert not is_verified(certificates, own_leaf(pki, SERVERS), *chain)
    assert not is_verified(certificates, ders(pki.issue_server(["a.example"]).certificate_pem)[0], *chain)
    signs_nothing = (x509.KeyUsage(False, False, True, False, False, False, False, False, False), True)
    assert not is_verified(certificates, own_leaf(pki, CLIENTS, signs_nothing), *chain)


def test_an_authority_is_no_client(pki):
    certificates = made(pki)
    assert not is_verified(certificates, ders(pki.intermediates_pem)[0], ders(pki.intermediates_pem)[1])
    ca = (x509.BasicConstraints(ca=True, path_length=None), True)
    assert not is_verified(certificates, own_leaf(pki, CLIENTS, ca), *ders(pki.intermediates_pem))


def test_a_leaf_cannot_issue_another_leaf(pki):
    issued = pki.issue_client(OIN, "Gemeente")
    leaf, *chain = ders(issued.chain_pem)
    key = load_pem_private_key(issued.key_pem, None)
    below = replace(pki.authorities[-1], certificate=x509.load_der_x509_certificate(leaf), key=key)
    assert not is_verified(made(pki), own_leaf(pki, CLIENTS, issuer=below), leaf, *chain)


def test_a_demand_that_nobody_knows_is_not_passed_over(pki):
    unknown = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)
    assert not is_verified(made(pki), own_leaf(pki, CLIENTS, unknown), *ders(pki.intermediates_pem))


@pytest.mark.parametrize(
    ("subject", "oin"),
    [
        ([serial(OIN)], OIN),
        ([], None),
        ([serial("12345")], None),
        ([serial(OIN + "0")], None),
        ([serial(OIN), serial("00000001007654321000")], None),
        ([serial(OIN), serial(OIN)], None),
    ],
)
def test_an_oin_is_the_one_that_the_subject_names(pki, subject, oin):
    leaf = own_leaf(pki, CLIENTS, subject=subject)
    assert made(pki).verify(leaf, ders(pki.intermediates_pem)).oin == oin


def test_an_oin_elsewhere_in_the_certificate_is_none(pki):
    names = x509.SubjectAlternativeName(
        [x509.DNSName(OIN), x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, OIN)]))]
    )
    leaf = own_leaf(pki, CLIENTS, (names, False))
    assert made(pki).verify(leaf, ders(pki.intermediates_pem)).oin is None


@pytest.mark.parametrize("junk", [b"", b"\x30", b"geen certificaat", bytes(1000)])
def test_what_is_no_certificate_is_refused(pki, junk):
    leaf, *chain = ders(pki.issue_client(OIN, "Gemeente").chain_pem)
    assert not is_verified(made(pki), junk, *chain)
    assert not is_verified(made(pki), leaf, junk, *chain)


def test_an_anchor_may_be_any_authority_that_the_operator_lists(pki):
    leaf, issuing, domain = ders(pki.issue_client(OIN, "Gemeente").chain_pem)
    listed = ClientCertificates((x509.load_der_x509_certificate(domain),), lambda: NOW)
    assert is_verified(listed, leaf, issuing)


@pytest.mark.parametrize("text", ["", "geen pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_anchors_that_cannot_be_read_are_told(tmp_path, text):
    (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(AnchorsError):
        read_anchors(tmp_path / "ca.pem")
    with pytest.raises(AnchorsError):
        read_anchors(tmp_path / "geen.pem")
