"""A public key infrastructure for demonstration, simulator and tests, shaped like PKIoverheid.

Owns: a root, a domain CA and an issuing CA (so that a chain has PKIo's four layers), client certificates that carry
the OIN in `subject.serialNumber`, and server certificates. Its certificates are accepted by OpenSSL with
VERIFY_X509_STRICT, over TLS 1.2 and 1.3. Refuses nothing that a real CA would refuse: an expired or not yet valid
certificate is issued when asked for, because that is what has to be tried. Never to be trusted in productie: whoever
has the directory has every identity.
"""

import datetime as dt
import hashlib
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

KeyKind = Literal["p256", "rsa2048", "rsa3072"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SERVICES_POLICY = ObjectIdentifier("2.16.528.1.1003.1.2.8.6")
"""PKIoverheid Private Services, server (Programma van Eisen PKIoverheid, part 3h)."""

EGRESS = "egress.koppelpunt.example"
"""The host name of the client certificates, as that of a koppelpunt whose operator made them."""

_LAYERS = ("root", "domain", "issuing")
_AUTHORITY_BEFORE = dt.timedelta(days=5 * 365)
_AUTHORITY_AFTER = dt.timedelta(days=10 * 365)
_LEAF_BEFORE = dt.timedelta(hours=1)
_LEAF_AFTER = dt.timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key. `chain_pem` is leaf, issuing CA, domain CA: what goes over the wire."""

    certificate_pem: bytes
    chain_pem: bytes
    key_pem: bytes
    fingerprint: str

    def __repr__(self) -> str:
        return f"Issued(fingerprint={self.fingerprint!r})"

    def save(self, directory: Path, stem: str) -> tuple[Path, Path]:
        """Write `<stem>.pem` (chain) and `<stem>.key` (mode 0600); return both paths."""
        directory.mkdir(parents=True, exist_ok=True)
        chain, key = directory / f"{stem}.pem", directory / f"{stem}.key"
        chain.write_bytes(self.chain_pem)
        _write_private(key, self.key_pem)
        return chain, key


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA: its certificate and the key that signs the layer below."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Pki:
    """Three authorities, root first. `now` fixes the moment that default validity is counted from (None: the clock)."""

    authorities: tuple[Authority, Authority, Authority]
    now: dt.datetime | None = None

    @property
    def root_pem(self) -> bytes:
        return _certificate_pem(self.authorities[0].certificate)

    @property
    def intermediates_pem(self) -> bytes:
        """Issuing CA and domain CA, in the order in which a chain continues after the leaf."""
        return b"".join(_certificate_pem(one.certificate) for one in reversed(self.authorities[1:]))

    def issue_client(
        self,
        oin: str,
        organisation: str,
        *,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        key: KeyKind = "p256",
    ) -> Issued:
        """Issue a certificate for client and server authentication, as PKIo G1, with `oin` in subject.serialNumber."""
        subject = _name(organisation, organisation, oin)
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        names = [_general_name(EGRESS)]
        return self._issue(subject, usage, _new_key(key), names=names, not_before=not_before, not_after=not_after)

    def issue_server(
        self,
        names: list[str],
        *,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        key: KeyKind = "p256",
    ) -> Issued:
        """Issue a server certificate for host names and IP addresses. Raises ValueError without a name."""
        if not names:
            raise ValueError("a server certificate needs a name")
        subject = _name(names[0], "Koppelpunt Test")
        usage = [ExtendedKeyUsageOID.SERVER_AUTH]
        found = [_general_name(name) for name in names]
        return self._issue(subject, usage, _new_key(key), names=found, not_before=not_before, not_after=not_after)

    def save(self, directory: Path) -> None:
        """Write every authority's certificate and key (mode 0600) to `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        for layer, authority in zip(_LAYERS, self.authorities, strict=True):
            (directory / f"{layer}.pem").write_bytes(_certificate_pem(authority.certificate))
            _write_private(directory / f"{layer}.key", _key_pem(authority.key))

    def _issue(
        self,
        subject: x509.Name,
        usage: list[ObjectIdentifier],
        key: PrivateKey,
        *,
        names: list[x509.GeneralName],
        not_before: dt.datetime | None,
        not_after: dt.datetime | None,
    ) -> Issued:
        now = self.now or dt.datetime.now(dt.UTC)
        issuer = self.authorities[-1]
        first = not_before or min(now - _LEAF_BEFORE, not_after - _LEAF_BEFORE if not_after else now)
        last = not_after or max(now, first) + _LEAF_AFTER
        builder = _builder(subject, issuer.certificate.subject, key, first, last)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(_authority_identifier(issuer.certificate), critical=False)
            .add_extension(x509.CertificatePolicies([x509.PolicyInformation(SERVICES_POLICY, None)]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(issuer.key, hashes.SHA256())
        der = certificate.public_bytes(serialization.Encoding.DER)
        leaf = _certificate_pem(certificate)
        return Issued(leaf, leaf + self.intermediates_pem, _key_pem(key), hashlib.sha256(der).hexdigest())


def make_pki(name: str = "Koppelpunt Test", *, now: dt.datetime | None = None) -> Pki:
    """Make a new infrastructure with P-256 keys. `now` (aware) is what validity is counted from."""
    root = _make_authority(f"{name} Private Root CA", None, 2, now)
    domain = _make_authority(f"{name} Private Services Domain CA", root, 1, now)
    issuing = _make_authority(f"{name} Private Services Issuing CA", domain, 0, now)
    return Pki((root, domain, issuing), now)


def load_pki(directory: Path) -> Pki:
    """Read what `Pki.save` wrote. Raises OSError for a missing file, ValueError for an unreadable one."""
    root, domain, issuing = (_load_authority(directory, layer) for layer in _LAYERS)
    return Pki((root, domain, issuing))


def _load_authority(directory: Path, layer: str) -> Authority:
    certificate = x509.load_pem_x509_certificate((directory / f"{layer}.pem").read_bytes())
    key = serialization.load_pem_private_key((directory / f"{layer}.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError(f"{layer}.key is neither an elliptic curve nor an RSA key")  # noqa: TRY004 - it is the file's value
    return Authority(certificate, key)


def _make_authority(name: str, issuer: Authority | None, path_length: int, now: dt.datetime | None) -> Authority:
    key = _new_key("p256")
    subject = _name(name, "Koppelpunt Test")
    moment = now or dt.datetime.now(dt.UTC)
    parent = issuer.certificate.subject if issuer else subject
    builder = _builder(subject, parent, key, moment - _AUTHORITY_BEFORE, moment + _AUTHORITY_AFTER)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    if issuer:
        any_policy = x509.PolicyInformation(ObjectIdentifier("2.5.29.32.0"), None)
        builder = builder.add_extension(x509.CertificatePolicies([any_policy]), critical=False)
        builder = builder.add_extension(_authority_identifier(issuer.certificate), critical=False)
    return Authority(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, first: dt.datetime, last: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str, organisation: str, oin: str | None = None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
        x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
    ]
    if oin is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, oin))
    return x509.Name(attributes)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    """Create with mode 0600 from the first moment; an existing file is replaced, not reused with its mode."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
