"""The shapes of aansluitingen: the identity that a call leaves with, what is missing of it, and its steps."""

from typing import Any, Literal, cast

from pydantic import AwareDatetime, Field, field_validator

from tenants.api.resources import AfnemerId, Nummer, Oin, Omgeving, Regel, Verandering
from tenants.api.shapes import Shape
from tenants.written import Dag, Moment

Patroon = Literal["standaard", "saas", "delegatie", "gezamenlijk-personeel", "koppelpunt"]
Toestand = Literal["concept", "proef", "productie", "geblokkeerd", "beeindigd"]
Stapnaam = Literal[
    "autorisatiebesluit", "certificaat_naar_rvig", "inloggegevens_ontvangen", "proef_getest", "productie_akkoord"
]  # fmt: skip


Planstap = Literal[
    "autorisatiebesluit", "contract", "verwerkersovereenkomst", "convenant", "certificaat", "certificaat_naar_rvig",
    "inloggegevens_ontvangen", "proef_getest", "controlebestemming", "contacten", "productie_akkoord",
]  # fmt: skip
"""The steps of `tenants.stappenplan`; the beheerder ticks those of Stapnaam."""


class NieuweAansluiting(Shape):
    """A new one is a concept: it lets nothing through. Certificate and credential may follow."""

    afnemer_id: AfnemerId
    oin: Oin = Field(description="De OIN van de organisatie van de afnemer.")
    omgeving: Omgeving
    patroon: Patroon = "standaard"
    certificaat: Nummer | None = None
    credential: Nummer | None = None
    uitzondering: Nummer | None = None
    scope_sjabloon: Regel | None = None
    resource_server: Regel | None = None
    geldig_van: Moment | None = None
    geldig_tot: Moment | None = None


class AansluitingVerandering(Verandering):
    """`toestand` moves it on. Certificate, credential and exception are set here for a concept only."""

    toestand: Toestand = Field(default=cast("Any", None))
    certificaat: Nummer | None = None
    credential: Nummer | None = None
    uitzondering: Nummer | None = None
    scope_sjabloon: Regel | None = None
    resource_server: Regel | None = None
    geldig_van: Moment | None = None
    geldig_tot: Moment | None = None


class Bevinding(Shape):
    """Something that is not as it must be. `ernst` stopt: no call is let through; `uiterlijk` is until when it holds."""

    code: str
    tekst: str
    wie: str
    ernst: Literal["stopt", "waarschuwt"]
    uiterlijk: AwareDatetime | None


class GezetteStap(Shape):
    """A step of the stappenplan that was done."""

    stap: Stapnaam
    op: Dag
    opmerking: Regel | None = None


class Ontbreekt(Shape):
    """A step of the stappenplan that is not taken yet."""

    stap: Planstap
    tekst: str


class Aansluiting(Shape):
    """The identity that a call leaves with."""

    nummer: int
    afnemer_id: str
    oin: str
    omgeving: str
    patroon: Patroon
    toestand: Toestand
    certificaat: int | None
    credential: int | None
    uitzondering: int | None
    houder_tenant_id: int | None = Field(description="Van wie het certificaat is, als het geleend is.")
    scope_sjabloon: str | None
    resource_server: str | None
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None


class AansluitingMetBevindingen(Aansluiting):
    """One aansluiting, with what its pattern still wants and what of the stappenplan is done."""

    bevindingen: list[Bevinding]
    stappen: list[GezetteStap]
    ontbreekt: list[Ontbreekt]


class Aansluitingen(Shape):
    """A page; `volgende` is the number to go on from."""

    aansluitingen: list[Aansluiting]
    volgende: int | None


class Stappen(Shape):
    """All steps that were done: what is left out is not done."""

    stappen: list[GezetteStap] = Field(max_length=5)

    @field_validator("stappen")
    @classmethod
    def _once(cls, stappen: list[GezetteStap]) -> list[GezetteStap]:
        if len({one.stap for one in stappen}) != len(stappen):
            raise ValueError("Elke stap staat er hoogstens één keer.")
        return stappen
