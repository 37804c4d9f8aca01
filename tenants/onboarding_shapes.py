"""Shapes of an onboarding document that stand apart: its words, and what aansluitpatronen are judged by. Pure."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tenants.header_profiles import HeaderProfilePart
from tenants.model import AfnemerId, Oin
from tenants.written import Dag, Moment

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
OinText = Annotated[str, AfterValidator(lambda value: str(Oin(value)))]
AfnemerIdText = Annotated[str, AfterValidator(lambda value: str(AfnemerId(value)))]

Planstap = Literal[
    "autorisatiebesluit", "certificaat_naar_rvig", "inloggegevens_ontvangen", "proef_getest", "productie_akkoord"
]  # fmt: skip
"""The steps of `tenants.stappenplan` that are ticked."""


class Part(BaseModel):
    """Unknown names are refused; what was given is never shown in a fault, as some of it is secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AgreementPart(Part):
    """Dates are days; `valid_until` is the first on which it no longer holds. `grace_until` lets it go on, with a reason."""

    kind: Literal["contract", "verwerkersovereenkomst", "convenant", "aanvullende_autorisatie"]
    party: Line
    signed_on: Dag
    valid_until: Dag | None = None
    grace_until: Dag | None = None
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
        if self.valid_until is not None and self.valid_until <= self.signed_on:
            raise ValueError("it ends before it begins")
        if self.grace_until is not None and (self.valid_until is None or self.grace_until < self.valid_until):
            raise ValueError("a grace follows on the end")
        return self


class LendingPart(Part):
    """The certificates of this tenant may be used by the tenant with OIN `to`, where it has an exception."""

    to: OinText
    reason: Line
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class ExceptionPart(Part):
    """An afnemer that is no gemeente leaves with a certificate of the tenant with OIN `holder`, until a date.

    `granted_by` is who granted it when this was written; only a restore says so again, as else somebody grants it anew.
    """

    afnemer_id: AfnemerIdText
    holder: OinText
    reason: Line
    article: Line
    valid_until: Moment
    valid_from: Moment | None = None
    granted_by: Line | None = None


class OwnProfilePart(HeaderProfilePart):
    """An own header profile, by its name. `ended`: it ends, for good, if no taaksysteem has it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    ended: bool = False


class StapPart(Part):
    """A step of the stappenplan that only the tenant knows of, and the day on which it was taken."""

    step: Planstap
    day: Dag
    note: Line | None = None
