"""Routes of aansluitingen: making one, moving it from concept to productie, blocking and ending it, and its steps."""

from typing import Any, Final, cast

import asyncpg

from tenants import registry
from tenants.aansluiting_changes import (
    Step,
    findings_of,
    move_aansluiting,
    put_identity,
    put_steps,
    read_steps,
)
from tenants.api.aansluiting_shapes import (
    Aansluiting,
    Aansluitingen,
    AansluitingMetBevindingen,
    AansluitingVerandering,
    Bevinding,
    GezetteStap,
    NieuweAansluiting,
    Ontbreekt,
    Stappen,
)
from tenants.api.resource_routes import changed, listed, made, shown
from tenants.api.resources import endless, show_page, until
from tenants.api.routing import Answer, Asked, Route
from tenants.listings import AANSLUITINGEN, change_row, find_row
from tenants.stappenplan import missing
from tenants.stappenplan_rows import read_stappenplan
from tenants.versions import hold_version

_IDENTITY: Final = {"certificaat": "certificate_id", "credential": "credential_id", "uitzondering": "exception_id"}
_COLUMNS: Final = {
    "scope_sjabloon": "scope_template", "resource_server": "resource_server", "geldig_van": "valid_from",
    "geldig_tot": "valid_until",
}  # fmt: skip


async def toon_aansluitingen(asked: Asked) -> Answer:
    """GET: the tenant's aansluitingen by number."""
    return await show_page(
        asked, AANSLUITINGEN, lambda row: Aansluiting(**_values(row)), Aansluitingen, "aansluitingen"
    )


async def toon_aansluiting(asked: Asked) -> Answer:
    """GET: one, with what is missing."""
    async with asked.scope() as connection:
        return await _shown(connection, asked, asked.number())


async def maak_aansluiting(asked: Asked) -> Answer:
    """POST: make a concept."""
    new = cast("NieuweAansluiting", asked.body)
    wanted = registry.NewAansluiting(
        new.afnemer_id, new.oin, new.omgeving, new.certificaat, new.credential, pattern=new.patroon,
        scope_template=new.scope_sjabloon, resource_server=new.resource_server, valid_from=new.geldig_van,
        valid_until=new.geldig_tot, exception_id=new.uitzondering,
    )  # fmt: skip
    async with asked.scope() as connection:
        (number,) = await registry.create_aansluitingen(connection, asked.tenant_id, [wanted])
        answer = await _shown(connection, asked, number)
    return Answer(201, answer.body, {"Location": f"/v1/aansluitingen/{number}"}, version=answer.version)


async def wijzig_aansluiting(asked: Asked) -> Answer:
    """PATCH: change an aansluiting, or move it to its next state. Everything that stands in the way is told at once."""
    wanted, number = cast("AansluitingVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        await change_row(
            connection, AANSLUITINGEN, asked.tenant_id, number, asked.version, endless(wanted.given(_COLUMNS))
        )
        identity = wanted.given(_IDENTITY)
        if identity:
            row = await find_row(connection, AANSLUITINGEN, asked.tenant_id, number)
            await put_identity(
                connection,
                asked.tenant_id,
                number,
                **{name: identity.get(name, row[name]) for name in _IDENTITY.values()},
            )
        if "toestand" in wanted.model_fields_set:
            await move_aansluiting(connection, asked.tenant_id, number, wanted.toestand)
        return await _shown(connection, asked, number)


async def zet_stappen(asked: Asked) -> Answer:
    """PUT: say which steps of the stappenplan were done, and when."""
    wanted, number = cast("Stappen", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "aansluiting", asked.tenant_id, number, asked.version)
        await put_steps(
            connection, asked.tenant_id, number, [Step(one.stap, one.op, one.opmerking) for one in wanted.stappen]
        )
        return await _shown(connection, asked, number)


async def _shown(connection: asyncpg.Connection, asked: Asked, number: int) -> Answer:
    row = await find_row(connection, AANSLUITINGEN, asked.tenant_id, number)
    found = await findings_of(connection, asked.tenant_id, number)
    steps = await read_steps(connection, asked.tenant_id, number)
    body = AansluitingMetBevindingen(
        **_values(row),
        bevindingen=[
            Bevinding(
                code=one.code,
                tekst=one.text,
                wie=one.who,
                ernst="stopt" if one.severity == "stops" else "waarschuwt",
                uiterlijk=one.due,
            )
            for one in found
        ],
        stappen=[GezetteStap(stap=cast("Any", one.step), op=one.done_on, opmerking=one.note) for one in steps],
        ontbreekt=[
            Ontbreekt(stap=cast("Any", one.name), tekst=one.words)
            for one in missing(await read_stappenplan(connection, asked.tenant_id, number))
        ],
    )
    return Answer(200, body, version=row["version"])


def _values(row: Any) -> dict[str, Any]:
    return {
        "nummer": row["aansluiting_id"],
        "afnemer_id": row["afnemer_id"],
        "oin": row["organisation_oin"],
        "omgeving": row["environment"],
        "patroon": row["pattern"],
        "toestand": row["state"],
        "certificaat": row["certificate_id"],
        "credential": row["credential_id"],
        "uitzondering": row["exception_id"],
        "houder_tenant_id": row["holder_tenant_id"],
        "scope_sjabloon": row["scope_template"],
        "resource_server": row["resource_server"],
        "geldig_van": until(row["valid_from"]),
        "geldig_tot": until(row["valid_until"]),
    }


_ONE: Final = "/v1/aansluitingen/{nummer}"
AANSLUITING_ROUTES: Final[tuple[Route, ...]] = (
    listed(
        "/v1/aansluitingen", "aansluitingen", "De aansluitingen van de tenant.", toon_aansluitingen, Aansluitingen
    ),
    shown(_ONE, "aansluiting", "Een aansluiting, met wat er nog ontbreekt.", toon_aansluiting, AansluitingMetBevindingen),
    made(
        "/v1/aansluitingen", "maakAansluiting", "Maak een aansluiting, in concept.", maak_aansluiting,
        NieuweAansluiting, AansluitingMetBevindingen,
    ),
    changed(
        _ONE, "wijzigAansluiting", "Wijzig een aansluiting, of breng haar in haar volgende toestand.", wijzig_aansluiting,
        AansluitingVerandering, AansluitingMetBevindingen,
    ),
    changed(
        f"{_ONE}/stappen", "zetStappen", "Leg vast welke stappen van het stappenplan zijn gezet.", zet_stappen, Stappen,
        AansluitingMetBevindingen, method="PUT",
    ),
)  # fmt: skip
