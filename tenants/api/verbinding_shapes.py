"""Shapes of verbindingstesten, standen at RvIG, and credentials. A secret comes in and never goes out."""

from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from tenants.api.resources import AfnemerId, Bladzijde, Nummer, Omgeving, Verandering
from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape, one_line
from tenants.written import Moment

Api = Literal["personen", "bewoningen", "verblijfplaatshistorie", "reisdocumenten", "berichten"]


class NieuweVerbindingstest(Shape):
    """What to test. Without certificate or credential it is what the aansluiting uses."""

    certificaat: Nummer | None = Field(default=None, description="Een klaargezet certificaat van dezelfde organisatie.")
    credential: Nummer | None = Field(
        default=None, description="Een andere credential van dezelfde afnemer en omgeving."
    )
    apis: list[Api] = Field(default=["personen"], min_length=1, max_length=5)

    @field_validator("apis")
    @classmethod
    def _once(cls, apis: list[Api]) -> list[Api]:
        if len(set(apis)) != len(apis):
            raise ValueError("Noem elke API één keer.")
        return apis


class Verbindingsstap(Shape):
    """One step: how it went, who must act, and what was seen."""

    nummer: int
    op: AwareDatetime
    naam: Literal["gegevens", "naam", "tcp", "servercertificaat", "clientcertificaat", "token", "claims", "probe"]
    uitslag: Literal["goed", "let_op", "fout", "overgeslagen"]
    wie: Literal["niemand", "tenant", "operator", "rvig", "leverancier"] = Field(description="Wie iets moet doen.")
    tekst: str
    gezien: dict[str, Any]
    milliseconden: int


class Verbindingstest(Shape):
    """A test as it stands, with the steps so far."""

    nummer: int
    aansluiting: int
    certificaat: int
    credential: int
    apis: list[Api]
    gevraagd_door: str
    gevraagd_op: AwareDatetime
    toestand: Literal["gevraagd", "bezig", "geslaagd", "mislukt", "afgebroken"]
    geeindigd_op: AwareDatetime | None
    stappen: list[Verbindingsstap]


class Verbindingstesten(Shape):
    """A page of tests, newest first, without their steps; `volgende` is the number to go on from."""

    verbindingstesten: list[Verbindingstest]
    volgende: int | None


class VerbindingstestenVraag(QueryShape):
    voor: int | None = Field(default=None, ge=1, le=2**62, description="Alleen tests met een lager nummer.")
    aantal: int = Field(default=20, ge=1, le=MOST_ROWS)


class Stand(Shape):
    """What RvIG says of an aansluiting as a whole: that it has shut it out."""

    soort: Literal["accountGeblokkeerd", "toegangGeweigerd"]
    plaats: Literal["token", "api"]
    status: int
    code: str
    credential: int
    sinds: AwareDatetime
    laatst: AwareDatetime
    keren: int
    volgende_poging: AwareDatetime = Field(
        description="Vanaf wanneer één bevraging voorzichtig mag proberen of het voorbij is."
    )


class Standen(Shape):
    """Empty when RvIG has nothing against the aansluiting, as far as is known here."""

    standen: list[Stand]


class NieuweCredential(Shape):
    """A client-ID with its secret, as RvIG gave it. It is staged: tried first, then activated."""

    afnemer_id: AfnemerId
    omgeving: Omgeving
    account: str = Field(default="", max_length=100)
    client_id: str = Field(pattern=r"^[!-~]{1,200}$")
    secret: str = Field(min_length=1, max_length=1000, repr=False, json_schema_extra={"writeOnly": True})
    authenticatie: Literal["body", "basic"] = "body"
    secret_geldig_tot: Moment | None = Field(default=None, description="Als RvIG zei wanneer het secret verloopt.")

    @field_validator("secret", "account")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return one_line(text) if text else text


class CredentialVerandering(Verandering):
    """When RvIG says that the secret ends; nothing else of a credential changes."""

    secret_geldig_tot: Moment | None = None


class Credential(Shape):
    """A credential without its secret, which nothing ever returns."""

    nummer: int
    afnemer_id: str
    omgeving: str
    account: str
    client_id: str
    authenticatie: Literal["body", "basic"]
    toestand: Literal["klaargezet", "actief", "uitfaserend", "vervallen"]
    aansluitingen: list[int]
    geprobeerd_op: AwareDatetime | None = Field(description="Wanneer een test met dit secret laatst slaagde.")
    secret_geldig_tot: AwareDatetime | None


class Credentials(Shape):
    """A page of credentials; `volgende` is the number to go on from."""

    credentials: list[Credential]
    volgende: int | None


class CredentialsVraag(Bladzijde):
    pass


class Poging(Shape):
    """Over which aansluiting to try."""

    aansluiting: Nummer


class CredentialActivering(Shape):
    """Which aansluiting is to use it. Without a try that succeeded in the last 24 hours: only with `reden`."""

    aansluiting: Nummer
    zonder_poging: bool = False
    reden: Reden | None = None

    @model_validator(mode="after")
    def _with_reason(self) -> Self:
        if self.zonder_poging != (self.reden is not None):
            raise ValueError("Zonder poging activeren kan alleen met een reden, en een reden hoort daar alleen bij.")
        return self
