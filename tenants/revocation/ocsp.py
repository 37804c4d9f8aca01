"""OCSP: the question about one certificate, and what an answer to it is worth. Pure.

An answer counts with the signature of the issuing CA, or of a responder that the CA named by a certificate for OCSP
signing; about this very certificate; and at this moment. Anything else says nothing. Source: RFC 6960, 3.2 and 4.2.2.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tenants.certificates_chain import has_signed

Said = Literal["good", "revoked", "nothing"]
_AHEAD: Final = dt.timedelta(minutes=5)
_OLDEST: Final = dt.timedelta(hours=24)
_GOOD_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def make_question(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The request in DER. SHA-1 names the issuer here, as responders know it (RFC 5019); nothing is signed with it."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 - a name
    return builder.build().public_bytes(Encoding.DER)


def read_answer(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime) -> Said:
    """What a responder said of the certificate; `nothing` for whatever cannot be believed."""
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            return "nothing"
        if not _is_about(response, certificate, issuer) or not _is_believed(response, issuer, now):
            return "nothing"
        return _status(response, now)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return "nothing"


def _is_about(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By serial number, and by both hashes of the issuer as this response makes them."""
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, response.hash_algorithm).build()
    return (response.serial_number, response.issuer_name_hash, response.issuer_key_hash) == (
        asked.serial_number,
        asked.issuer_name_hash,
        asked.issuer_key_hash,
    )


def _is_believed(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: dt.datetime) -> bool:
    if not isinstance(response.signature_hash_algorithm, _GOOD_HASHES):
        return False
    responders = [one for one in response.certificates if _is_responder(one, issuer, now)]
    return any(_has_signed(one, response) for one in (issuer, *responders))


def _is_responder(one: x509.Certificate, issuer: x509.Certificate, now: dt.datetime) -> bool:
    if not one.not_valid_before_utc <= now < one.not_valid_after_utc or not has_signed(issuer, one):
        return False
    uses = [extension.value for extension in one.extensions if isinstance(extension.value, x509.ExtendedKeyUsage)]
    return any(ExtendedKeyUsageOID.OCSP_SIGNING in use for use in uses)


def _has_signed(signer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    key, digest = signer.public_key(), response.signature_hash_algorithm
    if digest is None:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
            return True
        if isinstance(key, rsa.RSAPublicKey):
            return _has_signed_rsa(key, response, digest)
    except InvalidSignature:
        return False
    return False


def _has_signed_rsa(key: rsa.RSAPublicKey, response: ocsp.OCSPResponse, digest: hashes.HashAlgorithm) -> bool:
    # The library does not tell the padding of a response: a signature is good under one of both, or not at all.
    paddings: Sequence[padding.AsymmetricPadding] = (
        padding.PKCS1v15(),
        padding.PSS(padding.MGF1(digest), padding.PSS.AUTO),
    )
    for one in paddings:
        try:
            key.verify(response.signature, response.tbs_response_bytes, one, digest)
        except InvalidSignature:
            continue
        return True
    return False


def _status(response: ocsp.OCSPResponse, now: dt.datetime) -> Said:
    # A revocation counts whatever its age; that nothing is wrong counts for as long as the responder says.
    if response.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        return "revoked"
    until = response.next_update_utc or response.this_update_utc + _OLDEST
    fresh = response.this_update_utc <= now + _AHEAD and now < until
    return "good" if fresh and response.certificate_status == ocsp.OCSPCertStatus.GOOD else "nothing"
