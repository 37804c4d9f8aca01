"""Reads what a beheerder uploads: PEM, or a PKCS#12 with its password. Pure; raises CertificateRefused in Dutch.

Certificates may stand in any order: the own one is that of the key, the others are what a chain is looked for in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12

from tenants.certificates import PrivateKey

MOST_CERTIFICATES: Final = 12
UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)
"""What the library raises on a part of a certificate that cannot be read; a part is read when it is asked for."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a certificate: a fault, or a warning. `code` is for machines, `text` (Dutch) for people."""

    code: str
    text: str


class CertificateRefused(Exception):
    """What was given is no certificate that can be used. `faults` holds everything that is wrong with it."""

    def __init__(self, faults: Iterable[Remark]) -> None:
        self.faults = tuple(faults)
        super().__init__(", ".join(one.code for one in self.faults))


@dataclass(frozen=True, slots=True)
class Upload:
    """Certificates in the order given, and the private key if there was one."""

    certificates: tuple[x509.Certificate, ...]
    key: PrivateKey | None = field(default=None, repr=False)


def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates in PEM. Raises CertificateRefused."""
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except UNREADABLE:
        raise _refused(
            "certificaatOnleesbaar", "Hier staat geen certificaat in PEM, of een dat niet te lezen is."
        ) from None
    return _bounded(found)


def read_pem_pair(certificates_pem: bytes, key_pem: bytes, password: bytes | None) -> Upload:
    """Certificates and a private key. Raises CertificateRefused with what is wrong with either."""
    faults: list[Remark] = []
    certificates: tuple[x509.Certificate, ...] = ()
    key: PrivateKey | None = None
    try:
        certificates = read_certificates(certificates_pem)
    except CertificateRefused as refused:
        faults += refused.faults
    try:
        key = _read_key(key_pem, password)
    except CertificateRefused as refused:
        faults += refused.faults
    if faults:
        raise CertificateRefused(faults)
    return Upload(certificates, key)


def read_pkcs12(content: bytes, password: bytes | None) -> Upload:
    """A PKCS#12 with one key. Raises CertificateRefused; a wrong password and a broken file look the same."""
    try:
        key, own, others = pkcs12.load_key_and_certificates(content, password)
    except UNREADABLE:
        text = "Het PKCS#12-bestand opent niet: het wachtwoord past niet, of het bestand is beschadigd."
        raise _refused("pkcs12OpentNiet", text) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _refused("sleutelOntbreekt", "Het PKCS#12-bestand bevat geen RSA-sleutel of sleutel op een kromme.")
    found = (*(() if own is None else (own,)), *others)
    if not found:
        raise _refused("certificaatOntbreekt", "Het PKCS#12-bestand bevat geen certificaat.")
    return Upload(_bounded(found), key)


def public_bytes(holder: x509.Certificate | PrivateKey) -> bytes:
    """SubjectPublicKeyInfo in DER; empty for a key that cannot be read, which fits nothing."""
    try:
        return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE:
        return b""


def _read_key(key_pem: bytes, password: bytes | None) -> PrivateKey:
    try:
        key = load_pem_private_key(key_pem, password)
    except TypeError:
        text = "De privésleutel is versleuteld en er is geen wachtwoord, of er is een wachtwoord dat niet nodig is."
        raise _refused("sleutelWachtwoord", text) from None
    except (ValueError, UnsupportedAlgorithm):
        text = "De privésleutel is niet te lezen als PEM, of het wachtwoord past niet."
        raise _refused("sleutelOnleesbaar", text) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _refused("sleutelSoort", "De privésleutel is geen RSA-sleutel en ligt niet op een kromme.")
    return key


def _bounded(found: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    if len(found) > MOST_CERTIFICATES:
        raise _refused(
            "teVeelCertificaten", f"Er staan {len(found)} certificaten in; {MOST_CERTIFICATES} is het meeste."
        )
    return found


def _refused(code: str, text: str) -> CertificateRefused:
    return CertificateRefused([Remark(code, text)])
