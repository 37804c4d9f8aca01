"""The part of an onboarding document that says which afnemers a tenant serves, with their autorisatiebesluiten."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from tenants.autorisatie import read_rubrieken
from tenants.faults import InputRefused
from tenants.onboarding_shapes import AfnemerIdText, Line, OinText, Part
from tenants.written import Dag

AfnemerKind = Literal["gemeente", "overheidsorgaan", "derde", "samenwerkingsverband"]


def _rubrieken(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError("give the rubrieken as one text, as in the autorisatietabel")  # noqa: TRY004 - pydantic's own
    try:
        return read_rubrieken(value)
    except InputRefused as refusal:
        raise ValueError(" ".join(refusal.faults)) from None


class BesluitPart(Part):
    """A row of the autorisatietabel: from `start` until the day before `end`; rubrieken as the table writes them."""

    start: Dag
    end: Dag | None = None
    medium: str = Field("N", pattern=r"^[A-Z]$")
    rubrieken: Annotated[tuple[str, ...], BeforeValidator(_rubrieken)]

    @model_validator(mode="after")
    def _some_days(self) -> "BesluitPart":
        if self.end is not None and self.end <= self.start:
            raise ValueError("it ends before it begins")
        return self


class AfnemerPart(Part):
    """OIN, name and kind are those of the tenant unless given. A gemeente needs no autorisatiebesluiten here.

    `ended`: it ends, for good, if no aansluiting uses it; the rest is not looked at then.
    """

    afnemer_id: AfnemerIdText
    oin: OinText | None = None
    name: Line | None = None
    kind: AfnemerKind | None = None
    gemeentecode: str | None = Field(None, pattern=r"^[0-9]{4}$")
    mailbox_id: str | None = Field(None, pattern=r"^[0-9]{1,12}$")
    autorisatiebesluiten: tuple[BesluitPart, ...] = ()
    ended: bool = False
