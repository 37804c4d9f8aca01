"""Finds the way from a certificate to a trust anchor, and says everything that is wrong on it. Pure.

Looked at of every link: the signature (RSA PKCS#1, RSASSA-PSS, ECDSA; never SHA-1 or MD5), validity, basicConstraints, the
length of the path, key usage, the purpose that an authority may be restricted to, strength of the key, and extensions
that say they must be understood. Source: RFC 5280, 6; PKIoverheid Programma van Eisen.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.certificates_reading import UNREADABLE, Remark
from tenants.certificates_weak_keys import weakness_of

_LONGEST: Final = 6
_GOOD_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD: Final = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.CertificatePolicies, x509.SubjectAlternativeName)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Path:
    """The way found: the certificate first; the anchor last when `anchored`. `faults` () means that it may be trusted."""

    certificates: tuple[x509.Certificate, ...]
    anchored: bool
    faults: tuple[Remark, ...]


def find_path(
    leaf: x509.Certificate, others: Iterable[x509.Certificate], anchors: Sequence[x509.Certificate], now: dt.datetime
) -> Path:
    """Return the way from `leaf` to an anchor; the one that comes farthest when none gets there, with its faults."""
    if not is_readable(leaf):
        return Path((leaf,), False, (Remark("certificaatOnleesbaar", "Het certificaat is niet te lezen."),))
    known = tuple(one for one in dict.fromkeys(others) if is_readable(one))
    # An authority that was renewed with its key may be given twice: the one that is valid now goes first.
    first = sorted((*anchors, *known), key=lambda one: not one.not_valid_before_utc <= now < one.not_valid_after_utc)
    best = _walk((leaf,), first, frozenset(anchors), {leaf})
    anchored = best[-1] in anchors
    faults = [*_faults_of_links(best, now)]
    if not anchored:
        faults.append(_missing(best[-1], (*known, *anchors)))
    return Path(best, anchored, tuple(faults))


def name_of(certificate: x509.Certificate) -> str:
    """What a certificate is called, for texts: its CN, or its whole subject."""
    try:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else certificate.subject.rfc4514_string()
    except UNREADABLE:
        return "(onleesbaar)"


def is_readable(certificate: x509.Certificate) -> bool:
    """Whether every part that is looked at can be read: a certificate is read part by part, when it is asked for."""
    try:
        parts = (certificate.subject, certificate.issuer, certificate.extensions, certificate.signature_hash_algorithm)
        return bool(parts) and certificate.not_valid_before_utc < certificate.not_valid_after_utc
    except UNREADABLE:
        return False


def has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the name and the signature are the issuer's."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _walk(
    path: tuple[x509.Certificate, ...],
    known: Sequence[x509.Certificate],
    anchors: frozenset[x509.Certificate],
    seen: set[x509.Certificate],
) -> tuple[x509.Certificate, ...]:
    """The first way that reaches an anchor, else the longest.

    Each certificate is gone through once: what was made to lead in circles costs no more than what does not.
    """
    last = path[-1]
    if last in anchors or len(path) == _LONGEST:
        return path
    best = path
    for issuer in known:
        if issuer in seen or issuer.subject != last.issuer or not has_signed(issuer, last):
            continue
        seen.add(issuer)
        found = _walk((*path, issuer), known, anchors, seen)
        if found[-1] in anchors:
            return found
        best = max(best, found, key=len)
    return best


def _missing(last: x509.Certificate, known: Iterable[x509.Certificate]) -> Remark:
    """Why the way ends here."""
    if last.issuer == last.subject:
        text = f"De keten eindigt bij '{name_of(last)}', en dat is geen stamcertificaat dat de operator vertrouwt."
        return Remark("stamcertificaatOnbekend", text)
    if any(one.subject == last.issuer for one in known if one != last):
        return Remark("handtekeningOngeldig", f"De handtekening onder '{name_of(last)}' is niet van zijn uitgever.")
    issuer = last.issuer.rfc4514_string()
    return Remark("ketenOnvolledig", f"In de keten ontbreekt de uitgever van '{name_of(last)}': {issuer}.")


def _faults_of_links(path: Sequence[x509.Certificate], now: dt.datetime) -> Iterable[Remark]:
    below = 0
    for depth, one in enumerate(path):
        name = name_of(one)
        if depth < len(path) - 1 or one.issuer != one.subject:
            yield from _faults_of_signature(one, name)
        if depth == 0:
            continue
        if not one.not_valid_before_utc <= now < one.not_valid_after_utc:
            yield Remark("uitgeverNietGeldig", f"Het certificaat van uitgever '{name}' is verlopen of nog niet geldig.")
        try:
            yield from _faults_of_authority(one, name, below)
            weak = weakness_of(one.public_key())
        except UNREADABLE:
            yield Remark("uitgeverOnleesbaar", f"Het certificaat van uitgever '{name}' is niet te lezen.")
            continue
        if weak is not None:
            yield Remark("uitgeverSleutelZwak", f"Uitgever '{name}': {weak}")
        if one.issuer != one.subject:
            below += 1


def _faults_of_signature(one: x509.Certificate, name: str) -> Iterable[Remark]:
    try:
        algorithm = one.signature_hash_algorithm
    except UNREADABLE:
        algorithm = None
    if not isinstance(algorithm, _GOOD_HASHES):
        yield Remark("handtekeningZwak", f"De handtekening onder '{name}' gebruikt geen SHA-256, SHA-384 of SHA-512.")


def _faults_of_authority(one: x509.Certificate, name: str, below: int) -> Iterable[Remark]:
    """`below`: how many authorities stand between this one and the certificate (RFC 5280, 4.2.1.9)."""
    found = {type(extension.value): extension.value for extension in one.extensions}
    basic = found.get(x509.BasicConstraints)
    if not isinstance(basic, x509.BasicConstraints) or not basic.ca:
        yield Remark("uitgeverGeenCa", f"'{name}' is geen certificaat van een uitgever (basicConstraints).")
    elif basic.path_length is not None and below > basic.path_length:
        yield Remark("ketenTeLang", f"Onder uitgever '{name}' mogen hoogstens {basic.path_length} uitgevers staan.")
    usage = found.get(x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        yield Remark("uitgeverMagNietUitgeven", f"'{name}' mag geen certificaten uitgeven (keyUsage).")
    purposes = found.get(x509.ExtendedKeyUsage)
    if isinstance(purposes, x509.ExtendedKeyUsage) and not (
        {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes)
    ):
        yield Remark("uitgeverAnderDoel", f"'{name}' mag geen certificaten voor clients uitgeven (clientAuth).")
    yield from faults_of_critical(one, name)


def faults_of_critical(one: x509.Certificate, name: str) -> Iterable[Remark]:
    """Extensions that must be understood, and are not."""
    for extension in one.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            oid = extension.oid.dotted_string
            yield Remark("extensieOnbekend", f"'{name}' heeft een verplichte extensie die niet gelezen wordt ({oid}).")
