"""Routes of taaksystemen: the applications that may call, in one environment each."""

from typing import Any, Final, Literal, cast

import asyncpg
from pydantic import Field, field_validator

from tenants.api.problems import Refused
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import Nummer, Omgeving, Regel, Verandering, show_one, show_page
from tenants.api.routing import Answer, Asked, Route
from tenants.api.shapes import Shape
from tenants.callers import create_taaksysteem, end_taaksysteem
from tenants.listings import TAAKSYSTEMEN, change_row, find_row
from tenants.versions import hold_version

Bewijs = Literal["api-sleutel", "token", "idp", "certificaat"]
_PROOFS: Final[dict[str, str]] = {
    "api-sleutel": "api-key", "token": "token", "idp": "idp", "certificaat": "certificate",
}  # fmt: skip
_BEWIJZEN: Final = {stored: shown for shown, stored in _PROOFS.items()}


def _possible(bewijzen: list[Bewijs]) -> list[Bewijs]:
    if {"token", "idp"} <= set(bewijzen):
        raise ValueError("Een bevraging draagt één token: van deze gateway of van een IDP, nooit allebei.")
    return bewijzen


class VasteAansluiting(Shape):
    """The aansluiting of a taaksysteem that names none itself; without `tenantId` one of its own tenant."""

    nummer: Nummer
    tenant_id: Nummer | None = None


class NieuwTaaksysteem(Shape):
    """`bewijzen` must be given together in each call; without any, one key is enough."""

    naam: Regel
    omgeving: Omgeving
    headerprofiel: str = Field(default="none", max_length=60)
    bewijzen: list[Bewijs] = Field(default_factory=list, max_length=4)
    vaste_aansluiting: VasteAansluiting | None = None

    _bewijzen = field_validator("bewijzen")(_possible)


class TaaksysteemVerandering(Verandering):
    """The environment never changes: in another one it is another taaksysteem."""

    naam: Regel = Field(default=cast("Any", None))
    headerprofiel: str = Field(default=cast("Any", None), max_length=60)
    bewijzen: list[Bewijs] = Field(default=cast("Any", None), max_length=4)
    vaste_aansluiting: VasteAansluiting | None = None

    _bewijzen = field_validator("bewijzen")(_possible)


class Taaksysteem(Shape):
    """An application that may call. Its keys stand below it, its machtigingen say what it may ask."""

    nummer: int
    naam: str
    omgeving: str
    toestand: Literal["actief", "beeindigd"]
    headerprofiel: str
    bewijzen: list[Bewijs]
    vaste_aansluiting: VasteAansluiting | None


class Taaksystemen(Shape):
    """A page; `volgende` is the number to go on from."""

    taaksystemen: list[Taaksysteem]
    volgende: int | None


def _shape(row: Any) -> Taaksysteem:
    vaste = row["vaste_aansluiting_id"]
    return Taaksysteem(
        nummer=row["taaksysteem_id"],
        naam=row["name"],
        omgeving=row["environment"],
        toestand="actief" if row["state"] == "active" else "beeindigd",
        headerprofiel=row["header_profile"],
        bewijzen=[cast("Any", _BEWIJZEN[one]) for one in row["requires"]],
        vaste_aansluiting=None
        if vaste is None
        else VasteAansluiting(nummer=vaste, tenant_id=row["vaste_aansluiting_tenant_id"]),
    )


async def toon_taaksystemen(asked: Asked) -> Answer:
    """GET: the tenant's taaksystemen by number."""
    return await show_page(asked, TAAKSYSTEMEN, _shape, Taaksystemen, "taaksystemen")


async def toon_taaksysteem(asked: Asked) -> Answer:
    """GET: one taaksysteem."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, TAAKSYSTEMEN, _shape, asked.number())


async def maak_taaksysteem(asked: Asked) -> Answer:
    """POST: register a taaksysteem. It has no key yet."""
    new = cast("NieuwTaaksysteem", asked.body)
    async with asked.scope() as connection:
        await _must_be_new(connection, asked.tenant_id, new.naam, new.omgeving)
        number = await create_taaksysteem(connection, asked.tenant_id, name=new.naam, environment=new.omgeving)
        changes = _changes(asked.tenant_id, new)
        changes.pop("name", None)
        await change_row(connection, TAAKSYSTEMEN, asked.tenant_id, number, None, changes)
        return await show_one(asked, connection, TAAKSYSTEMEN, _shape, number, made="/v1/taaksystemen")


async def wijzig_taaksysteem(asked: Asked) -> Answer:
    """PATCH: change a taaksysteem. Calls that are let in from now on are judged by it."""
    wanted, number = cast("TaaksysteemVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        changes = _changes(asked.tenant_id, wanted)
        await hold_version(connection, "taaksysteem", asked.tenant_id, number, asked.version)
        row = await find_row(connection, TAAKSYSTEMEN, asked.tenant_id, number)
        if row["state"] != "active":
            raise Refused(409, "beeindigd", "Dit taaksysteem is beëindigd.")
        if changes.get("name", row["name"]) != row["name"]:
            await _must_be_new(connection, asked.tenant_id, wanted.naam, row["environment"])
        await change_row(connection, TAAKSYSTEMEN, asked.tenant_id, number, asked.version, changes)
        return await show_one(asked, connection, TAAKSYSTEMEN, _shape, number)


async def beeindig_taaksysteem(asked: Asked) -> Answer:
    """DELETE: let a taaksysteem call no more."""
    async with asked.scope() as connection:
        await hold_version(connection, "taaksysteem", asked.tenant_id, asked.number(), asked.version)
        await end_taaksysteem(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def _must_be_new(connection: asyncpg.Connection, tenant_id: int, name: str, environment: str) -> None:
    found = await connection.fetchval(
        "SELECT 1 FROM registry.taaksysteem WHERE tenant_id = $1 AND name = $2 AND environment = $3 AND state = 'active'",
        tenant_id, name, environment,
    )  # fmt: skip
    if found is not None:
        raise Refused(409, "botst", "In deze omgeving is er al een taaksysteem met deze naam.")


def _changes(tenant_id: int, given: NieuwTaaksysteem | TaaksysteemVerandering) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "naam" in given.model_fields_set:
        changes["name"] = given.naam
    if "headerprofiel" in given.model_fields_set:
        changes["header_profile"] = given.headerprofiel
    if "bewijzen" in given.model_fields_set:
        changes["requires"] = sorted({_PROOFS[one] for one in given.bewijzen})
    if "vaste_aansluiting" in given.model_fields_set:
        vaste = given.vaste_aansluiting
        changes["vaste_aansluiting_tenant_id"] = None if vaste is None else vaste.tenant_id or tenant_id
        changes["vaste_aansluiting_id"] = None if vaste is None else vaste.nummer
    return changes


_ALL: Final = "/v1/taaksystemen"
_ONE: Final = "/v1/taaksystemen/{nummer}"
TAAKSYSTEEM_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "taaksystemen", "De taaksystemen van de tenant.", toon_taaksystemen, Taaksystemen),
    shown(_ONE, "taaksysteem", "Een taaksysteem.", toon_taaksysteem, Taaksysteem),
    made(_ALL, "maakTaaksysteem", "Registreer een taaksysteem.", maak_taaksysteem, NieuwTaaksysteem, Taaksysteem),
    changed(
        _ONE, "wijzigTaaksysteem", "Wijzig een taaksysteem.", wijzig_taaksysteem, TaaksysteemVerandering, Taaksysteem
    ),
    ended(_ONE, "beeindigTaaksysteem", "Beëindig een taaksysteem: het komt niet meer binnen.", beeindig_taaksysteem),
)
