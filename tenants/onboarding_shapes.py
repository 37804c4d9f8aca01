"""Shapes of an onboarding document that stand apart: its words, and what aansluitpatronen are judged by. Pure."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from tenants.header_profiles import HeaderProfilePart
from tenants.model import AfnemerId, Oin

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
OinText = Annotated[str, AfterValidator(lambda value: str(Oin(value)))]
AfnemerIdText = Annotated[str, AfterValidator(lambda value: str(AfnemerId(value)))]


class Part(BaseModel):
    """Unknown names are refused; what was given is never shown in a fault, as some of it is secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AgreementPart(Part):
    """Dates are days; `valid_until` is the first on which it no longer holds. `grace_until` lets it go on, with a reason."""

    kind: Literal["contract", "verwerkersovereenkomst", "convenant", "aanvullende_autorisatie"]
    party: Line
    signed_on: date
    valid_until: date | None = None
    grace_until: date | None = None
    grace_reason: Line | None = None
    afnemer_id: AfnemerIdText | None = None
    reference: Line | None = None
    products: tuple[Literal["adressering", "gezag", "leeftijd"], ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "AgreementPart":
        if (self.kind == "aanvullende_autorisatie") != bool(self.products):
            raise ValueError("products belong to an aanvullende_autorisatie, and it has some")
        if (self.grace_until is None) != (self.grace_reason is None):
            raise ValueError("a grace has a reason")
        return self


class LendingPart(Part):
    """The certificates of this tenant may be used by the tenant with OIN `to`, where it has an exception."""

    to: OinText
    reason: Line
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None


class ExceptionPart(Part):
    """An afnemer that is no gemeente leaves with a certificate of the tenant with OIN `holder`, until a date."""

    afnemer_id: AfnemerIdText
    holder: OinText
    reason: Line
    article: Line
    granted_by: Line
    valid_until: AwareDatetime
    valid_from: AwareDatetime | None = None


class OwnProfilePart(HeaderProfilePart):
    """An own header profile, by its name."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
