"""Four-layer test authorities shaped like PKIoverheid's G1 and G4, with revocation lists and OCSP addresses; all faults to order."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

OIN = "00000001001234567000"
OTHER_OIN = "00000001007654321000"
G1_POLICY = "2.16.528.1.1003.1.2.8.6"
G4_POLICY = "2.16.528.1.1003.1.2.44.15.35.11"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]
"""Making RSA keys is slow; authorities of one test run share three."""


def named(common: str, oin: str | None = None, organisation: str = "Gemeente Voorbeeld") -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    if oin is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, oin))
    return x509.Name(attributes)


def usage(**which: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: which.get(name, False) for name in names})


@dataclass
class Authority:
    """One CA. `pss` signs with RSASSA-PSS SHA-512, as G4 does. `base` is where its list and OCSP are, None: nowhere."""

    certificate: x509.Certificate
    key: Key
    pss: bool = False
    base: str | None = None
    offers_ocsp: bool = False
    revoked: list[int] = field(default_factory=list)
    number: int = 0

    @property
    def slug(self) -> str:
        name = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return str(name).lower().replace(" ", "-")

    @property
    def list_url(self) -> str:
        return f"{self.base}/{self.slug}.crl"

    def signing(self) -> dict[str, Any]:
        if self.pss:
            return {"algorithm": hashes.SHA512(), "rsa_padding": padding.PSS(padding.MGF1(hashes.SHA512()), 64)}
        return {"algorithm": hashes.SHA256()}

    def crl(
        self,
        *,
        now: dt.datetime | None = None,
        age: dt.timedelta = dt.timedelta(minutes=1),
        life: dt.timedelta = dt.timedelta(hours=48),
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        signer: "Authority | None" = None,
        reason: x509.ReasonFlags | None = None,
    ) -> bytes:
        moment = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        self.number += 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(moment - age)
            .next_update(moment - age + life)
            .add_extension(x509.CRLNumber(self.number), critical=False)
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        for serial in self.revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment - dt.timedelta(hours=1))
            if reason is not None:
                one = one.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(one.build())
        by = signer or self
        return builder.sign(by.key, **by.signing()).public_bytes(Encoding.DER)

    def issue(
        self,
        subject: x509.Name,
        key: Any,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        first: dt.datetime,
        last: dt.datetime,
        *,
        places: bool = True,
        signing: Mapping[str, Any] | None = None,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            self.certificate.subject, subject, key, x509.random_serial_number(), first, last
        )
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        if places and self.base is not None:
            url = x509.UniformResourceIdentifier(self.list_url)
            builder = builder.add_extension(
                x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)]), critical=False
            )
            if self.offers_ocsp:
                access = x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{self.base}/ocsp/{self.slug}")
                )
                builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        return builder.sign(self.key, **(self.signing() if signing is None else signing))


@dataclass
class Leaf:
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Tree:
    """Root, domain and issuing CA. `now` is what validity is counted from."""

    root: Authority
    domain: Authority
    issuing: Authority
    now: dt.datetime
    policy: str

    @property
    def authorities(self) -> tuple[Authority, Authority, Authority]:
        return self.root, self.domain, self.issuing

    @property
    def between(self) -> tuple[x509.Certificate, ...]:
        return self.issuing.certificate, self.domain.certificate

    def chain_pem(self, leaf: Leaf, *, root: bool = False) -> bytes:
        more = (self.root.certificate,) if root else ()
        return b"".join(one.public_bytes(Encoding.PEM) for one in (leaf.certificate, *self.between, *more))

    def leaf(
        self,
        oin: str | None = OIN,
        *,
        key: Key | None = None,
        public: Any = None,
        names: Sequence[str] = ("egress.koppelpunt.example",),
        without: tuple[type[x509.ExtensionType], ...] = (),
        replaced: Sequence[tuple[x509.ExtensionType, bool]] = (),
        valid: tuple[dt.timedelta, dt.timedelta] = (dt.timedelta(hours=-1), dt.timedelta(days=700)),
        issuer: Authority | None = None,
        subject: x509.Name | None = None,
        signing: Mapping[str, Any] | None = None,
    ) -> Leaf:
        """A certificate that is good but for what is asked."""
        made = key or ec.generate_private_key(ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier(self.policy), None)]), False),
        ]
        if names:
            extensions.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
        instead = (*without, *(type(value) for value, _ in replaced))
        extensions = [one for one in extensions if type(one[0]) not in instead] + list(replaced)
        certificate = (issuer or self.issuing).issue(
            subject or named(names[0] if names else "zonder naam", oin), public or made.public_key(), extensions,
            self.now + valid[0], self.now + valid[1], signing=signing,
        )  # fmt: skip
        return Leaf(certificate, made)


def make_authority(
    name: str,
    issuer: Authority | None,
    path_length: int | None,
    now: dt.datetime,
    *,
    pss: bool = False,
    base: str | None = None,
    key: Key | None = None,
    ca: bool = True,
    may_issue: bool = True,
    valid: tuple[dt.timedelta, dt.timedelta] = (dt.timedelta(days=-900), dt.timedelta(days=2000)),
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Authority:
    made: Key = key or ec.generate_private_key(ec.SECP256R1())
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), True),
        (usage(key_cert_sign=may_issue, crl_sign=True, digital_signature=not may_issue), True),
        *more,
    ]
    subject = named(name, organisation="Staat der Nederlanden (test)")
    first, last = now + valid[0], now + valid[1]
    if issuer is not None:
        return Authority(issuer.issue(subject, made.public_key(), extensions, first, last), made, pss, base)
    builder = x509.CertificateBuilder(
        subject, subject, made.public_key(), x509.random_serial_number(), first, last
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(made.public_key()), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    found = Authority(builder.sign(made, hashes.SHA256()), made, pss, base)
    if pss:
        found.certificate = builder.sign(made, **found.signing())
    return found


def make_tree(kind: str = "g1", *, now: dt.datetime | None = None, base: str | None = None, ocsp: bool = False) -> Tree:
    """`g1`: RSA 2048 and SHA256-RSA; `g4`: RSASSA-PSS SHA-512; `ec`: quick, for what is not about signatures."""
    moment = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
    pss = kind == "g4"
    keys: list[Key | None] = [None, None, None] if kind == "ec" else list(_RSA_KEYS)
    names = [f"Test {kind.upper()} {layer} CA" for layer in ("Root", "Domain", "Issuing")]
    root = make_authority(names[0], None, 2, moment, pss=pss, base=base, key=keys[0])
    domain = make_authority(names[1], root, 1, moment, pss=pss, base=base, key=keys[1])
    issuing = make_authority(names[2], domain, 0, moment, pss=pss, base=base, key=keys[2])
    issuing.offers_ocsp = ocsp
    return Tree(root, domain, issuing, moment, G4_POLICY if pss else G1_POLICY)
