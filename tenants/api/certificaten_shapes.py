"""The shapes of certificates: what is taken in, and what is shown. A private key goes in and never comes out."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Base64Bytes, ConfigDict, Field, field_validator

from tenants.api.shapes import MOST_ROWS, QueryShape, Reden, Shape

Toestand = Literal["aangevraagd", "klaargezet", "actief", "uitlopend", "uitgefaseerd", "ingetrokken"]
OinText = Annotated[str, Field(pattern=r"^000000[0-9]{2}[0-9A-Z]{9}000$", description="OIN van de organisatie.")]
Pem = Annotated[str, Field(min_length=1, max_length=48_000, description="PEM; in willekeurige volgorde.")]
Wachtwoord = Annotated[str, Field(max_length=1_000)]
HostName = Annotated[
    str, Field(max_length=64, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$")
]


class CertificatenVraag(QueryShape):
    na: int = Field(default=0, ge=0, le=2**62, description="Alleen certificaten met een hoger nummer.")
    aantal: int = Field(default=100, ge=1, le=MOST_ROWS)


class NieuweAanvraag(Shape):
    """A key is made inside, and a request (CSR) to take to the PKIo supplier."""

    oin: OinText
    organisatie: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$",
        description="De abonnee (O) zoals die bij de leverancier staat; zonder is het de naam van de organisatie hier.",
    )  # fmt: skip
    hostnamen: list[HostName] | None = Field(
        default=None, min_length=1, max_length=10,
        description="DNS-namen; de eerste is ook de CN. Zonder zijn het die van dit koppelpunt.",
    )  # fmt: skip
    sleutel: Literal["rsa3072", "rsa4096", "p256", "p384"] = "rsa3072"


class Keten(Shape):
    """The issued certificate with its chain."""

    certificaten: Pem


class PemPaar(Shape):
    """A certificate with chain and private key, each in PEM."""

    oin: OinText
    certificaten: Pem
    sleutel: str = Field(min_length=1, max_length=16_000, repr=False)
    wachtwoord: Wachtwoord | None = Field(default=None, repr=False)


class Pkcs12(Shape):
    """A PKCS#12 file, in base64."""

    model_config = ConfigDict(strict=False)

    oin: OinText
    bestand: Base64Bytes = Field(min_length=1, max_length=60_000, repr=False)
    wachtwoord: Wachtwoord | None = Field(default=None, repr=False)


class Activering(Shape):
    """For which aansluitingen: these, or all of the certificate's organisation."""

    aansluitingen: list[Annotated[int, Field(ge=1, le=2**62)]] | Literal["alle"]
    reden: Reden | None = Field(
        default=None,
        description="Waarom het nu moet, zonder geslaagde verbindingstest of met een hostnaam die niet klopt. Blijft in de "
        "geschiedenis staan.",
    )

    @field_validator("aansluitingen")
    @classmethod
    def _some(cls, given: Any) -> Any:
        if not given or len(given) > 1_000:
            raise ValueError("Noem 1 tot 1000 aansluitingen, of 'alle'.")
        return given


class Intrekking(Shape):
    """Why nothing may leave with a certificate any more."""

    reden: Reden


class Waarschuwing(Shape):
    code: str
    tekst: str


class Certificaat(Shape):
    """A certificate; everything but its key."""

    nummer: int
    oin: str
    toestand: Toestand
    herkomst: Literal["aanvraag", "ingebracht"]
    vingerafdruk: str | None
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None
    aansluitingen: list[int]
    intrekking: str | None
    activeringsreden: str | None = Field(description="Waarom het is geactiveerd zonder wat daarvoor nodig is.")
    uitgefaseerd_op: AwareDatetime | None
    sleutel_vernietigd_op: AwareDatetime | None
    waarschuwingen: list[Waarschuwing] = Field(
        description="Wat er nu over te zeggen is; het inbrengen zegt ook of de intrekking kon worden nagegaan."
    )


class Certificaten(Shape):
    """A page of certificates by number; `volgende` is the number to go on from."""

    certificaten: list[Certificaat]
    volgende: int | None


class Veranderd(Shape):
    """A certificate, and the aansluitingen that were changed."""

    certificaat: Certificaat
    veranderd: list[int]
