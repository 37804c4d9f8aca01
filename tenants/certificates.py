"""Reads a PKIo certificate with its chain and key, and says everything that is wrong with it at once. Pure.

The OIN comes from `subject.serialNumber` and from nowhere else (PKIoverheid Programma van Eisen; never from
subjectAltName, and it is not the certificate's own serial number). Trust is not judged here: whether the chain ends at
a root that RvIG accepts is tried by the connection test.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.faults import InputRefused
from tenants.model import Oin

_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_LONGEST_CHAIN = 6

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself. `public_key_hash` is SHA-256 over its SubjectPublicKeyInfo."""

    oin: Oin
    fingerprint: bytes
    public_key_hash: bytes
    chain_pem: str
    key_pem: bytes = field(repr=False)
    not_before: dt.datetime
    not_after: dt.datetime


def read_certificate(chain_pem: bytes, key_pem: bytes, *, organisation_oin: str, now: dt.datetime) -> CertificateFacts:
    """Return the facts of the first certificate of a chain (leaf first). Raises InputRefused with every fault.

    One that is not yet valid is taken, as it may be staged; one that has expired is not.
    """
    chain = _read_chain(chain_pem)
    leaf = chain[0]
    faults = [*_faults_of_subject(leaf, organisation_oin), *_faults_of_leaf(leaf, now), *_faults_of_chain(chain)]
    key, fault = _read_key(key_pem)
    public = _public_bytes(leaf)
    if key is None:
        faults.append(fault)
    elif _public_bytes(key) != public:
        faults.append("The private key does not belong to the certificate.")
    if faults or key is None:
        raise InputRefused(faults)
    return CertificateFacts(
        oin=Oin(_serial_numbers(leaf)[0]),
        fingerprint=hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest(),
        public_key_hash=hashlib.sha256(public).digest(),
        chain_pem="".join(one.public_bytes(Encoding.PEM).decode() for one in chain),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def _read_chain(chain_pem: bytes) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
    except ValueError:
        raise InputRefused(["The chain holds no certificate in PEM, or one that cannot be read."]) from None
    if len(chain) > _LONGEST_CHAIN:
        raise InputRefused([f"The chain holds {len(chain)} certificates; {_LONGEST_CHAIN} at most."])
    return chain


def _public_bytes(holder: x509.Certificate | PrivateKey) -> bytes:
    """SubjectPublicKeyInfo in DER; empty for a key that cannot be read, which is a fault elsewhere."""
    try:
        return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _serial_numbers(leaf: x509.Certificate) -> list[str]:
    return [str(one.value) for one in leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]


def _faults_of_subject(leaf: x509.Certificate, organisation_oin: str) -> list[str]:
    try:
        found = _serial_numbers(leaf)
    except ValueError:
        return ["The subject of the certificate cannot be read."]
    if len(found) != 1:
        return [f"The subject of the certificate has {len(found)} serialNumbers instead of one: the OIN."]
    try:
        oin = Oin(found[0])
    except ValueError:
        return ["The serialNumber in the subject of the certificate is no OIN."]
    if oin != organisation_oin:
        return [f"The certificate is that of OIN {oin}, not of {organisation_oin}."]
    return []


def _faults_of_leaf(leaf: x509.Certificate, now: dt.datetime) -> list[str]:
    faults = []
    if leaf.not_valid_after_utc <= now:
        faults.append(f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.")
    if leaf.not_valid_before_utc >= leaf.not_valid_after_utc:
        faults.append("The certificate ends before it begins.")
    try:
        faults += _faults_of_extensions(leaf.extensions)
        faults += _faults_of_public_key(leaf)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        faults.append("The certificate holds extensions or a key that cannot be read.")
    return faults


def _faults_of_extensions(extensions: x509.Extensions) -> list[str]:
    faults = []
    for extension in extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            faults.append("The first certificate of the chain is that of a CA: the organisation's own must come first.")
        if (
            isinstance(extension.value, x509.ExtendedKeyUsage)
            and ExtendedKeyUsageOID.CLIENT_AUTH not in extension.value
        ):
            faults.append("The certificate may not be used by the one who connects (no clientAuth).")
    return faults


def _faults_of_public_key(leaf: x509.Certificate) -> list[str]:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return [] if key.key_size >= 2048 else [f"The RSA key has {key.key_size} bits; 2048 at least."]
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return []
    return ["The key of the certificate is neither RSA nor on P-256, P-384 or P-521."]


def _faults_of_chain(chain: Sequence[x509.Certificate]) -> list[str]:
    faults = []
    for number, (one, issuer) in enumerate(pairwise(chain), start=1):
        # Thousands of certificates share the CAs above them; those are looked at once.
        if not (_was_issued_by(one, issuer) if number == 1 else _ca_was_issued_by(one, issuer)):
            faults.append(f"Certificate {number} of the chain was not issued by certificate {number + 1}.")
    return faults


@lru_cache(maxsize=64)
def _ca_was_issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    return _was_issued_by(one, issuer)


def _was_issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _read_key(key_pem: bytes) -> tuple[PrivateKey | None, str]:
    try:
        key = load_pem_private_key(key_pem, None)
    except TypeError:
        return None, "The private key is encrypted; give it without a password."
    except (ValueError, UnsupportedAlgorithm):
        return None, "The private key cannot be read as PEM."
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return None, "The private key is neither RSA nor on an elliptic curve."
    return key, ""
