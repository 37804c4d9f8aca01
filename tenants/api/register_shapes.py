"""The shapes of searching the register: what an auditor asks, and what a row of the register tells."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from tenants.api.shapes import MOST_ROWS, Reden, Shape


def _in_range(moment: datetime) -> datetime:
    """Times that no register holds would only overflow further on."""
    if not 1900 <= moment.year < 2200:
        raise ValueError("De tijd moet tussen 1900 en 2200 liggen.")
    return moment


Tijdstip = Annotated[AwareDatetime, AfterValidator(_in_range)]


class Periode(Shape):
    """From `van` until `tot`, which is not in it."""

    van: Tijdstip
    tot: Tijdstip

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.van >= self.tot:
            raise ValueError("'van' moet voor 'tot' liggen.")
        return self


class Zoekvraag(Shape):
    """A search in the own register: by person, by period, or both. It is itself recorded, with its reason."""

    burgerservicenummer: str | None = Field(default=None, pattern=r"^[0-9]{9}$", repr=False)
    periode: Periode | None = None
    reden: Reden
    inhoud: bool = Field(default=False, description="Ook openen wat verzegeld is: vraag, antwoord, gebruiker.")
    voor: UUID | None = Field(default=None, description="Verder zoeken vanaf 'volgende' van het vorige antwoord.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.burgerservicenummer is None and self.periode is None:
            raise ValueError("Zoek op burgerservicenummer, periode, of beide.")
        return self


class TaaksysteemGenoemd(Shape):
    """A taaksysteem of a row; its name is known only when it is the own tenant's."""

    tenant_id: int
    taaksysteem_id: int
    naam: str | None
    oin: str


class Afsluiting(Shape):
    """How a call ended."""

    gesloten_op: AwareDatetime
    status: int | None
    code: str | None
    aantal_personen: int
    zonder_burgerservicenummer: int
    antwoord_bytes: int
    duur_microseconden: int


class Inhoud(Shape):
    """What was sealed, when it could be opened."""

    toestand: Literal["geopend", "sleutel_vernietigd", "niet_te_openen"]
    opening: dict[str, Any] | None
    afsluiting: dict[str, Any] | None


class Protocolregel(Shape):
    """One call of the register."""

    id: UUID
    geopend_op: AwareDatetime
    uitkomst: Literal["beantwoord", "niet_beantwoord", "niet_verzonden", "geweigerd", "uitkomst_onbekend"]
    weigering: str | None
    afnemer_id: str | None
    organisatie_oin: str | None
    certificaat_oin: str | None
    certificaat_vingerafdruk: str | None
    taaksysteem: TaaksysteemGenoemd
    doelbinding: str | None
    grondslag: str | None
    ontvanger: str | None
    verwerkingsactiviteit: str | None
    api: str
    operatie: str
    vraagtype: str | None
    zoekrubrieken: str
    gevraagde_rubrieken: str
    trace_id: UUID | None
    afsluiting: Afsluiting | None
    inhoud: Inhoud | None


class Protocolregels(Shape):
    """What a search found, newest first."""

    lezing: int = Field(description="Het nummer waaronder deze zoekvraag is vastgelegd.")
    protocolregels: list[Protocolregel]
    volgende: UUID | None
    vernietigde_jaren: list[int] = Field(description="Jaren waarin niet gezocht kan worden: de sleutel is vernietigd.")
    zonder_afsluiting: int = Field(
        description="Bevragingen in deze periode zonder afsluiting; over wie die gingen is niet te zoeken."
    )
