"""The shapes of requests for inzage and of their outcome: what an officer records, and what a citizen is told."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from tenants.api.register_shapes import AdministratieNummer, Burgerservicenummer, Periode, Rubriek
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape, one_line
from tenants.inzage.verstrekkingen import Uitkomst
from tenants.inzage.verzoek import Stapsoort, Toestand, Wet
from tenants.written import Dag, Moment

Regeltekst = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
Handeling = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(one_line)]


class Iemand(Shape):
    """Somebody by name and address."""

    naam: Regeltekst = Field(repr=False)
    adres: list[Regeltekst] = Field(default=[], max_length=6, repr=False)


class Betrokkene(Iemand):
    """Whom a request is about. Give both numbers where both are known: some messages know a person by A-nummer alone."""

    burgerservicenummer: Burgerservicenummer | None = Field(default=None, repr=False)
    a_nummer: AdministratieNummer | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.burgerservicenummer is None and self.a_nummer is None:
            raise ValueError("Geef het burgerservicenummer, het A-nummer, of beide.")
        return self


class Vertegenwoordiger(Iemand):
    """Who asks for another, and as what."""

    hoedanigheid: Regeltekst = Field(description="Bijvoorbeeld ouder, curator of gemachtigde.")


class NieuwInzageverzoek(Shape):
    """A request as it came in. Without `periode` it is about the twenty years before it."""

    ontvangen_op: Dag
    betrokkene: Betrokkene
    vertegenwoordiger: Vertegenwoordiger | None = None
    periode: Periode | None = None

    @model_validator(mode="after")
    def _is_of_this_time(self) -> Self:
        if not 2000 <= self.ontvangen_op.year < 2200:
            raise ValueError("De datum van ontvangst moet tussen 2000 en 2200 liggen.")
        return self


class Stap(Shape):
    """What was done with a request, by whom and when; `vastgelegdDoor` and `vastgelegdOp` are who recorded it."""

    soort: Stapsoort
    wijze: str | None
    door: str | None
    op: AwareDatetime
    toelichting: str | None
    lezing: int | None
    vastgelegd_op: AwareDatetime
    vastgelegd_door: str


class NieuweStap(Shape):
    """A step that an officer took. An identity check says how it was done and by whom; never which document it was."""

    soort: Literal["identiteit", "bevoegdheid", "verzonden", "ingetrokken", "afgewezen"]
    op: Moment
    wijze: Handeling | None = Field(
        default=None, description="Bijvoorbeeld DigiD, of reisdocument getoond aan de balie."
    )
    door: Handeling | None = Field(default=None, description="Wie het deed.")
    toelichting: Reden | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.soort in {"identiteit", "bevoegdheid"} and (self.wijze is None or self.door is None):
            raise ValueError("Zeg op welke wijze en door wie dit is vastgesteld.")
        if self.soort == "afgewezen" and self.toelichting is None:
            raise ValueError("Een afwijzing heeft een toelichting.")
        return self


class Inzageverzoek(Shape):
    """A request as it stands; `teLaat` when the four weeks are over and nothing was sent."""

    nummer: int
    wet: Wet
    ontvangen_op: date
    uiterlijk_op: date
    toestand: Toestand
    te_laat: bool
    periode: Periode
    vertegenwoordigd: bool
    stappen: list[Stap]
    vastgelegd_op: AwareDatetime
    vastgelegd_door: str


class InzageverzoekMetBetrokkene(Inzageverzoek):
    """A request with who asks; null when the key with which that was sealed has been destroyed."""

    betrokkene: Betrokkene | None
    vertegenwoordiger: Vertegenwoordiger | None


class Inzageverzoeken(Shape):
    """A page of requests, of the open ones that first of which the term ends first; `teLaat` is how many there are late in all."""

    inzageverzoeken: list[Inzageverzoek]
    te_laat: int
    volgende: int | None


class InzageverzoekenVraag(QueryShape):
    voor: int | None = Field(
        default=None, ge=1, le=2**62, description="Verder vanaf 'volgende' van het vorige antwoord."
    )
    open: bool = Field(default=False, description="Alleen verzoeken die nog niet zijn afgesloten.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class Brief(Shape):
    """What a letter needs besides the request: who sends it, from where, and who signs."""

    afzender: list[Regeltekst] = Field(default=[], max_length=6, description="Adres en bereikbaarheid, onder de naam.")
    plaats: Regeltekst
    ondertekening: list[Regeltekst] = Field(default=[], max_length=4)


class UitkomstVraag(Shape):
    """In which form, and for whom. The functionaris also sees what the betrokkene is not told, as such."""

    reden: Reden
    vorm: Literal["json", "csv", "pdf"]
    voor: Literal["betrokkene", "functionaris"] = "betrokkene"
    brief: Brief | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.vorm == "pdf") != (self.brief is not None):
            raise ValueError("Bij de vorm pdf, en alleen daarbij, hoort een brief.")
        if self.vorm == "pdf" and self.voor != "betrokkene":
            raise ValueError("De brief is voor de betrokkene.")
        return self


class OverzichtRegel(Shape):
    """One disclosure in words."""

    op: AwareDatetime
    uitkomst: Uitkomst
    organisatie: str
    ontvanger: str
    grondslag: str
    doelbinding: str
    bevraging: str
    gegevens: list[str]
    gezocht_op: list[str]
    protocolregel: UUID | None = Field(description="Alleen voor de functionaris.")
    inzage_geweigerd: str | None = Field(description="Op grond waarvan; alleen voor de functionaris.")


class Overzicht(Shape):
    """The outcome of a request. `onbekend` are calls without outcome that name nobody."""

    kenmerk: str
    wet: Wet
    organisatie: str
    voor: Literal["betrokkene", "functionaris"]
    ontvangen_op: date
    gemaakt_op: AwareDatetime
    periode: Periode
    regels: list[OverzichtRegel]
    mededelingen: list[str]
    vernietigde_jaren: list[int]
    onbekend: int


class CorrectieVraag(Shape):
    """Who received these rubrieken of this person (Wet BRP art. 3.23)."""

    burgerservicenummer: Burgerservicenummer | None = Field(default=None, repr=False)
    a_nummer: AdministratieNummer | None = Field(default=None, repr=False)
    rubrieken: list[Rubriek] = Field(min_length=1, max_length=50)
    periode: Periode | None = None
    reden: Reden
    vorm: Literal["json", "csv"] = "json"

    @model_validator(mode="after")
    def _is_about_somebody(self) -> Self:
        if self.burgerservicenummer is None and self.a_nummer is None:
            raise ValueError("Geef het burgerservicenummer, het A-nummer, of beide.")
        return self


class OntvangerVan(Shape):
    """One recipient; `gegevens` is null when it is not known any more what its messages told."""

    organisatie: str
    ontvanger: str
    grondslag: str
    doelbinding: str
    uitkomst: Uitkomst
    gegevens: list[str] | None
    eerste: AwareDatetime
    laatste: AwareDatetime
    aantal: int
    protocolregels: list[UUID] = Field(description="De laatste honderd.")


class Correctielijst(Shape):
    """The recipients, who received last first."""

    lezing: int
    rubrieken: list[str]
    ontvangers: list[OntvangerVan]
    vernietigde_jaren: list[int]
    onbekend: int
