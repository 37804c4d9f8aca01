"""A key is opened into memory, for exactly the certificate that the registry names, and trusts nothing but its anchors."""

import dataclasses
import datetime as dt
import json
import ssl
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from gateway.errors import IdentityUnavailable
from gateway.mtls import Identities, make_context
from gateway.pki import Issued
from tenants.keyring import make_keyring
from tenants.model import Certificate, Oin
from tests import values
from tests.upstream import stage


def code_of(identities: Identities, certificate: Certificate, environment: str = "proef") -> str:
    with pytest.raises(IdentityUnavailable) as caught:
        identities.get(certificate, environment)
    return caught.value.code


def test_a_context_demands_a_verified_host_and_offers_strong_suites_only(identities, first):
    context = identities.get(first.certificate, "proef").context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert context.options & ssl.OP_NO_TICKET
    suites = [suite["name"] for suite in context.get_ciphers()]
    assert suites
    for name in suites:
        assert name.startswith(("TLS_", "ECDHE-"))
        assert "GCM" in name or "CHACHA20" in name


def test_only_the_given_anchors_are_trusted(pki, identities, first):
    context = identities.get(first.certificate, "proef").context
    trusted = context.get_ca_certs(binary_form=True)
    root = x509.load_pem_x509_certificate(pki.root_pem)
    assert trusted == [root.public_bytes(serialization.Encoding.DER)]


def test_the_same_certificate_gets_the_same_context_and_another_gets_another(identities, first, second):
    assert identities.get(first.certificate, "proef") is identities.get(first.certificate, "proef")
    assert identities.get(first.certificate, "proef").context is not identities.get(second.certificate, "proef").context


def test_environments_do_not_share_a_context(pki, keyring, first):
    root = pki.root_pem.decode()
    identities = Identities(keyring, {"proef": root, "productie": root})
    assert identities.get(first.certificate, "proef").context is not (
        identities.get(first.certificate, "productie").context
    )


WATCHED = """
import json, os, sys
from gateway.mtls import make_context
given = json.load(sys.stdin)
written = []
def watch(event, found):
    # A path that is opened for writing; a number is a descriptor that was open already.
    if event == "open" and not isinstance(found[0], int) and found[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(str(found[0]))
sys.addaudithook(watch)
before = os.listdir("/proc/self/fd")
make_context(given["chain"], given["key"].encode(), given["anchors"])
print(json.dumps([written, os.listdir("/proc/self/fd") == before]))
"""


def test_no_key_touches_a_disk_and_none_stays_open(pki, first):
    issued = pki.issue_client(first.organisation_oin, "Gemeente 1")
    given = {
        "chain": issued.chain_pem.decode(),
        "key": issued.key_pem.decode(),
        "anchors": pki.root_pem.decode(),
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[], True]


@pytest.mark.parametrize("state", ["requested", "staged", "retired", "revoked"])
def test_a_certificate_that_is_not_in_use_is_refused(identities, first, state):
    assert code_of(identities, dataclasses.replace(first.certificate, state=state)) == "certificaatNietActief"


def test_a_retiring_certificate_still_works(identities, first):
    assert identities.get(dataclasses.replace(first.certificate, state="retiring"), "proef")


def test_a_key_of_another_certificate_is_refused(pki, keyring, identities, first):
    issued = pki.issue_client(first.organisation_oin, "Gemeente 1")
    other = pki.issue_client(first.organisation_oin, "Gemeente 1")
    mixed = Issued(issued.certificate_pem, issued.chain_pem, other.key_pem, issued.fingerprint)
    assert code_of(identities, stage.make_certificate(mixed, keyring, 1)) == "sleutelOnbruikbaar"


def test_a_key_with_a_password_is_refused_without_asking_for_it(pki, keyring, identities, first):
    issued = pki.issue_client(first.organisation_oin, "Gemeente 1")
    key = serialization.load_pem_private_key(issued.key_pem, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"geheim")
    )
    certificate = stage.make_certificate(dataclasses.replace(issued, key_pem=locked), keyring, 1)
    assert code_of(identities, certificate) == "sleutelOnbruikbaar"


def test_a_key_that_does_not_open_is_refused(pki, first):
    stranger = Identities(make_keyring("identity"), {"proef": pki.root_pem.decode()})
    assert code_of(stranger, first.certificate) == "sleutelGesloten"


def test_a_key_that_was_sealed_for_another_certificate_does_not_open(identities, first, second):
    swapped = dataclasses.replace(first.certificate, key_sealed=second.certificate.key_sealed)
    assert code_of(identities, swapped) == "sleutelGesloten"


def test_a_chain_that_is_not_the_registered_one_is_refused(identities, first, second):
    swapped = dataclasses.replace(first.certificate, chain_pem=second.certificate.chain_pem)
    assert code_of(identities, swapped) == "certificaatTegenstrijdig"


def test_a_certificate_of_another_oin_than_registered_is_refused(identities, first):
    other = dataclasses.replace(first.certificate, oin=Oin("00000001000000099000"))
    assert code_of(identities, other) == "certificaatTegenstrijdig"


@pytest.mark.parametrize("chain", ["", "geen PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_unreadable_chain_is_refused(identities, first, chain):
    assert code_of(identities, dataclasses.replace(first.certificate, chain_pem=chain)) == "certificaatOnleesbaar"


@pytest.mark.parametrize("seconds", [-86_400, 3 * 365 * 86_400])
def test_outside_its_validity_a_certificate_is_refused_even_when_it_was_ready(pki, keyring, first, seconds):
    now = time.time()
    identities = Identities(keyring, {"proef": pki.root_pem.decode()}, clock=lambda: now)
    assert identities.get(first.certificate, "proef")
    now += seconds
    assert code_of(identities, first.certificate) == "certificaatVerlopen"


def test_an_environment_without_anchors_lets_nothing_leave(keyring, first):
    assert code_of(Identities(keyring, {}), first.certificate) == "stamcertificaatOntbreekt"


@pytest.mark.parametrize("anchors", ["", "geen PEM", "é"])
def test_unreadable_anchors_let_nothing_leave(keyring, first, anchors):
    assert code_of(Identities(keyring, {"proef": anchors}), first.certificate) == "stamcertificaatOnleesbaar"


def test_no_more_identities_are_kept_than_the_snapshot_has(identities, first, second):
    identities.get(first.certificate, "proef")
    identities.get(second.certificate, "proef")
    identities.keep([second.certificate.fingerprint])
    assert len(identities) == 1
    identities.get(first.certificate, "proef")
    assert len(identities) == 1


def test_no_text_of_a_refusal_holds_the_key(pki, keyring, identities, first):
    issued = pki.issue_client(first.organisation_oin, "Gemeente 1")
    broken = dataclasses.replace(issued, key_pem=b"-----BEGIN PRIVATE KEY-----\ngeheim\n-----END PRIVATE KEY-----\n")
    with pytest.raises(IdentityUnavailable) as caught:
        identities.get(stage.make_certificate(broken, keyring, 1), "proef")
    assert "geheim" not in f"{caught.value!r} {caught.value.detail}"


async def test_a_chain_of_the_newer_generation_with_pss_signatures_is_presented(tmp_path, pki):
    """PKIoverheid's G4: RSA 3072, RSASSA-PSS with SHA-512."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, values.oin(7))])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA512(), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA512()), 64))
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    async with stage.serving(pki, tmp_path, clients_pem=pem) as server:
        context = make_context(pem.decode(), key_pem, pki.root_pem.decode())
        assert await stage.fetch(server, context) == values.oin(7)
