"""What the rules of the aansluitpatronen look at, and what they find. Pure values; times are moments with a zone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tenants.model import AfnemerId, Oin

Severity = Literal["stops", "alarms"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it should be. `due` is when it stops or stopped, `days` the threshold of an alarm before that."""

    code: str
    text: str
    who: str
    severity: Severity
    due: datetime | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """kind: contract, verwerkersovereenkomst, convenant or aanvullende_autorisatie. `afnemer_id` None: for all of them."""

    kind: str
    afnemer_id: AfnemerId | None
    party: str
    products: frozenset[str]
    valid_from: datetime
    valid_until: datetime | None
    grace_until: datetime | None


@dataclass(frozen=True, slots=True)
class CertificateException:
    """Leave for one afnemer to leave with the certificate of another organisation. Both sides' dates, taken together."""

    afnemer_id: AfnemerId
    organisation_oin: Oin
    holder_oin: Oin
    holder_kind: str
    valid_from: datetime
    valid_until: datetime
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Use:
    """A machtiging over the afnemer's aansluitingen in this environment: which taaksysteem, and when."""

    taaksysteem: tuple[int, int]
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class PatternFacts:
    """All that the rules look at, for one aansluiting.

    `certificate_oin` is None as long as there is no certificate; `borrowed` says that it is kept by another tenant;
    `shared_with` names environments of another installation that use the same certificate; `products` are the
    informatieproducten that machtigingen name; `users` says whether its calls name their user, None if that is not known.
    """

    tenant_id: int
    aansluiting_id: int
    pattern: str
    environment: str
    afnemer_id: AfnemerId
    organisation_oin: Oin
    organisation_kind: str
    tenant_oin: Oin
    tenant_kind: str
    certificate_oin: Oin | None
    borrowed: bool = False
    exception: CertificateException | None = None
    agreements: tuple[Agreement, ...] = ()
    uses: tuple[Use, ...] = ()
    shared_with: tuple[str, ...] = ()
    products: frozenset[str] = frozenset()
    users: bool | None = None

    @property
    def is_gemeente(self) -> bool:
        """Whether the organisation is a gemeente, by its own kind or as the gemeente that the tenant is."""
        return self.organisation_kind == "gemeente" or (
            self.tenant_kind == "gemeente" and self.tenant_oin == self.organisation_oin
        )
