"""The shapes of machtigingen: what a taaksysteem may ask over an aansluiting, for which purpose, on which ground."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import AwareDatetime, Field, StringConstraints, field_validator

from tenants.api.resources import Bladzijde, Nummer, Regel, Verandering
from tenants.api.shapes import Shape
from tenants.rights import BY_BESLUIT, Policy
from tenants.written import Moment

Woord = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Woorden = Annotated[list[Woord], Field(min_length=1, max_length=1000)]
Api = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
Tijd = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class Recht(Shape):
    """What may be asked of one API. What is left out is not restricted."""

    vraagsoorten: Woorden | None = None
    velden: Woorden | Literal["autorisatiebesluit"] | None = None
    handelingen: Woorden | None = None
    zoekbeperkingen: dict[Woord, Woorden] | None = Field(default=None, min_length=1)
    inclusief_overleden_personen: bool | None = None

    @field_validator("zoekbeperkingen")
    @classmethod
    def _of_parameters(cls, given: dict[str, list[str]] | None) -> dict[str, list[str]] | None:
        if given is not None and {"type", "fields"} & given.keys():
            raise ValueError("Een zoekbeperking noemt een zoekparameter, niet type of fields.")
        return given

    def stored(self) -> dict[str, Any]:
        """As the registry keeps it."""
        named = {
            "types": self.vraagsoorten,
            "fields": self.velden,
            "operations": self.handelingen,
            "restrict": self.zoekbeperkingen,
            "inclusiefOverledenPersonen": self.inclusief_overleden_personen,
        }
        return {name: value for name, value in named.items() if value is not None}


class Uren(Shape):
    """Hours of days, local time in the Netherlands. What passes midnight is two of these."""

    dagen: list[Literal["ma", "di", "wo", "do", "vr", "za", "zo"]] = Field(min_length=1, max_length=7)
    van: Tijd
    tot: Tijd

    @field_validator("tot")
    @classmethod
    def _after(cls, tot: str, info: Any) -> str:
        if "van" in info.data and tot <= info.data["van"]:
            raise ValueError("Het einde ligt na het begin; over middernacht heen zijn het er twee.")
        return tot


class Voorwaarden(Shape):
    """What every call must keep to."""

    gebruiker: bool = False
    rollen: Woorden | None = None
    uren: list[Uren] | None = Field(default=None, min_length=1, max_length=50)
    per_seconde: float | None = Field(default=None, ge=0.001, le=100_000)
    per_dag: int | None = Field(default=None, ge=1, le=1_000_000_000)

    def stored(self) -> dict[str, Any]:
        """As the registry keeps them."""
        hours = [{"days": list(one.dagen), "from": one.van, "until": one.tot} for one in self.uren or ()]
        named = {
            "user": self.gebruiker or None,
            "roles": self.rollen,
            "hours": hours or None,
            "rate": self.per_seconde,
            "daily_quota": self.per_dag,
        }
        return {name: value for name, value in named.items() if value is not None}


class Registerbeleid(Shape):
    """What the register leaves out. It is asked here, and holds when an auditor has granted it."""

    zonder_geheimhouding: bool = Field(
        default=False, description="Personen met geheimhouding niet doorgeven (alleen bij verstrekking aan derden)."
    )
    aantekening: Literal["ja", "nee"] = "ja"
    aantekening_artikel: Regel | None = None
    inzage: Literal["getoond", "geweigerd"] = "getoond"
    inzage_artikel: Regel | None = None

    def stored(self) -> Policy:
        """As the registry keeps it."""
        return Policy(
            leave_out_geheimhouding=self.zonder_geheimhouding,
            protocol_note="yes" if self.aantekening == "ja" else "no",
            protocol_note_article=self.aantekening_artikel,
            inzage="shown" if self.inzage == "getoond" else "refused",
            inzage_article=self.inzage_artikel,
        )


class GemachtigdTaaksysteem(Shape):
    """A taaksysteem; without `tenantId` one of the own tenant. Another tenant's needs a mandate."""

    nummer: Nummer
    tenant_id: Nummer | None = None


class NieuweMachtiging(Shape):
    """What a taaksysteem may do over an aansluiting. Its words never change: withdraw it and make another."""

    aansluiting: Nummer
    taaksysteem: GemachtigdTaaksysteem
    mandaat: Nummer | None = None
    doelbinding: Regel
    grondslag: Regel | None = None
    ontvanger: Regel | None = None
    verwerkingsactiviteit: Regel
    rechten: dict[Api, Recht] = Field(min_length=1)
    voorwaarden: Voorwaarden = Voorwaarden()
    geldig_van: Moment | None = None
    geldig_tot: Moment | None = None
    bsn_toevoegen: bool = False
    registerbeleid: Registerbeleid = Registerbeleid()


class MachtigingVerandering(Verandering):
    """Only when it ends may change."""

    geldig_tot: Moment | None = None


class Machtiging(Shape):
    """A machtiging of the tenant's aansluiting, or one that a taaksysteem of the tenant has of another."""

    nummer: int
    tenant_id: int = Field(description="De tenant van de afnemer, van wie de machtiging is.")
    aansluiting: int
    taaksysteem: GemachtigdTaaksysteem
    mandaat: int | None
    doelbinding: str
    grondslag: str
    ontvanger: str
    verwerkingsactiviteit: str
    rechten: dict[str, Recht]
    voorwaarden: Voorwaarden
    geldig_van: AwareDatetime | None
    geldig_tot: AwareDatetime | None
    ingetrokken_op: AwareDatetime | None
    bsn_toevoegen: bool
    registerbeleid: Registerbeleid
    beleid_gevraagd_door: str | None
    beleid_toegekend_door: str | None = Field(description="Zonder toekenning legt het register alles vast.")


class Machtigingen(Shape):
    """A page; `volgende` is the number to go on from."""

    machtigingen: list[Machtiging]
    volgende: int | None


class MachtigingenVraag(Bladzijde):
    """A page of machtigingen, or of those over one aansluiting or of one taaksysteem."""

    aansluiting: int | None = Field(default=None, ge=1, le=2**62)
    taaksysteem: int | None = Field(default=None, ge=1, le=2**62)


def read_recht(stored: Mapping[str, Any]) -> Recht:
    """A right as the API shows it."""
    fields = stored.get("fields")
    return Recht.model_construct(
        vraagsoorten=stored.get("types"),
        velden=fields if fields is None or fields == BY_BESLUIT else list(fields),
        handelingen=stored.get("operations"),
        zoekbeperkingen=stored.get("restrict"),
        inclusief_overleden_personen=stored.get("inclusiefOverledenPersonen"),
    )


def read_voorwaarden(stored: Mapping[str, Any]) -> Voorwaarden:
    """Conditions as the API shows them."""
    return Voorwaarden.model_construct(
        gebruiker=stored.get("user", False),
        rollen=stored.get("roles"),
        uren=[
            Uren.model_construct(dagen=one["days"], van=one["from"], tot=one["until"])
            for one in stored.get("hours") or ()
        ]
        or None,
        per_seconde=stored.get("rate"),
        per_dag=stored.get("daily_quota"),
    )


def read_registerbeleid(row: Mapping[str, Any]) -> Registerbeleid:
    """What the register leaves out, as the API shows it."""
    return Registerbeleid(
        zonder_geheimhouding=row["leave_out_geheimhouding"],
        aantekening=cast("Any", "ja" if row["protocol_note"] == "yes" else "nee"),
        aantekening_artikel=row["protocol_note_article"],
        inzage=cast("Any", "getoond" if row["inzage"] == "shown" else "geweigerd"),
        inzage_artikel=row["inzage_article"],
    )
