"""The shapes of destruction: proofs, what would go, stops, and the end of a contract."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from tenants.api.register_shapes import AdministratieNummer, Burgerservicenummer, Periode
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape
from tenants.written import Dag, Moment

Soort = Literal["protocolregels", "lezingen", "inzageverzoeken", "steekproeven", "jaarsleutel"]
Toestand = Literal["bezig", "vernietigd_buiten_back-ups", "vernietigd"]


class Vernietiging(Shape):
    """A destruction with its proof. `vernietigd` only when the last back-up that can hold it has expired (`backupsTot`)."""

    nummer: int
    soort: Soort
    toestand: Toestand
    grond: Literal["bewaartermijn", "contracteinde"]
    bewaartermijn_jaren: int
    van: Moment
    tot: Moment
    begonnen_op: Moment
    afgerond_op: Moment | None
    backups_tot: Moment | None
    rijen: int
    openingen: int | None
    afsluitingen: int | None
    personen: int | None
    gegevenssleutels: int | None
    sleutel: str | None = Field(description="SHA-256 van de publieke sleutel van het jaar.")
    bladeren: str = Field(description="De bladeren van de boom zonder rij: [eerste,na laatste).")
    wijzigingen: list[int] = Field(description="De wijzigingen die als bewijs in de boom staan.")


class Vernietigingen(Shape):
    vernietigingen: list[Vernietiging]
    volgende: int | None


class VernietigingenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen vernietigingen met een lager nummer.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)


class Voorgenomen(Shape):
    """What goes from `vanaf` on, and how much of it a stop holds."""

    soort: Soort
    maand: date = Field(description="Eerste dag van de maand; bij een sleutel van het jaar.")
    vanaf: Moment
    rijen: int
    openingen: int
    afsluitingen: int
    personen: int
    vastgehouden: int


class VoorgenomenVernietigingen(Shape):
    tot: date
    voorgenomen: list[Voorgenomen]


class VoorgenomenVraag(QueryShape):
    tot: Dag | None = Field(default=None, description="Tot en met deze dag; anders een jaar vooruit.")


class StopStap(Shape):
    op: Moment
    door: str
    soort: Literal["opheffing_gevraagd", "geweigerd", "opgeheven"]
    reden: str


class Vernietigingsstop(Shape):
    """A stop. About whom it is, is not shown; in the register stands only an index of each year."""

    nummer: int
    op: Moment
    door: str
    reden: str
    van: Moment | None
    tot: Moment | None
    over_persoon: bool
    staat: bool
    stappen: list[StopStap]


class Vernietigingsstops(Shape):
    vernietigingsstops: list[Vernietigingsstop]


class NieuweVernietigingsstop(Shape):
    """What may not be destroyed: everything, a period, or the calls about one person until now."""

    reden: Reden
    periode: Periode | None = None
    burgerservicenummer: Burgerservicenummer | None = Field(default=None, repr=False)
    a_nummer: AdministratieNummer | None = Field(default=None, repr=False)

    @property
    def about_person(self) -> bool:
        return self.burgerservicenummer is not None or self.a_nummer is not None


class GezetteVernietigingsstop(Shape):
    nummer: int
    vernietigde_jaren: list[int] = Field(
        description="Jaren waarvan de sleutel al vernietigd is: daarin is niemand te vinden."
    )


class NieuweStopStap(Shape):
    """Lifting takes two: one asks, another grants or refuses."""

    soort: Literal["opheffing_gevraagd", "geweigerd", "opgeheven"]
    reden: Reden


class ContracteindeStap(Shape):
    op: Moment
    door: str
    soort: Literal["begonnen", "geexporteerd", "ontvangen", "bevestigd", "meebevestigd", "ingetrokken", "voltooid"]
    archief: str | None = Field(description="SHA-256 van het archief.")
    toelichting: str | None


class Contracteinde(Shape):
    stappen: list[ContracteindeStap]


class ContracteindeBevestiging(Shape):
    """The word of an auditor, and of another of the tenant, that everything may be destroyed; or that it may not (any more)."""

    besluit: Literal["bevestigd", "meebevestigd", "ingetrokken"]
    archief: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 van het ontvangen archief."
    )
    reden: Reden

    @model_validator(mode="after")
    def _names_the_archive(self) -> Self:
        if (self.besluit == "ingetrokken") != (self.archief is None):
            raise ValueError("Een bevestiging noemt het archief; een intrekking niet.")
        return self
