"""The shapes of what an auditor checks: samples, unusual use, and the reach of a data breach."""

from datetime import date, time, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from tenants.api.register_shapes import Periode, Protocolregel, TaaksysteemVan, Vingerafdruk
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape
from tenants.inzage.gebruik_rows import LONGEST as LONGEST_GEBRUIK
from tenants.inzage.steekproeven import LONGEST as LONGEST_STEEKPROEF
from tenants.inzage.steekproeven import MOST as MOST_STEEKPROEF

Oordeel = Literal["ja", "nee", "niet_vast_te_stellen"]


def _at_most(longest: timedelta) -> AfterValidator:
    def check(periode: Periode) -> Periode:
        if periode.tot - periode.van > longest:
            raise ValueError(f"De periode is hoogstens {longest.days} dagen.")
        return periode

    return AfterValidator(check)


class NieuweSteekproef(Shape):
    """Draw at random from the calls of a period; each has the same chance."""

    periode: Annotated[Periode, _at_most(LONGEST_STEEKPROEF)]
    aantal: int = Field(ge=1, le=MOST_STEEKPROEF)
    reden: Reden


class NieuwOordeel(Shape):
    """Whether one call was for a task."""

    protocolregel: UUID
    oordeel: Oordeel
    toelichting: Reden | None = None

    @model_validator(mode="after")
    def _is_explained(self) -> Self:
        if self.oordeel != "ja" and self.toelichting is None:
            raise ValueError("Een ander oordeel dan ja heeft een toelichting.")
        return self


class Beoordeling(Shape):
    """One verdict. A later one stands beside an earlier one."""

    protocolregel: UUID
    oordeel: Oordeel
    toelichting: str | None
    op: AwareDatetime
    door: str


class Steekproef(Shape):
    """A sample: `omvang` calls were drawn from. `teBeoordelen` have no verdict yet."""

    nummer: int
    op: AwareDatetime
    door: str
    lezing: int
    vraag: Literal["Was dit voor een taak?"] = "Was dit voor een taak?"
    periode: Periode
    omvang: int
    protocolregels: list[UUID]
    te_beoordelen: int
    uitslag: dict[Oordeel, int]
    beoordelingen: list[Beoordeling]


class Steekproeven(Shape):
    """A page of samples, newest first."""

    steekproeven: list[Steekproef]
    volgende: int | None


class SteekproevenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen steekproeven met een lager nummer.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)


class LezingVraag(Shape):
    """Read the calls of a sample with what they hold: to judge them one must see them."""

    reden: Reden


class Regels(Shape):
    """Calls, opened."""

    protocolregels: list[Protocolregel]


class Werktijd(Shape):
    """When work is done, in the Netherlands; 1 is Monday."""

    van: time = time(7)
    tot: time = time(19)
    dagen: list[Annotated[int, Field(ge=1, le=7)]] = Field(default=[1, 2, 3, 4, 5], max_length=7)

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        # First the zone: a time with one cannot be compared with a time without.
        if self.van.tzinfo is not None or self.tot.tzinfo is not None or self.van >= self.tot:
            raise ValueError("'van' moet voor 'tot' liggen; tijden zijn die van Nederland, zonder tijdzone.")
        return self


Nummer = Annotated[
    str,
    Field(
        pattern=r"^([0-9]{9}|[1-9][0-9]{9})$",
        description="Een burgerservicenummer of een A-nummer; sommige berichten kennen iemand alleen bij A-nummer.",
    ),
]


class GebruiksrapportVraag(Shape):
    """What to look for. Both lists are read once and never kept."""

    periode: Annotated[Periode, _at_most(LONGEST_GEBRUIK)]
    reden: Reden
    collegas: list[Nummer] = Field(default=[], max_length=3_000, repr=False)
    publieke_figuren: list[Nummer] = Field(default=[], max_length=3_000, repr=False)
    werktijd: Werktijd = Werktijd()
    buiten_werktijd_vanaf: int = Field(default=1, ge=1, le=1_000_000)
    volume_factor: float = Field(default=5.0, ge=1.5, le=1_000.0)
    volume_vanaf: int = Field(default=50, ge=1, le=1_000_000)
    gebruikers_per_persoon: int = Field(default=5, ge=2, le=10_000)


