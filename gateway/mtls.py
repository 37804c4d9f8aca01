"""The TLS identity of an afnemer: one immutable SSLContext per certificate fingerprint and environment.

Owns the opened private keys, inside OpenSSL and nowhere else. Refuses (IdentityUnavailable) a key that does not open or
does not belong to its certificate, a certificate whose fingerprint or OIN differs from the registry's, one outside its
validity, and one whose state lets nothing leave. A context is never reloaded: a rotated certificate has another
fingerprint, so it gets another context. No key touches a disk: OpenSSL reads it from an anonymous memory file.

Trust comes from the anchors of the environment alone, never from the system's: PKIoverheid's Private Root is trusted
for traffic between machines only. TLS 1.2 and 1.3 with forward secrecy and authenticated encryption (NCSC, ICT security
guidelines for TLS: 1.3 good, 1.2 sufficient).
"""

import hashlib
import os
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.errors import IdentityUnavailable
from tenants.certificates_sealing import key_context
from tenants.keyring import Keyring
from tenants.model import Certificate
from tenants.sealing import SealingError, open_sealed

SUITES_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Suites for TLS 1.2; those of TLS 1.3 all have both properties and are left as OpenSSL orders them."""

LEAVING_STATES = frozenset({"active", "retiring"})
"""States of a certificate that calls may leave with. A staged one sends only the built-in probe."""

PROBING_STATES = LEAVING_STATES | {"staged"}
"""States of a certificate that the built-in probe may leave with."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that is ready to be presented. Validity in seconds since 1970."""

    fingerprint: bytes
    context: ssl.SSLContext = field(repr=False)
    not_before: float
    not_after: float

    def check_validity(self, now: float) -> None:
        """Raise IdentityUnavailable unless the certificate is valid at `now`, in seconds since 1970."""
        if not self.not_before <= now < self.not_after:
            detail = "Het certificaat van deze aansluiting is verlopen of nog niet geldig."
            raise IdentityUnavailable("certificaatVerlopen", detail)


class Identities:
    """Identities by fingerprint and environment; never more of them than `keep` was last told of.

    `anchors` holds the trust anchors of each environment, as PEM. `clock` gives seconds since 1970. `states` are those of
    certificates that may leave.
    """

    def __init__(
        self,
        keyring: Keyring,
        anchors: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
        states: Collection[str] = LEAVING_STATES,
    ) -> None:
        self._keyring = keyring
        self._anchors = anchors
        self._clock = clock
        self._states = states
        self._ready: dict[tuple[bytes, str], Identity] = {}
        self._kept: frozenset[bytes] | None = None

    def get(self, certificate: Certificate, environment: str) -> Identity:
        """Find or make the identity of a certificate. Raises IdentityUnavailable; takes about 2 ms the first time."""
        if certificate.state not in self._states:
            raise IdentityUnavailable("certificaatNietActief", "Het certificaat van deze aansluiting is niet actief.")
        identity = self._ready.get((certificate.fingerprint, environment))
        if identity is None:
            identity = self._make(certificate, environment)
            if self._kept is None or certificate.fingerprint in self._kept:
                self._ready[certificate.fingerprint, environment] = identity
        identity.check_validity(self._clock())
        return identity

    def keep(self, fingerprints: Collection[bytes]) -> None:
        """Forget every identity that is not among these; others are from now on made but not remembered."""
        self._kept = frozenset(fingerprints)
        for key in [key for key in self._ready if key[0] not in self._kept]:
            del self._ready[key]

    def forget(self, fingerprint: bytes, environment: str) -> None:
        """Forget one identity, for instance because it was idle for long; it is made again when it is asked for."""
        self._ready.pop((fingerprint, environment), None)

    def __len__(self) -> int:
        return len(self._ready)

    def _make(self, certificate: Certificate, environment: str) -> Identity:
        anchors = self._anchors.get(environment)
        if anchors is None:
            detail = f"Voor omgeving {environment} zijn geen vertrouwde stamcertificaten ingesteld."
            raise IdentityUnavailable("stamcertificaatOntbreekt", detail)
        leaf = read_leaf(certificate)
        context = make_context(certificate.chain_pem, self._open_key(certificate, leaf), anchors)
        first, last = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        return Identity(certificate.fingerprint, context, first, last)

    def _open_key(self, certificate: Certificate, leaf: x509.Certificate) -> bytes:
        public = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        name = key_context(
            made_inside=certificate.made_inside,
            fingerprint=certificate.fingerprint,
            public_key_hash=hashlib.sha256(public).digest(),
        )
        try:
            return open_sealed(self._keyring, certificate.key_sealed, purpose="certificate-key", context=name)
        except SealingError:
            raise IdentityUnavailable("sleutelGesloten", "De privésleutel van het certificaat opent niet.") from None


def read_leaf(certificate: Certificate) -> x509.Certificate:
    """Read the first certificate of the chain. Raises IdentityUnavailable when it contradicts the registry."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.chain_pem.encode())[0]
        fingerprint = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
        oins = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)]
    except ValueError:
        raise IdentityUnavailable("certificaatOnleesbaar", "De certificaatketen is onleesbaar.") from None
    if fingerprint != certificate.fingerprint:
        raise IdentityUnavailable("certificaatTegenstrijdig", "Het certificaat is een ander dan het geregistreerde.")
    if oins != [certificate.oin]:
        raise IdentityUnavailable("certificaatTegenstrijdig", "Het certificaat heeft een ander OIN dan geregistreerd.")
    return leaf


def make_context(chain_pem: str, key_pem: bytes, trust_anchors_pem: str) -> ssl.SSLContext:
    """Make a client context that presents this chain and trusts these anchors only. Raises IdentityUnavailable.

    The host name is checked against subjectAltName; sessions are never resumed, so that no connection can be taken up
    under another identity.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers(SUITES_TLS_1_2)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.hostname_checks_common_name = False
    try:
        context.load_verify_locations(cadata=trust_anchors_pem)
    except (ssl.SSLError, ValueError, TypeError):
        raise IdentityUnavailable("stamcertificaatOnleesbaar", "De stamcertificaten zijn onleesbaar.") from None
    with _memory_file(chain_pem.encode() + b"\n" + key_pem) as path:
        try:
            # The empty password is a refusal: without it OpenSSL would ask the terminal for an encrypted key's.
            context.load_cert_chain(path, password="")
        except (ssl.SSLError, ValueError, OSError):
            detail = "De privésleutel hoort niet bij het certificaat of is onleesbaar."
            raise IdentityUnavailable("sleutelOnbruikbaar", detail) from None
    return context


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """A path to `content` that exists in memory only, and is overwritten before it is closed."""
    descriptor = os.memfd_create("identity")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.pwrite(descriptor, bytes(len(content)), 0)
        os.close(descriptor)
