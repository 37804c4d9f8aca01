"""Routes of header profiles: which headers of a taaksysteem say what. Those of the product itself have no route."""

import json
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, model_validator

from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BladzijdeOpNaam, name_in_path, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.endings import StillUsed, end_header_profile
from tenants.faults import InputRefused
from tenants.header_profiles import PROFILES, read_profile
from tenants.listings import HEADERPROFIELEN, change_row, find_row
from tenants.versions import hold_version

Kopregel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Rol = Literal["organisatie", "afnemerId", "gebruiker", "doelbinding", "verwerking", "toepassing", "correlatie"]
_ROLES: Final[dict[str, str]] = {
    "organisatie": "organisation", "afnemerId": "afnemer_id", "gebruiker": "user", "doelbinding": "doelbinding",
    "verwerking": "verwerking", "toepassing": "application", "correlatie": "correlation",
}  # fmt: skip
_CHARSETS: Final[dict[str, str]] = {"tekst": "text", "ascii": "ascii", "woord": "word"}


class Kopregels(Shape):
    """The headers that play a role. When several are sent they must say the same."""

    kopregels: list[Kopregel] = Field(default_factory=list, max_length=4)
    hoogstens: int | None = Field(default=None, ge=1, le=1000)
    tekens: Literal["tekst", "ascii", "woord"] | None = None
    verplicht: bool | None = None


class Profielinhoud(Shape):
    """What each role is said by. A role with null takes away the one of the profile that this one is based on."""

    gebaseerd_op: Literal["iconnect", "2secure", "centric", "amsterdam", "nlx", "none"] = "none"
    rollen: dict[Rol, Kopregels | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _usable(self) -> "Profielinhoud":
        try:
            read_profile("own", self.stored())
        except InputRefused:
            raise ValueError(
                "Dit profiel kan niet: elke rol heeft een kopregel, elke kopregel speelt één rol en is er geen van HTTP "
                "zelf, en niets is langer dan zijn rol toelaat."
            ) from None
        return self

    def stored(self) -> dict[str, Any]:
        """As the registry keeps it."""
        return {
            "based_on": self.gebaseerd_op,
            "roles": {_ROLES[rol]: None if one is None else _slot(one) for rol, one in self.rollen.items()},
        }


class NieuwProfiel(Profielinhoud):
    """An own profile with its name."""

    naam: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")

    @model_validator(mode="after")
    def _own_name(self) -> "NieuwProfiel":
        if self.naam in PROFILES:
            raise ValueError("Deze naam is van een profiel van het product zelf.")
        return self


class Headerprofiel(Shape):
    """An own header profile."""

    naam: str
    gebaseerd_op: str
    toestand: Literal["actief", "beeindigd"]
    rollen: dict[Rol, Kopregels | None]


class Headerprofielen(Shape):
    """A page; `volgende` is the name to go on from."""

    headerprofielen: list[Headerprofiel]
    volgende: str | None


def _slot(one: Kopregels) -> dict[str, Any]:
    named = {
        "headers": one.kopregels or None,
        "longest": one.hoogstens,
        "charset": None if one.tekens is None else _CHARSETS[one.tekens],
        "obligatory": one.verplicht,
    }
    return {name: value for name, value in named.items() if value is not None}


def _shape(row: Any) -> Headerprofiel:
    stored = json.loads(row["headers"])
    rollen = {stored_as: shown_as for shown_as, stored_as in _ROLES.items()}
    tekens = {stored_as: shown_as for shown_as, stored_as in _CHARSETS.items()}
    return Headerprofiel(
        naam=row["name"],
        gebaseerd_op=stored.get("based_on", "none"),
        toestand="actief" if row["state"] == "active" else "beeindigd",
        rollen={
            cast("Any", rollen[role]): None
            if one is None
            else Kopregels(
                kopregels=list(one.get("headers", ())),
                hoogstens=one.get("longest"),
                tekens=cast("Any", tekens.get(one.get("charset"))),
                verplicht=one.get("obligatory"),
            )
            for role, one in stored.get("roles", {}).items()
        },
    )


async def toon_headerprofielen(asked: Asked) -> Answer:
    """GET: the tenant's own header profiles by name."""
    return await show_page(asked, HEADERPROFIELEN, _shape, Headerprofielen, "headerprofielen")


async def toon_headerprofiel(asked: Asked) -> Answer:
    """GET: one header profile."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, HEADERPROFIELEN, _shape, name_in_path(asked, "naam"))


async def maak_headerprofiel(asked: Asked) -> Answer:
    """POST: make an own header profile."""
    new = cast("NieuwProfiel", asked.body)
    async with asked.scope() as connection:
        await connection.execute(
            "INSERT INTO registry.header_profile (tenant_id, name, headers) VALUES ($1, $2, $3::jsonb)",
            asked.tenant_id, new.naam, json.dumps(new.stored()),
        )  # fmt: skip
        return await show_one(asked, connection, HEADERPROFIELEN, _shape, new.naam, made="/v1/headerprofielen")


async def vervang_headerprofiel(asked: Asked) -> Answer:
    """PUT: give a profile other words. It holds for every taaksysteem that has it, from the next call on."""
    wanted, naam = cast("Profielinhoud", asked.body), name_in_path(asked, "naam")
    async with asked.scope() as connection:
        await hold_version(connection, "header_profile", asked.tenant_id, naam, asked.version)
        if (await find_row(connection, HEADERPROFIELEN, asked.tenant_id, naam))["state"] != "active":
            raise Refused(409, "beeindigd", "Dit headerprofiel is beëindigd.")
        changes = {"headers": json.dumps(wanted.stored())}
        await change_row(connection, HEADERPROFIELEN, asked.tenant_id, naam, asked.version, changes)
        return await show_one(asked, connection, HEADERPROFIELEN, _shape, naam)


async def beeindig_headerprofiel(asked: Asked) -> Answer:
    """DELETE: no taaksysteem may get this profile any more. 409, with their numbers, while taaksystemen have it."""
    naam = name_in_path(asked, "naam")
    async with asked.scope() as connection:
        await hold_version(connection, "header_profile", asked.tenant_id, naam, asked.version)
        try:
            await end_header_profile(connection, asked.tenant_id, naam)
        except StillUsed as used:
            numbers = ", ".join(map(str, used.users))
            raise Refused(
                409, "inGebruik", f"Deze taaksystemen hebben dit headerprofiel; geef ze eerst een ander: {numbers}."
            ) from None
    return Answer(204, None)


_ALL: Final = "/v1/headerprofielen"
_ONE: Final = "/v1/headerprofielen/{naam}"
HEADERPROFIEL_ROUTES: Final[tuple[Route, ...]] = (
    listed(
        _ALL, "headerprofielen", "De eigen headerprofielen.", toon_headerprofielen, Headerprofielen, query=BladzijdeOpNaam
    ),
    shown(_ONE, "headerprofiel", "Een headerprofiel.", toon_headerprofiel, Headerprofiel),
    made(_ALL, "maakHeaderprofiel", "Maak een headerprofiel.", maak_headerprofiel, NieuwProfiel, Headerprofiel),
    changed(
        _ONE, "vervangHeaderprofiel", "Vervang wat een headerprofiel zegt.", vervang_headerprofiel, Profielinhoud,
        Headerprofiel, method="PUT",
    ),
    ended(
        _ONE, "beeindigHeaderprofiel", "Beëindig een headerprofiel, voorgoed. Kan als geen taaksysteem het heeft.",
        beeindig_headerprofiel,
    ),
)  # fmt: skip
