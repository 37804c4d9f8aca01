"""The nouns of the registry, as frozen values. Pure: no I/O, no clock.

Everything here is read from the registry and never changed; a change is a new row version and a new value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Self

_OIN = re.compile(r"000000[0-9]{2}[0-9A-Z]{9}000")
_AFNEMER_ID = re.compile(r"[0-9]{6}")
_BSN = re.compile(r"[0-9]{9}")


class Oin(str):
    """An organisation number: 20 positions, prefix (8), number (9), suffix (3). Raises ValueError for anything else."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if not _OIN.fullmatch(value):
            raise ValueError("An OIN has 20 positions: 000000, two digits, nine digits or capitals, 000.")
        return super().__new__(cls, value)


class AfnemerId(str):
    """The number of an autorisatiebesluit (table 35): six digits, leading zeros kept. Raises ValueError otherwise."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if not _AFNEMER_ID.fullmatch(value):
            raise ValueError("An AfnemerID has six digits.")
        return super().__new__(cls, value)


@dataclass(frozen=True, slots=True, repr=False)
class Bsn:
    """A burgerservicenummer: nine digits. Its repr and str never show them; `digits` does. Raises ValueError."""

    digits: str

    def __post_init__(self) -> None:
        if not _BSN.fullmatch(self.digits):
            raise ValueError("A BSN has nine digits.")

    def __repr__(self) -> str:
        return "Bsn(*********)"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation that the operator serves: the boundary of isolation."""

    tenant_id: int
    oin: Oin
    name: str
    kind: str
    record_content: str
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A PKIo certificate with chain. `key_sealed` opens only with the identity keyring, inside the gateway.

    `made_inside`: the key is bound to its public key (`tenants.certificates_sealing`), not to the fingerprint.
    """

    tenant_id: int
    certificate_id: int
    oin: Oin
    fingerprint: bytes
    chain_pem: str
    key_sealed: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    state: str
    made_inside: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """Client-ID and sealed client-secret at RvIG, of one afnemer in one environment."""

    tenant_id: int
    credential_id: int
    client_id: str
    secret_sealed: bytes = field(repr=False)
    authentication: str
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Aansluiting:
    """Afnemer × environment × aansluitpatroon: **the identity a call leaves with**, whole and resolved."""

    tenant_id: int
    aansluiting_id: int
    version: int
    afnemer_id: AfnemerId
    organisation_oin: Oin
    gemeentecode: str | None
    mailbox_id: str | None
    environment: str
    pattern: str
    state: str
    certificate: Certificate
    credential: Credential
    scope_template: str | None
    resource_server: str | None
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class TaaksysteemKey:
    """A caller's credential, by its kind; of a secret only the keyed hash is known.

    api-key: hash. client-secret: client_id and hash. private-key-jwt: client_id and `jwks` (JSON, public keys). idp: the
    client `idp_client` at the tenant's IDP `idp_id`. certificate: `thumbprint` (SHA-256) or `oin`.
    """

    tenant_id: int
    key_id: int
    taaksysteem_id: int
    kind: str
    client_id: str | None
    hash: bytes | None = field(repr=False)
    hash_version: int | None
    valid_from: datetime
    valid_until: datetime
    state: str
    idp_id: int | None = None
    idp_client: str | None = None
    thumbprint: bytes | None = None
    oin: str | None = None
    jwks: str | None = None


@dataclass(frozen=True, slots=True)
class Idp:
    """A tenant's own OIDC provider: what its tokens must say, and which claims mean what. `clock_skew` in seconds.

    A claim is named by itself, or by its path with dots (`realm_access.roles`). None: the tokens say nothing of it.
    """

    tenant_id: int
    idp_id: int
    version: int
    issuer: str
    jwks_url: str
    audience: str
    algorithms: frozenset[str]
    clock_skew: int
    claim_taaksysteem: str
    claim_user: str | None
    claim_roles: str | None
    claim_afnemer_id: str | None


@dataclass(frozen=True, slots=True)
class Taaksysteem:
    """A calling application of a tenant in one environment. `vaste_aansluiting` is (tenant_id, aansluiting_id).

    `requires` are the kinds of proof that it must give together: api-key, token (of this gateway), idp, certificate.
    """

    tenant_id: int
    taaksysteem_id: int
    version: int
    name: str
    environment: str
    state: str
    vaste_aansluiting: tuple[int, int] | None
    header_profile: str = "none"
    requires: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mandate:
    """Leave of the afnemer's tenant (tenant_id) for taaksystemen of another tenant.

    `header_choice`: a header alone may say that a call is for this tenant.
    """

    tenant_id: int
    mandate_id: int
    to_tenant_id: int
    valid_from: datetime
    valid_until: datetime
    withdrawn_at: datetime | None
    version: int
    header_choice: bool = False


@dataclass(frozen=True, slots=True)
class ApiRight:
    """What a machtiging allows of one API; None allows every value. `operations` is for the mailbox.

    `restrict` are parameters that each question must carry, with their allowed values; `by_besluit` holds the question
    to the afnemer's autorisatiebesluit.
    """

    types: frozenset[str] | None = None
    fields: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    restrict: tuple[tuple[str, frozenset[str]], ...] = ()
    deceased: bool = True
    by_besluit: bool = False


@dataclass(frozen=True, slots=True)
class Hours:
    """Days of the week (0 is Monday) and a time of day in the Netherlands: [start, until), None until midnight."""

    days: frozenset[int]
    start: time
    until: time | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be so before a machtiging may be used at all. `rate` is a second, `daily_quota` a Dutch day."""

    user: bool = False
    roles: frozenset[str] = frozenset()
    hours: tuple[Hours, ...] = ()
    rate: float | None = None
    daily_quota: int | None = None


@dataclass(frozen=True, slots=True)
class Machtiging:
    """What one taaksysteem may do over one aansluiting, and for which doelbinding.

    `conditions` None sets none. `protocol_note` False keeps no note of whom a disclosure was about (Besluit BRP 42).
    """

    tenant_id: int
    machtiging_id: int
    version: int
    aansluiting_id: int
    taaksysteem_tenant_id: int
    taaksysteem_id: int
    mandate: Mandate | None
    doelbinding: str
    rights: Mapping[str, ApiRight]
    valid_from: datetime
    valid_until: datetime
    withdrawn_at: datetime | None
    conditions: Conditions | None = None
    add_bsn: bool = False
    leave_out_geheimhouding: bool = False
    protocol_note: bool = True


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant's key pair of one year, the public half; the index key opens only with the identity keyring."""

    tenant_id: int
    year: int
    public_key: bytes
    index_key_for_gateway: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Blokkade:
    """An active block. kind: tenant, afnemer, oin, certificate or taaksysteem."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class RvigStand:
    """kind: accountGeblokkeerd or toegangGeweigerd. It holds for this credential and this certificate alone.

    `seen_at` is when RvIG first said so, `last_at` when last, `probe_at` when a careful call may go.
    """

    tenant_id: int
    aansluiting_id: int
    kind: str
    credential_id: int
    fingerprint: bytes
    place: str
    status: int
    code: str
    seen_at: datetime
    last_at: datetime
    times: int
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class Autorisatiebesluit:
    """A row of the autorisatietabel (table 35) of an afnemer: holds from `start` until the day before `end`.

    `rubrieken` is one text, six positions each, separated by a space: ten thousand of these must fit in memory.
    """

    tenant_id: int
    besluit_id: int
    afnemer_id: AfnemerId
    start: date
    end: date | None
    medium: str
    rubrieken: str = field(repr=False)
