"""Everything that a PKIo certificate of an afnemer must be before a call may leave with it. Pure; says all faults at once.

Trust is judged per environment: a certificate that leads to an anchor of one of them is taken, and is used only there.
The OIN comes from `subject.serialNumber` and from nowhere else. Sources: PKIoverheid Programma van Eisen; RFC 5280;
RvIG's letter of 27 March 2026 (one certificate, one organisation).
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenants.certificates_chain import Path, faults_of_critical, find_path, is_readable
from tenants.certificates_reading import UNREADABLE, CertificateRefused, Remark, public_bytes
from tenants.certificates_weak_keys import weakness_of
from tenants.model import Oin
from tenants.revocation.lists import RevocationList, judge, links_of

PKIO_POLICIES: Final = "2.16.528.1.1003.1.2."
"""The arc of PKIoverheid's certificate policies (Logius); G1 Private Services and G4 lie under it."""

WRONG_HOST: Final = frozenset({"hostnaamOntbreekt", "hostnaamVanAnder"})
"""Remarks by which RvIG will refuse the certificate: it compares the host name."""

Anchors = Mapping[str, Sequence[x509.Certificate]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a certificate is judged against. `anchors` by environment; `host_names` are those of the operator's egress."""

    anchors: Anchors
    now: dt.datetime
    host_names: frozenset[str] = frozenset()
    lists: Mapping[bytes, Sequence[RevocationList]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A certificate that may be used in these environments. `chain_pem` is what is presented: without a root."""

    oin: Oin
    fingerprint: bytes
    public_key_hash: bytes
    chain_pem: str
    not_before: dt.datetime
    not_after: dt.datetime
    environments: tuple[str, ...]
    warnings: tuple[Remark, ...]


def check_certificate(
    certificates: Sequence[x509.Certificate], public_key: bytes, organisation_oin: str, around: Surroundings
) -> Judged:
    """Judge the certificate of this public key (DER) among those given. Raises CertificateRefused with every fault."""
    leaf = next((one for one in certificates if public_bytes(one) == public_key), None)
    if leaf is None:
        text = "Geen van de certificaten hoort bij de privésleutel."
        raise CertificateRefused([Remark("sleutelPastNiet", text)])
    if not is_readable(leaf):
        raise CertificateRefused([Remark("certificaatOnleesbaar", "Het certificaat is niet te lezen.")])
    faults = [*_faults_of_subject(leaf, organisation_oin), *_faults_of_leaf(leaf, around.now)]
    warnings: list[Remark] = []
    paths = {
        name: find_path(leaf, certificates, anchors, around.now) for name, anchors in sorted(around.anchors.items())
    }
    good = {name: path for name, path in paths.items() if not path.faults}
    if good:
        path = next(iter(good.values()))
        revoked, warned = _revocation(path, around)
        faults += revoked
        warnings += warned
    else:
        faults += _faults_of_paths(paths)
    if faults:
        raise CertificateRefused(dict.fromkeys(faults))
    return Judged(
        oin=Oin(_serial_numbers(leaf)[0]),
        fingerprint=hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest(),
        public_key_hash=hashlib.sha256(public_key).digest(),
        chain_pem="".join(one.public_bytes(Encoding.PEM).decode() for one in _presented(path)),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        environments=tuple(good),
        warnings=(*warnings, *_warnings_of_leaf(leaf, around.host_names, around.now)),
    )


def environments_of(chain_pem: str, anchors: Anchors, now: dt.datetime) -> tuple[str, ...]:
    """In which environments a stored chain (own certificate first) leads to an anchor, at this moment."""
    leaf, *others = x509.load_pem_x509_certificates(chain_pem.encode())
    return tuple(name for name, those in sorted(anchors.items()) if not find_path(leaf, others, those, now).faults)


def remarks_of_chain(chain_pem: str, host_names: frozenset[str], now: dt.datetime) -> tuple[Remark, ...]:
    """What is to be said of a stored chain (own certificate first) at this moment, and stops no call by itself."""
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
        return tuple(_warnings_of_leaf(leaf, host_names, now))
    except UNREADABLE:
        return (Remark("certificaatOnleesbaar", "Het certificaat is niet te lezen."),)


def _presented(path: Path) -> tuple[x509.Certificate, ...]:
    return tuple(one for one in path.certificates if one.issuer != one.subject)


def _faults_of_paths(paths: Mapping[str, Path]) -> Iterable[Remark]:
    if not paths:
        text = "De operator heeft voor geen enkele omgeving stamcertificaten ingesteld; er is niets om de keten aan te toetsen."
        return [Remark("stamcertificatenOntbreken", text)]
    # Of the environment that it comes closest to; the others would say the same or less.
    closest = max(paths.values(), key=lambda one: (one.anchored, len(one.certificates), -len(one.faults)))
    return closest.faults


def _revocation(path: Path, around: Surroundings) -> tuple[list[Remark], list[Remark]]:
    links = links_of(path.certificates)
    standing = judge(links, around.lists, around.now)
    if standing.revoked is not None:
        which = "een uitgever in de keten" if standing.revoked.is_authority else "het certificaat"
        return [Remark("certificaatIngetrokken", f"De uitgever heeft {which} ingetrokken.")], []
    if standing.stale or standing.unknown:
        text = "Of het certificaat is ingetrokken kon nog niet op elk niveau worden nagegaan; dat gebeurt zodra de lijsten er zijn."
        return [], [Remark("intrekkingNietNagegaan", text)]
    return [], []


def _serial_numbers(leaf: x509.Certificate) -> list[str]:
    return [str(one.value) for one in leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]


def _faults_of_subject(leaf: x509.Certificate, organisation_oin: str) -> Iterator[Remark]:
    try:
        found = _serial_numbers(leaf)
    except ValueError:
        yield Remark("onderwerpOnleesbaar", "Het onderwerp van het certificaat is niet te lezen.")
        return
    if len(found) != 1:
        text = f"Het onderwerp van het certificaat heeft {len(found)} serialNumbers in plaats van één: het OIN."
        yield Remark("oinOntbreekt", text)
        return
    try:
        oin = Oin(found[0])
    except ValueError:
        yield Remark("oinOngeldig", "Het serialNumber in het onderwerp van het certificaat is geen OIN.")
        return
    if oin != organisation_oin:
        yield Remark("oinVanAnder", f"Het certificaat is van OIN {oin}, niet van {organisation_oin}.")


def _faults_of_leaf(leaf: x509.Certificate, now: dt.datetime) -> Iterator[Remark]:
    if leaf.not_valid_after_utc <= now:
        yield Remark(
            "certificaatVerlopen", f"Het certificaat is verlopen op {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC."
        )
    try:
        yield from _faults_of_extensions(leaf)
        weak = weakness_of(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        yield Remark("certificaatOnleesbaar", "Het certificaat heeft extensies of een sleutel die niet te lezen zijn.")
        return
    if weak is not None:
        yield Remark("sleutelZwak", weak)


def _faults_of_extensions(leaf: x509.Certificate) -> Iterator[Remark]:
    found = {type(extension.value): extension.value for extension in leaf.extensions}
    basic, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    purposes = found.get(x509.ExtendedKeyUsage)
    if isinstance(basic, x509.BasicConstraints) and basic.ca:
        yield Remark("certificaatVanUitgever", "Dit is het certificaat van een uitgever, niet dat van de organisatie.")
    if not isinstance(usage, x509.KeyUsage) or not usage.digital_signature:
        yield Remark("geenHandtekening", "Met het certificaat mag niet getekend worden (keyUsage digitalSignature).")
    if not isinstance(purposes, x509.ExtendedKeyUsage) or ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        text = "Het certificaat mag niet gebruikt worden door wie verbinding maakt (extendedKeyUsage clientAuth)."
        yield Remark("geenClientAuth", text)
    yield from faults_of_critical(leaf, "het certificaat")


def _warnings_of_leaf(leaf: x509.Certificate, host_names: frozenset[str], now: dt.datetime) -> Iterator[Remark]:
    if leaf.not_valid_before_utc > now:
        yield Remark("nogNietGeldig", f"Het certificaat geldt vanaf {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.")
    policies: list[str] = []
    names: list[str] = []
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.CertificatePolicies):
            policies = [one.policy_identifier.dotted_string for one in extension.value]
        elif isinstance(extension.value, x509.SubjectAlternativeName):
            names = [one.lower() for one in extension.value.get_values_for_type(x509.DNSName)]
    if not any(one.startswith(PKIO_POLICIES) for one in policies):
        yield Remark("geenPkioverheid", "Het certificaat noemt geen beleid van PKIoverheid (certificatePolicies).")
    if not names:
        text = "Het certificaat heeft geen hostnaam (subjectAltName). RvIG controleert de hostnaam."
        yield Remark("hostnaamOntbreekt", text)
    elif not host_names:
        text = (
            "Of de hostnaam van het certificaat klopt is niet nagegaan: de operator heeft geen hostnamen van dit koppelpunt "
            "ingesteld. RvIG controleert de hostnaam."
        )
        yield Remark("hostnaamNietNagegaan", text)
    elif not host_names & set(names):
        text = "Geen hostnaam van het certificaat is er een van dit koppelpunt. RvIG controleert de hostnaam."
        yield Remark("hostnaamVanAnder", text)
