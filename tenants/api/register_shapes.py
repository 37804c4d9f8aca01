"""The shapes of searching the register: what an auditor asks, and what a row of the register tells."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape
from tenants.written import Moment


class Periode(Shape):
    """From `van` until `tot`, which is not in it."""

    van: Moment
    tot: Moment

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.van >= self.tot:
            raise ValueError("'van' moet voor 'tot' liggen.")
        return self


Rubriek = Annotated[str, Field(pattern=r"^[0-9A-Z]{6}$")]
Burgerservicenummer = Annotated[str, Field(pattern=r"^[0-9]{9}$")]
AdministratieNummer = Annotated[str, Field(pattern=r"^[1-9][0-9]{9}$")]
Vingerafdruk = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 van het certificaat, hexadecimaal.")
]
Uitkomst = Literal["beantwoord", "niet_beantwoord", "niet_verzonden", "geweigerd", "uitkomst_onbekend"]


Oorzaak = Literal["loopt_nog", "blijft_open", "database_herstart", "schrijver_verloren", "rvig_antwoordt_niet"]


class TaaksysteemVan(Shape):
    """A taaksysteem by its tenant and its number."""

    tenant_id: int = Field(ge=1, le=2**62)
    taaksysteem_id: int = Field(ge=1, le=2**62)


class Zoekvraag(Shape):
    """A search in the own register: by person, by period, or both. It is itself recorded, with its reason.

    Everything else leaves out what does not fit. A user is searched within a period, or among the calls about a person.
    """

    burgerservicenummer: Burgerservicenummer | None = Field(default=None, repr=False)
    a_nummer: AdministratieNummer | None = Field(
        default=None,
        repr=False,
        description="Sommige berichten kennen iemand alleen bij A-nummer; geef zo mogelijk beide nummers.",
    )
    periode: Periode | None = None
    reden: Reden
    taaksysteem: TaaksysteemVan | None = None
    gebruiker: str | None = Field(default=None, min_length=1, max_length=500, repr=False)
    certificaat: Vingerafdruk | None = None
    doelbinding: str | None = Field(default=None, min_length=1, max_length=500)
    rubrieken: list[Rubriek] | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="Alleen bevragingen waarin een van deze rubrieken, of iets dat ervan is afgeleid, werd gevraagd of "
        "in een bericht stond.",
    )
    uitkomst: Uitkomst | None = None
    ook_gevraagd: bool = Field(
        default=False,
        description="Bij een persoon: ook bevragingen die naar die persoon vroegen en over niemand iets vertelden (geweigerd, niet "
        "verzonden, niet beantwoord, zonder treffer). Daarvoor worden de vragen van zulke bevragingen geopend. Bij een andere "
        "uitkomst dan beantwoord gebeurt dat altijd.",
    )
    inhoud: bool = Field(default=False, description="Ook openen wat verzegeld is: vraag, antwoord, gebruiker.")
    voor: UUID | None = Field(default=None, description="Verder zoeken vanaf 'volgende' van het vorige antwoord.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        by_person = self.burgerservicenummer is not None or self.a_nummer is not None
        if not by_person and self.periode is None:
            raise ValueError("Zoek op burgerservicenummer, A-nummer, periode, of een persoon in een periode.")
        if self.ook_gevraagd and not by_person:
            raise ValueError("'ookGevraagd' hoort bij een burgerservicenummer of A-nummer.")
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
    uitkomst: Uitkomst
    oorzaak: Oorzaak | None = Field(
        description="Waarom niet bekend is wat RvIG met de bevraging deed, of null. RvIG kan haar hebben vastgelegd."
    )
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
    inzage_geweigerd: str | None = Field(
        description="Op grond waarvan de betrokkene hiervan geen mededeling krijgt (Besluit BRP 46), of null."
    )
    afsluiting: Afsluiting | None
    inhoud: Inhoud | None


class Protocolregels(Shape):
    """What a search found, newest first."""

    lezing: int = Field(description="Het nummer waaronder deze zoekvraag is vastgelegd.")
    protocolregels: list[Protocolregel]
    volgende: UUID | None
    vernietigde_jaren: list[int] = Field(description="Jaren waarin niet gezocht kan worden: de sleutel is vernietigd.")
    zonder_afsluiting: int = Field(
        description="Bevragingen in deze periode zonder afsluiting, over wie ook; met ookGevraagd worden hun vragen doorzocht."
    )
    uitkomst_onbekend: int = Field(
        description="Bevragingen in deze periode waarvan niet bekend is wat RvIG ermee deed, over wie ook: zonder afsluiting, of "
        "verzonden en niet beantwoord."
    )
    niet_vast_te_stellen: int | None = Field(
        description="Van zoveel bevragingen tot en met 'volgende' noemt de vraag niemand bij nummer, of is zij niet te openen; zij "
        "kunnen over deze persoon gaan. Null: er zijn geen vragen geopend."
    )


class OnbekendeUitkomst(Shape):
    """A call of which nobody here knows what RvIG did with it. No personal data: what it was about is searched for."""

    id: UUID = Field(description="De protocolregel; te lezen met een zoekvraag.")
    geopend_op: AwareDatetime
    gesloten_op: AwareDatetime | None = Field(description="Null: er is geen afsluiting.")
    oorzaak: Oorzaak
    code: str | None
    schrijver: int
    gateway: str | None


class OnbekendeUitkomstenVraag(QueryShape):
    """Which period; without one: the last thirty days."""

    van: Moment | None = None
    tot: Moment | None = None
    voor: UUID | None = Field(default=None, description="Verder vanaf 'volgende' van het vorige antwoord.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.van is not None and self.tot is not None and self.van >= self.tot:
            raise ValueError("'van' moet voor 'tot' liggen.")
        return self


class OnbekendeUitkomsten(Shape):
    """Newest first."""

    onbekende_uitkomsten: list[OnbekendeUitkomst]
    volgende: UUID | None
