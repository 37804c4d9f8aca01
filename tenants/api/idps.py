"""Routes of IDPs: the tenant's own OIDC providers, whose tokens may let its taaksystemen in."""

from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field

from tenants.api.addresses import HttpsAdres
from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import Regel, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.caller_keys import NewIdp, end_idp, put_idp
from tenants.listings import IDPS, change_row, find_row
from tenants.versions import hold_version

Zichtbaar = Annotated[str, Field(pattern=r"^[!-~]+$", max_length=500)]
Algoritme = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
Algoritmen = Annotated[list[Algoritme], Field(min_length=1, max_length=9)]
Speling = Annotated[int, Field(ge=0, le=120, description="Hoeveel seconden klokken mogen verschillen.")]
_COLUMNS: Final = {
    "naam": "name", "issuer": "issuer", "jwks_url": "jwks_url", "audience": "audience", "algoritmen": "algorithms",
    "klokverschil": "clock_skew_seconds", "claim_taaksysteem": "claim_taaksysteem", "claim_gebruiker": "claim_user",
    "claim_rollen": "claim_roles", "claim_afnemer_id": "claim_afnemer_id",
}  # fmt: skip


class NieuweIdp(Shape):
    """An OIDC provider. An issuer is one tenant's; a claim that is left out is not looked at."""

    naam: Regel
    issuer: HttpsAdres
    jwks_url: HttpsAdres
    audience: Zichtbaar
    algoritmen: Algoritmen = Field(default_factory=lambda: cast("list[Algoritme]", ["RS256", "PS256", "ES256"]))
    klokverschil: Speling = 30
    claim_taaksysteem: Regel = "azp"
    claim_gebruiker: Regel | None = None
    claim_rollen: Regel | None = None
    claim_afnemer_id: Regel | None = None


class IdpVerandering(Verandering):
    """A change of who may be let in: every taaksysteem that leans on it is let in anew."""

    naam: Regel = Field(default=cast("Any", None))
    issuer: HttpsAdres = Field(default=cast("Any", None))
    jwks_url: HttpsAdres = Field(default=cast("Any", None))
    audience: Zichtbaar = Field(default=cast("Any", None))
    algoritmen: Algoritmen = Field(default=cast("Any", None))
    klokverschil: Speling = Field(default=cast("Any", None))
    claim_taaksysteem: Regel = Field(default=cast("Any", None))
    claim_gebruiker: Regel | None = None
    claim_rollen: Regel | None = None
    claim_afnemer_id: Regel | None = None


class Idp(NieuweIdp):
    """A registered OIDC provider."""

    nummer: int
    toestand: Literal["actief", "beeindigd"]


class Idps(Shape):
    """A page; `volgende` is the number to go on from."""

    idps: list[Idp]
    volgende: int | None


def _shape(row: Any) -> Idp:
    state = "actief" if row["state"] == "active" else "beeindigd"
    return Idp(
        nummer=row["idp_id"], toestand=cast("Any", state), **{name: row[column] for name, column in _COLUMNS.items()}
    )


async def toon_idps(asked: Asked) -> Answer:
    """GET: the tenant's IDPs by number, ended ones too."""
    return await show_page(asked, IDPS, _shape, Idps, "idps")


async def toon_idp(asked: Asked) -> Answer:
    """GET: one IDP."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, IDPS, _shape, asked.number())


async def maak_idp(asked: Asked) -> Answer:
    """POST: register an IDP."""
    new = cast("NieuweIdp", asked.body)
    wanted = NewIdp(
        new.naam, new.issuer, new.jwks_url, new.audience, tuple(new.algoritmen), new.klokverschil,
        new.claim_taaksysteem, new.claim_gebruiker, new.claim_rollen, new.claim_afnemer_id,
    )  # fmt: skip
    async with asked.scope() as connection:
        if await connection.fetchval(
            "SELECT 1 FROM registry.idp WHERE tenant_id = $1 AND name = $2 AND state = 'active'",
            asked.tenant_id,
            new.naam,
        ):
            raise Refused(409, "botst", "Een IDP met deze naam is er al.")
        number, _ = await put_idp(connection, asked.tenant_id, wanted)
        return await show_one(asked, connection, IDPS, _shape, number, made="/v1/idps")


async def wijzig_idp(asked: Asked) -> Answer:
    """PATCH: change an IDP."""
    wanted, number = cast("IdpVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "idp", asked.tenant_id, number, asked.version)
        if (await find_row(connection, IDPS, asked.tenant_id, number))["state"] != "active":
            raise Refused(409, "beeindigd", "Deze IDP is beëindigd.")
        await change_row(connection, IDPS, asked.tenant_id, number, asked.version, wanted.given(_COLUMNS))
        return await show_one(asked, connection, IDPS, _shape, number)


async def beeindig_idp(asked: Asked) -> Answer:
    """DELETE: let nobody of an IDP in any more, and withdraw every key that leans on it."""
    async with asked.scope() as connection:
        await hold_version(connection, "idp", asked.tenant_id, asked.number(), asked.version)
        await end_idp(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


IDP_ROUTES: Final[tuple[Route, ...]] = (
    listed("/v1/idps", "idps", "De IDP's van de tenant voor zijn taaksystemen.", toon_idps, Idps),
    shown("/v1/idps/{nummer}", "idp", "Een IDP.", toon_idp, Idp),
    made("/v1/idps", "maakIdp", "Registreer een IDP.", maak_idp, NieuweIdp, Idp),
    changed("/v1/idps/{nummer}", "wijzigIdp", "Wijzig een IDP.", wijzig_idp, IdpVerandering, Idp),
    ended("/v1/idps/{nummer}", "beeindigIdp", "Beëindig een IDP, met de sleutels die erop leunen.", beeindig_idp),
)
