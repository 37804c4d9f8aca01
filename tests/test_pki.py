"""The test infrastructure: PKIo-like chains that strict OpenSSL accepts, and identities that can be told apart."""

import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.pki import Issued, Pki, load_pki, make_pki

OIN = "00000001002564440000"


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki()


def _context(pki: Pki, issued: Issued, side: ssl.Purpose, directory: Path, stem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(side, cadata=pki.root_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(*issued.save(directory, stem))
    return context


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> bytes:
    """Do a mutual handshake over a socket pair; return the client certificate that the server saw."""
    near, far = socket.socketpair()
    near.settimeout(5)
    far.settimeout(5)
    seen: list[bytes] = []
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as secured:
                secured.recv(1)
                seen.append(secured.getpeercert(binary_form=True) or b"")
                secured.sendall(b"!")
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname="rvig.test") as secured:
            secured.sendall(b"?")
            secured.recv(1)
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return seen[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("key", ["p256", "rsa3072"])
def test_a_chain_of_four_layers_passes_strict_checks_on_both_sides(pki, tmp_path, version, key):
    issued = pki.issue_client(OIN, "Gemeente Duinwijk", key=key)
    client = _context(pki, issued, ssl.Purpose.SERVER_AUTH, tmp_path, "client")
    server = _context(pki, pki.issue_server(["rvig.test"]), ssl.Purpose.CLIENT_AUTH, tmp_path, "server")
    server.verify_mode = ssl.CERT_REQUIRED
    client.minimum_version = client.maximum_version = version
    shown = x509.load_der_x509_certificate(_shake_hands(client, server))
    assert [one.value for one in shown.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)] == [OIN]
    assert len(x509.load_pem_x509_certificates(issued.chain_pem)) == 3


def test_a_certificate_of_another_infrastructure_is_refused(pki, tmp_path):
    stranger = make_pki("Vreemd").issue_client(OIN, "Gemeente Duinwijk")
    client = _context(pki, stranger, ssl.Purpose.SERVER_AUTH, tmp_path, "client")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server = _context(pki, pki.issue_server(["rvig.test"]), ssl.Purpose.CLIENT_AUTH, tmp_path, "server")
    server.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLError):
        _shake_hands(client, server)


def test_an_expired_certificate_can_be_issued_and_is_refused(pki, tmp_path):
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    client = _context(
        pki, pki.issue_client(OIN, "Gemeente", not_after=yesterday), ssl.Purpose.SERVER_AUTH, tmp_path, "client"
    )
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server = _context(pki, pki.issue_server(["rvig.test"]), ssl.Purpose.CLIENT_AUTH, tmp_path, "server")
    server.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLError):
        _shake_hands(client, server)


def test_validity_counts_from_the_given_moment():
    moment = dt.datetime(2031, 5, 1, tzinfo=dt.UTC)
    leaf = x509.load_pem_x509_certificate(make_pki(now=moment).issue_client(OIN, "Gemeente").certificate_pem)
    assert leaf.not_valid_before_utc < moment < leaf.not_valid_after_utc
    assert leaf.not_valid_before_utc > moment - dt.timedelta(days=1)


def test_every_issue_is_a_new_key_pair_with_a_fingerprint_of_its_own(pki):
    first, second = pki.issue_client(OIN, "Gemeente"), pki.issue_client(OIN, "Gemeente")
    assert first.fingerprint != second.fingerprint
    assert first.key_pem != second.key_pem


def test_what_was_saved_issues_under_the_same_root_and_keeps_its_keys_private(pki, tmp_path):
    pki.save(tmp_path)
    pki.save(tmp_path)
    again = load_pki(tmp_path)
    assert again.root_pem == pki.root_pem
    issuer = again.authorities[-1].certificate
    x509.load_pem_x509_certificate(again.issue_client(OIN, "Gemeente").certificate_pem).verify_directly_issued_by(
        issuer
    )
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")} == {0o600}


def test_a_server_certificate_names_hosts_and_addresses(pki):
    leaf = x509.load_pem_x509_certificate(pki.issue_server(["localhost", "127.0.0.1"]).certificate_pem)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_private_keys_do_not_show_in_a_representation(pki):
    assert "PRIVATE" not in repr(pki.issue_client(OIN, "Gemeente"))
