"""Client certificates that callers present: read, verified, and compared by what counts. Pure but for the anchors' file.

Owns the verification of certificates that a proxy hands over (RFC 9440): the chain to the operator's anchors, the use
for clients, and validity. What the gateway's own listener presents was verified by OpenSSL; here only its validity is
looked at again, as a connection may outlive its certificate; and of both whether they were revoked (`gateway.revocations`).

The OIN is that of `subject.serialNumber`, never from subjectAltName (PKIoverheid). Raises NotAuthenticated.
"""

import datetime as dt
import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from gateway.errors import NotAuthenticated
from gateway.revocations import NO_CHAIN, Chain, Revocations, chain_of
from tenants.certificates_reading import UNREADABLE
from tenants.model import Oin

_MOST_KEPT: Final = 4096
_DEEPEST: Final = 5


class AnchorsError(ValueError):
    """The file of trust anchors for callers cannot be used."""


@dataclass(frozen=True, slots=True)
class PresentedCertificate:
    """A verified certificate of a caller. `thumbprint` is the SHA-256 of its DER; validity in seconds since 1970."""

    thumbprint: bytes
    oin: Oin | None
    not_before: float
    not_after: float
    chain: Chain = field(default=NO_CHAIN, repr=False)


@dataclass(slots=True)
class ClientCertificates:
    """Reads presented certificates and keeps what it found, bounded. `clock` gives seconds since 1970."""

    anchors: tuple[x509.Certificate, ...]
    clock: Callable[[], float]
    revocations: Revocations | None = None
    _kept: "OrderedDict[bytes | str, PresentedCertificate]" = field(default_factory=OrderedDict, repr=False)

    def read_verified(self, leaf_pem: str, *above: str) -> PresentedCertificate:
        """The certificate of our own listener's connection, with the rest of the chain that OpenSSL verified.

        Raises NotAuthenticated outside its validity, and when it was revoked or that is not known.
        """
        found = self._kept.get(leaf_pem)
        return self._valid(found or self._keep(leaf_pem, _read_pem(leaf_pem, above, self.anchors)))

    def verify(self, leaf: bytes, chain: Sequence[bytes]) -> PresentedCertificate:
        """Verify a leaf (DER) through a chain (DER) to an anchor. Raises NotAuthenticated."""
        digest = hashlib.sha256(b"".join(len(one).to_bytes(4) + one for one in (leaf, *chain))).digest()
        return self._valid(self._kept.get(digest) or self._keep(digest, self._verify(leaf, chain)))

    def _verify(self, leaf: bytes, chain: Sequence[bytes]) -> PresentedCertificate:
        # The library's clock has whole seconds and no zone.
        now = dt.datetime.fromtimestamp(self.clock(), dt.UTC).replace(microsecond=0, tzinfo=None)
        policy = PolicyBuilder().store(Store(list(self.anchors))).time(now).max_chain_depth(_DEEPEST)
        try:
            certificate = x509.load_der_x509_certificate(leaf)
            between = [x509.load_der_x509_certificate(one) for one in chain]
            verifier = policy.extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_LEAF
            ).build_client_verifier()
            found = verifier.verify(certificate, between).chain
        except (*UNREADABLE, VerificationError):
            raise _invalid() from None
        # It stays verified as long as every certificate on the way is valid: signatures and anchors do not change.
        return _facts(
            certificate,
            max(one.not_valid_before_utc for one in found).timestamp(),
            min(one.not_valid_after_utc for one in found).timestamp(),
            chain_of(found, self.anchors),
        )

    def _keep(self, name: bytes | str, found: PresentedCertificate) -> PresentedCertificate:
        self._kept[name] = found
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    def _valid(self, found: PresentedCertificate) -> PresentedCertificate:
        now = self.clock()
        if not found.not_before <= now < found.not_after:
            raise _invalid()
        if self.revocations is not None:
            self.revocations.check(found.chain, now)
        return found


def read_anchors(path: Path) -> tuple[x509.Certificate, ...]:
    """Read PEM trust anchors. Raises AnchorsError."""
    try:
        anchors = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise AnchorsError(f"Trust anchors for callers cannot be read from {path}: {type(error).__name__}.") from None
    return anchors


def _read_pem(leaf_pem: str, above: Sequence[str], anchors: Sequence[x509.Certificate]) -> PresentedCertificate:
    try:
        path = [x509.load_der_x509_certificate(ssl.PEM_cert_to_DER_cert(one)) for one in (leaf_pem, *above)]
        certificate = path[0]
        return _facts(
            certificate,
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
            chain_of(path, anchors),
        )
    except UNREADABLE:
        raise _invalid() from None


def _facts(certificate: x509.Certificate, first: float, last: float, chain: Chain) -> PresentedCertificate:
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return PresentedCertificate(thumbprint, _oin_of(certificate), first, last, chain)


def _oin_of(certificate: x509.Certificate) -> Oin | None:
    """The one OIN that the subject names; None for none, for two, and for what is no OIN."""
    try:
        numbers = [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]
        return Oin(str(numbers[0])) if len(numbers) == 1 else None
    except ValueError:
        return None


def _is_for_clients(_policy: Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not for client authentication")


def _signs(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.digital_signature:
        raise ValueError("not for signatures")


def _is_no_authority(_policy: Policy, _certificate: x509.Certificate, basic: x509.BasicConstraints | None) -> None:
    if basic is not None and basic.ca:
        raise ValueError("an authority is no client")


# PKIoverheid's certificates for organisations need no subjectAltName, which the web's own policy demands. What is
# asked of the leaf is what OpenSSL asks of a client's: a use that is named must be the use that is made of it.
_LEAF: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_for_clients)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_no_authority)
)


def _invalid() -> NotAuthenticated:
    return NotAuthenticated(
        "certificaatOngeldig", "Het clientcertificaat is verlopen, of leidt niet tot een vertrouwd stamcertificaat."
    )
