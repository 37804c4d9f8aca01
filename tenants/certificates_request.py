"""Makes a key pair and the request (PKCS#10) that the afnemer takes to its PKIo supplier. Pure, but for randomness and time.

The subject is what PKIoverheid's Programma van Eisen asks of a services certificate: C, O (the subscriber), CN and the
OIN in serialNumber. The private key is returned once, to be sealed by whoever asked; nothing here keeps it. Making an
RSA key takes up to seconds: meant for a thread.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.certificates import PrivateKey
from tenants.model import Oin

KeyKind = Literal["rsa3072", "rsa4096", "p256", "p384"]
KEY_KINDS: Final[tuple[KeyKind, ...]] = ("rsa3072", "rsa4096", "p256", "p384")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose certificate it becomes. `host_names`: DNS names of the egress, the first of which is also the CN."""

    organisation: str
    oin: Oin
    host_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request with its key. `public_key_hash` is SHA-256 over the SubjectPublicKeyInfo."""

    csr_pem: str
    public_key_hash: bytes
    key_pem: bytes = field(repr=False)


def make_request(kind: KeyKind, subject: Subject) -> NewRequest:
    """Make a new key pair and a request for it. Raises ValueError without a host name."""
    if not subject.host_names:
        raise ValueError("A request needs a host name: it becomes the CN.")
    key = _new_key(kind)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, subject.oin),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.host_names[0]),
        ]
    )
    request = (
        x509.CertificateSigningRequestBuilder(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in subject.host_names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA384() if kind == "p384" else hashes.SHA256())
    )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return NewRequest(
        csr_pem=request.public_bytes(Encoding.PEM).decode(),
        public_key_hash=hashlib.sha256(public).digest(),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _new_key(kind: KeyKind) -> PrivateKey:
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa3072" | "rsa4096":
            return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))