class GebruikerVan(Shape):
    """A user of a taaksysteem; `gebruiker` is null when the taaksysteem names none, or the name does not open."""

    tenant_id: int
    taaksysteem_id: int
    gebruiker: str | None


class GeraadpleegdePersoon(Shape):
    """Who asked about a person of a list."""

    lijst: Literal["collegas", "publiekeFiguren"]
    burgerservicenummer: str | None
    a_nummer: str | None
    door: GebruikerVan
    aantal: int
    laatste: AwareDatetime
    protocolregels: list[UUID]


class BuitenWerktijd(Shape):
    """Use outside working time."""

    door: GebruikerVan
    aantal: int
    van_totaal: int
    dagen: int


class Uitschieter(Shape):
    """A day with many more calls than the median one; `gebruiker` in `door` is null for the whole taaksysteem."""

    door: GebruikerVan
    dag: date
    aantal: int
    mediaan: float
    protocolregels: list[UUID]


class DoorVelen(Shape):
    """A person about whom many users asked; null when the number cannot be opened any more."""

    persoon: str | None
    gebruikers: int
    aantal: int


class Gebruiksrapport(Shape):
    """Findings, each a question to ask and never a verdict; the largest first, and of each kind how many there are."""

    lezing: int
    periode: Periode
    geraadpleegd: list[GeraadpleegdePersoon]
    pogingen: list[GeraadpleegdePersoon] = Field(
        description="Wie naar iemand van een lijst vroeg en niets kreeg: geweigerd, niet verzonden, niet beantwoord, geen treffer."
    )
    pogingen_vanaf: AwareDatetime = Field(
        description="Vanaf dit moment zijn pogingen doorzocht; later dan het begin van de periode als het er te veel zijn."
    )
    buiten_werktijd: list[BuitenWerktijd]
    uitschieters: list[Uitschieter]
    door_velen: list[DoorVelen]
    aantallen: dict[str, int]
    vernietigde_jaren: list[int]


class DatalekVraag(Shape):
    """What was used wrongly, and when. First `aantal`: how much it is; then `json` or `csv`: who."""

    periode: Periode
    reden: Reden
    taaksysteem: TaaksysteemVan | None = None
    gebruiker: str | None = Field(default=None, min_length=1, max_length=500, repr=False)
    certificaat: Vingerafdruk | None = None
    vorm: Literal["aantal", "json", "csv"] = "aantal"

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if self.taaksysteem is None and self.gebruiker is None and self.certificaat is None:
            raise ValueError("Geef een taaksysteem, een gebruiker, een certificaat, of meer daarvan.")
        return self


class BereiktePersoon(Shape):
    """One person: how often data were given, only came in, or may have been given."""

    burgerservicenummer: str | None
    a_nummer: str | None
    verstrekt: int
    alleen_opgehaald: int
    mogelijk_verstrekt: int
    eerste: AwareDatetime
    laatste: AwareDatetime
    gegevens: list[str]


class Datalekrapport(Shape):
    """Who was reached. With `aantal` nobody is named, and `personen` counts a person once per call."""

    lezing: int
    vorm: Literal["aantal", "json"]
    periode: Periode
    bevragingen: int
    personen: int
    zonder_nummer: int
    zonder_afsluiting: int
    uitkomst_onbekend: int = Field(
        description="Bevragingen waarvan niet bekend is wat RvIG ermee deed: zonder afsluiting, of verzonden en niet beantwoord."
    )
    onbekend_over_wie: int | None = Field(
        description="Daarvan: de vraag noemt niemand bij nummer, dus zij kan over iedereen gaan. Null zolang niets geopend is."
    )
    niet_te_openen: int
    vernietigde_jaren: list[int]
    bereikt: list[BereiktePersoon] | None
