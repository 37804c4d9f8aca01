"""The shape of an onboarding document: tenants with all that belongs to them, as one file says it. Pure.

Everything that is wrong is told at once, by its place in the document; the texts never show a value, as some are secret.
What refers to something else does so by a name that people know: OIN, AfnemerID, the name of a taaksysteem.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from tenants.faults import InputRefused
from tenants.onboarding_afnemers import AfnemerPart
from tenants.onboarding_checkpoints import DestinationPart
from tenants.onboarding_contacts import ContactPart
from tenants.onboarding_doelbindingen import DoelbindingPart
from tenants.onboarding_proofs import IdpPart, ProofsPart
from tenants.onboarding_shapes import (
    AfnemerIdText,
    AgreementPart,
    ExceptionPart,
    LendingPart,
    Line,
    OinText,
    OwnProfilePart,
    Part,
    StapPart,
)
from tenants.rights import Policy, faults_of_conditions, faults_of_grounds, faults_of_policy, faults_of_rights
from tenants.written import Moment

Pattern = Literal["standaard", "saas", "delegatie", "gezamenlijk-personeel", "koppelpunt"]


class CertificatePart(Part):
    """`chain` and `key` are PEM, `file:…`, `env:…`, or the path of a file. The name is for this document alone."""

    name: Line
    chain: str = Field(repr=False)
    key: str = Field(repr=False)
    organisation_oin: OinText | None = None


class CredentialPart(Part):
    """Client-ID and secret at RvIG: `file:…`, `env:…` or the secret itself; or `secret_file`, the path of a file with it.

    `secret_valid_until` is when RvIG says that the secret ends; without it, what is known stays.
    """

    name: Line
    afnemer_id: AfnemerIdText
    environment: str
    client_id: str = Field(pattern=r"^[!-~]{1,200}$")
    secret: str | None = Field(None, min_length=1, repr=False)
    secret_file: str | None = None
    authentication: Literal["body", "basic"] = "body"
    account: str = ""
    secret_valid_until: Moment | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> "CredentialPart":
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give either secret or secret_file")
        return self


class AansluitingPart(Part):
    """`certificate` and `credential` are names in this document; by an exception the certificate is one of `certificate_of`."""

    afnemer_id: AfnemerIdText
    environment: str
    certificate: str | None = None
    credential: str | None = None
    certificate_of: OinText | None = None
    pattern: Pattern = "standaard"
    state: Literal["concept", "proef", "productie", "geblokkeerd"]
    scope_template: str | None = None
    resource_server: str | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    steps: tuple[StapPart, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by among those of its tenant: AfnemerID, environment and pattern."""
        return self.afnemer_id, self.environment, self.pattern

    @model_validator(mode="after")
    def _with_identity(self) -> "AansluitingPart":
        if self.state != "concept" and (self.certificate is None or self.credential is None):
            raise ValueError("without certificate and credential it is a concept")
        if len({one.step for one in self.steps}) != len(self.steps):
            raise ValueError("a step stands there twice")
        return self


class AansluitingReference(Part):
    """An aansluiting in the environment of the taaksysteem; of the same tenant unless its OIN is given."""

    afnemer_id: AfnemerIdText
    pattern: Pattern = "standaard"
    tenant: OinText | None = None


class GatewayClientPart(Part):
    """Credentials for the gateway's own token endpoint; a secret that is not given is made and shown once."""

    client_id: str = Field(pattern=r"^[!-~]{1,200}$")
    secret: str | None = Field(None, min_length=20, repr=False)


class TaaksysteemPart(Part):
    """`api_key: true` makes one and shows it once, unless the taaksysteem has one that is active.

    `header_profile` is one that the product knows, or an own one of this tenant.
    """

    name: Line
    environment: str
    api_key: bool = False
    gateway_clients: tuple[GatewayClientPart, ...] = ()
    vaste_aansluiting: AansluitingReference | None = None
    header_profile: str | None = None
    proofs: ProofsPart | None = None


class TaaksysteemReference(Part):
    """A taaksysteem in the environment of the aansluiting; of the same tenant unless its OIN is given."""

    name: Line
    tenant: OinText | None = None


class MandatePart(Part):
    """Leave for taaksystemen of the tenant with OIN `to`; `header_choice`: whether a header alone may choose this tenant."""

    to: OinText
    reason: Line
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    header_choice: bool | None = None


class RegisterPolicyPart(Part):
    """What a machtiging asks of register and answer; what weakens the register holds when another has granted it."""

    leave_out_geheimhouding: bool = False
    protocol_note: Literal["yes", "no"] = "yes"
    protocol_note_article: Line | None = None
    inzage: Literal["shown", "refused"] = "shown"
    inzage_article: Line | None = None

    def policy(self) -> Policy:
        return Policy(**self.model_dump())


