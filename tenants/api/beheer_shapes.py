"""The shapes of who administers: beheerders, keys, providers of identity, and mandates to administer."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, field_validator

from tenants.api.addresses import HttpsAdres
from tenants.api.resources import Nummer, Regel
from tenants.api.shapes import Reden, Shape
from tenants.written import Moment

Rol = Literal["operator", "beheerder", "auditor"]
Toestand = Literal["geldig", "ingetrokken", "verlopen"]
Algoritme = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
Kenmerk = Annotated[str, Field(min_length=1, max_length=200)]


class NieuweBeheerIdp(Shape):
    """A provider (OIDC) whose tokens let administrators in. Its issuer is this side's alone, and nothing of it is changed."""

    naam: Regel
    issuer: HttpsAdres
    jwks_url: HttpsAdres
    audience: Annotated[str, Field(pattern=r"^[!-~]{1,500}$", description="Wat in 'aud' moet staan.")]
    algoritmen: list[Algoritme] = Field(default=["RS256", "PS256", "ES256"], min_length=1, max_length=9)
    klokverschil: int = Field(default=30, ge=0, le=120, description="Seconden.")
    claim: Kenmerk = Field(default="sub", description="De claim die zegt wie het is, bijvoorbeeld sub of email.")


class BeheerIdp(Shape):
    """A provider as it stands."""

    nummer: int
    naam: str
    issuer: str
    jwks_url: str
    audience: str
    algoritmen: list[str]
    klokverschil: int
    claim: str
    beeindigd: bool


class BeheerIdps(Shape):
    beheer_idps: list[BeheerIdp]
    volgende: int | None


class NieuweBeheerder(Shape):
    """Somebody whom a provider names. An operator is one of the operator's; every other role is of a tenant."""

    idp: Nummer
    kenmerk: Kenmerk = Field(description="De waarde van de claim die deze idp voor beheerders gebruikt.")
    rol: Rol
    naam: Regel
    geldig_tot: Moment | None = None

    @field_validator("kenmerk")
    @classmethod
    def _printable(cls, kenmerk: str) -> str:
        if not kenmerk.isprintable():
            raise ValueError("Een kenmerk heeft geen stuurtekens.")
        return kenmerk


class Beheerder(Shape):
    """Somebody who administers. `nummer` is how the history names it: `rol/nummer`."""

    nummer: int
    idp: int
    kenmerk: str
    rol: Rol
    naam: str
    geldig_tot: AwareDatetime | None
    ingetrokken_op: AwareDatetime | None
    toestand: Toestand


class Beheerders(Shape):
    beheerders: list[Beheerder]
    volgende: int | None


class NieuweBeheersleutel(Shape):
    """A key for a machine: it opens the routes that are named by their operationId, and never one that makes administrators."""

    rol: Rol
    naam: Regel
    dagen: int = Field(ge=1, le=366)
    routes: list[Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9]{0,79}$")]] = Field(
        min_length=1,
        max_length=200,
        description="Wat de sleutel opent. Over voorstellen beslist hij alleen als 'besluit' ertussen staat.",
    )


class Beheersleutel(Shape):
    """A key, without its secret."""

    nummer: int
    rol: Rol
    naam: str
    routes: list[str] | None = Field(
        description="null: alles van de rol. Zo is alleen een sleutel van de opdrachtregel."
    )
    herkomst: Literal["persoon", "sleutel", "opdrachtregel"] = Field(
        description="Wie hem maakte: iemand die een identiteitsvoorziening noemt, een andere sleutel, of de operator op de opdrachtregel."
    )
    geldig_tot: AwareDatetime
    ingetrokken_op: AwareDatetime | None
    toestand: Toestand


class GemaakteBeheersleutel(Beheersleutel):
    """A key that was just made. Its secret is shown this once."""

    geheim: str


class Beheersleutels(Shape):
    beheersleutels: list[Beheersleutel]
    volgende: int | None


class NieuwBeheermandaat(Shape):
    """Let the operator (`aan` null) or another tenant's beheerders administer for this tenant: two years at most."""

    aan: Nummer | None = Field(default=None, description="Het nummer van de tenant; null of weggelaten: de operator.")
    reden: Reden
    geldig_tot: Moment


class Beheermandaat(Shape):
    """A mandate: `tenantId` gave it, `aan` (null: the operator) has it. Never as auditor, never for itself."""

    nummer: int
    tenant_id: int
    aan: int | None
    reden: str
    gegeven_door: str
    geldig_van: AwareDatetime
    geldig_tot: AwareDatetime
    ingetrokken_op: AwareDatetime | None
    toestand: Toestand


class Beheermandaten(Shape):
    beheermandaten: list[Beheermandaat]
    volgende: int | None


def toestand(until: datetime | None, withdrawn_at: datetime | None) -> Toestand:
    """How it stands now."""
    if withdrawn_at is not None:
        return "ingetrokken"
    return "verlopen" if until is not None and until <= datetime.now(UTC) else "geldig"
