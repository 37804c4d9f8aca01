"""Revocation lists: read, verified, and asked about chains. Pure.

A list counts only with the signature of the very CA that issued the certificate, and only in the form that PKIoverheid
uses: whole, of its own issuer, for all reasons. Source: RFC 5280, 5 and 6.3. Times are aware datetimes.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

Fault = Literal["onleesbaar", "uitgever", "handtekening", "soort", "toekomst", "verlopen", "terug"]
Covers = Literal["all", "users", "authorities"]

_AHEAD: Final = dt.timedelta(minutes=5)
_GOOD_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_MOST_URLS: Final = 4


class ListRefused(Exception):
    """No revocation list that may be believed. `code` says why."""

    def __init__(self, code: Fault) -> None:
        super().__init__(code)
        self.code: Fault = code


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list whose signature was verified. `issuer` is as `issuer_digest` makes it."""

    issuer: bytes
    this_update: dt.datetime
    next_update: dt.datetime
    covers: Covers
    crl: x509.CertificateRevocationList = field(repr=False)

    def names(self, serial: int) -> bool:
        """Whether a certificate with that serial number stands on it; on hold counts as revoked."""
        found = self.crl.get_revoked_certificate_by_serial_number(serial)
        if found is None:
            return False
        reasons = [one.value for one in found.extensions if isinstance(one.value, x509.CRLReason)]
        return not any(one.reason == x509.ReasonFlags.remove_from_crl for one in reasons)


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of a chain as revocation sees it. `urls` and `ocsp` are the places that it names for that."""

    serial: int
    issuer: bytes
    is_authority: bool
    urls: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lists say of a chain: the link that was revoked, those whose list is stale, those without any list."""

    revoked: Link | None = None
    stale: tuple[Link, ...] = ()
    unknown: tuple[Link, ...] = ()


def issuer_digest(authority: x509.Certificate) -> bytes:
    """SHA-256 over name and public key of a CA: renewed with the same key it is the same issuer."""
    public = authority.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(authority.subject.public_bytes() + public).digest()


def read_list(der: bytes, authority: x509.Certificate, now: dt.datetime) -> RevocationList:
    """Verify a list of this CA. Raises ListRefused. One whose nextUpdate has passed is read: whoever asks decides."""
    try:
        crl = x509.load_der_x509_crl(der)
        crl_extensions = list(crl.extensions)
        signed_with, next_update = crl.signature_hash_algorithm, crl.next_update_utc
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise ListRefused("onleesbaar") from None
    if crl.issuer != authority.subject or not _may_sign_lists(authority):
        raise ListRefused("uitgever")
    if not isinstance(signed_with, _GOOD_HASHES) or not _is_signed_by(crl, authority):
        raise ListRefused("handtekening")
    covers = _covers(crl_extensions)
    if next_update is None:
        raise ListRefused("soort")
    if crl.last_update_utc > now + _AHEAD:
        raise ListRefused("toekomst")
    return RevocationList(issuer_digest(authority), crl.last_update_utc, next_update, covers, crl)


def links_of(path: Sequence[x509.Certificate]) -> tuple[Link, ...]:
    """The links of a chain, its own certificate first; the last certificate of the path is taken as it is."""
    return tuple(_link(one, issuer) for one, issuer in pairwise(path))


def judge(links: Iterable[Link], lists: Mapping[bytes, Sequence[RevocationList]], now: dt.datetime) -> Standing:
    """Ask the lists about every link of a chain. A revocation counts whatever the age of its list."""
    stale, unknown = [], []
    for link in links:
        wanted = {"all", "authorities" if link.is_authority else "users"}
        known = [one for one in lists.get(link.issuer, ()) if one.covers in wanted]
        if any(one.names(link.serial) for one in known):
            return Standing(revoked=link)
        if not known:
            unknown.append(link)
        elif not any(now < one.next_update for one in known):
            stale.append(link)
    return Standing(None, tuple(stale), tuple(unknown))


def _link(one: x509.Certificate, issuer: x509.Certificate) -> Link:
    urls: list[str] = []
    ocsp: list[str] = []
    is_authority = False
    for extension in one.extensions:
        value = extension.value
        if isinstance(value, x509.CRLDistributionPoints):
            for point in value:
                # A point for some reasons only, or of another issuer, does not say that nothing is wrong.
                if point.full_name and point.reasons is None and point.crl_issuer is None:
                    urls += _urls(point.full_name)
        elif isinstance(value, x509.AuthorityInformationAccess):
            ocsp += _urls(d.access_location for d in value if d.access_method == AuthorityInformationAccessOID.OCSP)
        elif isinstance(value, x509.BasicConstraints):
            is_authority = value.ca
    return Link(
        one.serial_number, issuer_digest(issuer), is_authority, tuple(urls[:_MOST_URLS]), tuple(ocsp[:_MOST_URLS])
    )


def _urls(names: Iterable[x509.GeneralName]) -> list[str]:
    found = [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]
    return [one for one in found if one.startswith(("http://", "https://")) and len(one) <= 1990]


def _may_sign_lists(authority: x509.Certificate) -> bool:
    usage = [one.value for one in authority.extensions if isinstance(one.value, x509.KeyUsage)]
    return all(one.crl_sign for one in usage)


def _is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return False
    try:
        return crl.is_signature_valid(key)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _covers(extensions: Iterable[x509.Extension[x509.ExtensionType]]) -> Covers:
    covers: Covers = "all"
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise ListRefused("soort")
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl or value.only_contains_attribute_certs or value.only_some_reasons:
                raise ListRefused("soort")
            if value.only_contains_ca_certs:
                covers = "authorities"
            elif value.only_contains_user_certs:
                covers = "users"
        elif extension.critical:
            raise ListRefused("soort")
    return covers