class MachtigingPart(Part):
    """`rights` and `conditions` as `tenants.rights` says. A gemeente must give grondslag and ontvanger."""

    afnemer_id: AfnemerIdText
    environment: str
    taaksysteem: TaaksysteemReference
    doelbinding: Line
    grondslag: Line | Literal[""] = ""
    ontvanger: Line | Literal[""] = ""
    verwerkingsactiviteit: Line
    rights: dict[str, dict[str, Any]]
    pattern: Pattern = "standaard"
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    conditions: dict[str, Any] = Field(default_factory=dict)
    add_bsn: bool = False
    register_policy: RegisterPolicyPart = RegisterPolicyPart()

    @model_validator(mode="after")
    def _readable_rights(self) -> "MachtigingPart":
        if faults := faults_of_rights(self.rights) + faults_of_conditions(self.conditions):
            raise ValueError(" ".join(faults))
        return self


class TenantPart(Part):
    oin: OinText
    name: Line
    kind: Literal["gemeente", "overheidsorgaan", "derde", "samenwerkingsverband", "leverancier"]
    record_content: Literal["whole", "rubrieken"] | None = None
    retention_years: int | None = Field(None, ge=1, le=100)
    afnemers: tuple[AfnemerPart, ...] = ()
    certificates: tuple[CertificatePart, ...] = ()
    credentials: tuple[CredentialPart, ...] = ()
    aansluitingen: tuple[AansluitingPart, ...] = ()
    taaksystemen: tuple[TaaksysteemPart, ...] = ()
    mandates: tuple[MandatePart, ...] = ()
    machtigingen: tuple[MachtigingPart, ...] = ()
    agreements: tuple[AgreementPart, ...] = ()
    certificate_lendings: tuple[LendingPart, ...] = ()
    certificate_exceptions: tuple[ExceptionPart, ...] = ()
    header_profiles: tuple[OwnProfilePart, ...] = ()
    idps: tuple[IdpPart, ...] = ()
    checkpoint_destinations: tuple[DestinationPart, ...] = ()
    doelbindingen: tuple[DoelbindingPart, ...] = ()
    contacts: tuple[ContactPart, ...] = ()


class Document(Part):
    tenants: tuple[TenantPart, ...] = Field(min_length=1)


def read_document(document: Mapping[str, Any]) -> Document:
    """Return the document as a value. Raises InputRefused with every fault, each with its place."""
    try:
        read = Document.model_validate(document)
    except ValidationError as error:
        raise InputRefused(
            f"{'.'.join(str(part) for part in one['loc']) or 'document'}: {one['msg']}." for one in error.errors()
        ) from None
    if faults := list(_faults_of_references(read)):
        raise InputRefused(faults)
    return read


def _faults_of_references(document: Document) -> Iterator[str]:
    yield from _twice("tenants", (tenant.oin for tenant in document.tenants))
    known = {(tenant.oin, one.name) for tenant in document.tenants for one in tenant.certificates}
    for number, tenant in enumerate(document.tenants):
        place = f"tenants.{number}"
        credentials = {one.name: one for one in tenant.credentials}
        yield from _twice(f"{place}.certificates", (one.name for one in tenant.certificates))
        yield from _twice(f"{place}.idps", (one.name for one in tenant.idps))
        yield from _twice(f"{place}.doelbindingen", (one.doelbinding for one in tenant.doelbindingen))
        yield from _twice(f"{place}.credentials", (one.name for one in tenant.credentials))
        yield from _twice(f"{place}.afnemers", (one.afnemer_id for one in tenant.afnemers))
        yield from _twice(f"{place}.taaksystemen", ((one.name, one.environment) for one in tenant.taaksystemen))
        yield from _twice(
            f"{place}.aansluitingen", ((one.afnemer_id, one.environment, one.pattern) for one in tenant.aansluitingen)
        )
        for index, one in enumerate(tenant.aansluitingen):
            if one.certificate is not None and (one.certificate_of or tenant.oin, one.certificate) not in known:
                yield f"{place}.aansluitingen.{index}.certificate: there is no certificate of that name."
            if one.credential is None:
                continue
            credential = credentials.get(one.credential)
            if credential is None:
                yield f"{place}.aansluitingen.{index}.credential: there is no credential of that name."
            elif (credential.afnemer_id, credential.environment) != (one.afnemer_id, one.environment):
                yield f"{place}.aansluitingen.{index}.credential: it is for another afnemer or environment."
        kinds = {one.afnemer_id: one.kind or tenant.kind for one in tenant.afnemers}
        for index, machtiging in enumerate(tenant.machtigingen):
            for fault in _faults_of_machtiging(machtiging, kinds.get(machtiging.afnemer_id)):
                yield f"{place}.machtigingen.{index}: {fault}"


def _faults_of_machtiging(part: MachtigingPart, kind: str | None) -> Iterator[str]:
    """What the registry would refuse; of an afnemer that is not in the document it refuses that itself."""
    if kind is not None:
        yield from faults_of_grounds(kind, part.grondslag, part.ontvanger)
        yield from faults_of_policy(part.register_policy.policy(), part.rights, kind, part.grondslag)


def _twice(place: str, names: Iterable[object]) -> Iterator[str]:
    counted = Counter(names)
    if any(count > 1 for count in counted.values()):
        yield f"{place}: the same one stands there twice."
