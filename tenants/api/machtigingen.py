"""Routes of machtigingen. What one says never changes: the register points at the words that held."""

import json
from collections.abc import Iterator
from typing import Any, Final, cast

import asyncpg

from tenants.api.machtiging_shapes import (
    GemachtigdTaaksysteem,
    Machtiging,
    Machtigingen,
    MachtigingenVraag,
    MachtigingVerandering,
    NieuweMachtiging,
    read_recht,
    read_registerbeleid,
    read_voorwaarden,
)
from tenants.api.problems import Refused, fault
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import endless, show_one, show_page, until
from tenants.api.routing import Answer, Asked, Route
from tenants.callers import NewMachtiging, create_machtiging, withdraw_machtiging
from tenants.listings import MACHTIGINGEN, change_row, find_row
from tenants.versions import hold_version
from tenants.words.machtigingen import faults_in_words


async def toon_machtigingen(asked: Asked) -> Answer:
    """GET: machtigingen over the tenant's aansluitingen, and those that its taaksystemen have of others."""
    query = cast("MachtigingenVraag", asked.query)
    only = {"aansluiting_id": query.aansluiting, "taaksysteem_id": query.taaksysteem}
    wanted = {column: value for column, value in only.items() if value is not None}
    if query.aansluiting is not None:
        wanted["tenant_id"] = asked.tenant_id
    if query.taaksysteem is not None:
        wanted["taaksysteem_tenant_id"] = asked.tenant_id
    return await show_page(asked, MACHTIGINGEN, _shape, Machtigingen, "machtigingen", wanted)


async def toon_machtiging(asked: Asked) -> Answer:
    """GET: one machtiging."""
    async with asked.scope() as connection:
        return await show_one(asked, connection, MACHTIGINGEN, _shape, asked.number())


async def maak_machtiging(asked: Asked) -> Answer:
    """POST: let a taaksysteem ask over an aansluiting. Everything that is wrong is told at once."""
    new = cast("NieuweMachtiging", asked.body)
    wanted = NewMachtiging(
        aansluiting_id=new.aansluiting,
        taaksysteem=(new.taaksysteem.tenant_id or asked.tenant_id, new.taaksysteem.nummer),
        doelbinding=new.doelbinding,
        grondslag=new.grondslag or "",
        ontvanger=new.ontvanger or "",
        verwerkingsactiviteit=new.verwerkingsactiviteit,
        rights={api: one.stored() for api, one in new.rechten.items()},
        mandate_id=new.mandaat,
        valid_from=new.geldig_van,
        valid_until=new.geldig_tot,
        conditions=new.voorwaarden.stored(),
        add_bsn=new.bsn_toevoegen,
        policy=new.registerbeleid.stored(),
    )
    async with asked.scope() as connection:
        faults = [fault("body", place, "geweigerd", words) for place, words in await _faults(connection, asked, wanted)]
        if faults:
            raise Refused(400, "geweigerd", "Deze machtiging kan zo niet; 'errors' zegt waarom.", faults=faults)
        number = await create_machtiging(connection, asked.tenant_id, wanted)
        return await show_one(asked, connection, MACHTIGINGEN, _shape, number, made="/v1/machtigingen")


async def wijzig_machtiging(asked: Asked) -> Answer:
    """PATCH: let a machtiging end at another moment."""
    wanted, number = cast("MachtigingVerandering", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "machtiging", asked.tenant_id, number, asked.version)
        if (await find_row(connection, MACHTIGINGEN, asked.tenant_id, number))["withdrawn_at"] is not None:
            raise Refused(409, "ingetrokken", "Deze machtiging is ingetrokken, en dat is voorgoed.")
        changes = endless(wanted.given({"geldig_tot": "valid_until"}))
        await change_row(connection, MACHTIGINGEN, asked.tenant_id, number, asked.version, changes)
        return await show_one(asked, connection, MACHTIGINGEN, _shape, number)


async def trek_machtiging_in(asked: Asked) -> Answer:
    """DELETE: end a machtiging from now on."""
    async with asked.scope() as connection:
        await hold_version(connection, "machtiging", asked.tenant_id, asked.number(), asked.version)
        await withdraw_machtiging(connection, asked.tenant_id, asked.number())
    return Answer(204, None)


async def _faults(connection: asyncpg.Connection, asked: Asked, new: NewMachtiging) -> list[tuple[str, str]]:
    row = await connection.fetchrow(
        "SELECT a.environment, a.state, n.kind, s.environment AS asks_from, s.state AS asker, m.mandate_id IS NOT NULL "
        "  AND m.withdrawn_at IS NULL AND m.valid_until > now() AND m.to_tenant_id = $3 AS mandated "
        "FROM registry.aansluiting a "
        "JOIN registry.afnemer n ON n.tenant_id = a.tenant_id AND n.afnemer_id = a.afnemer_id "
        "LEFT JOIN registry.taaksysteem s ON s.tenant_id = $3 AND s.taaksysteem_id = $4 "
        "LEFT JOIN registry.mandate m ON m.tenant_id = a.tenant_id AND m.mandate_id = $5 "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2",
        asked.tenant_id, new.aansluiting_id, *new.taaksysteem, new.mandate_id,
    )  # fmt: skip
    if row is None:
        return [("/aansluiting", "Deze aansluiting bestaat hier niet.")]
    found = list(
        faults_in_words(new.rights, new.policy, kind=row["kind"], grondslag=new.grondslag, ontvanger=new.ontvanger)
    )
    return found + list(_faults_of_parties(row, new, own=new.taaksysteem[0] == asked.tenant_id))


def _faults_of_parties(row: Any, new: NewMachtiging, *, own: bool) -> Iterator[tuple[str, str]]:
    if row["state"] == "beeindigd":
        yield "/aansluiting", "Deze aansluiting is beëindigd."
    if own and new.mandate_id is not None:
        yield "/mandaat", "Een eigen taaksysteem heeft geen mandaat nodig."
    if not own and not row["mandated"]:
        yield (
            "/mandaat",
            "Een taaksysteem van een andere tenant heeft een mandaat nodig dat staat en aan die tenant is.",
        )
    # Another tenant's taaksysteem is not visible here.
    if own and row["asks_from"] is None:
        yield "/taaksysteem/nummer", "Dit taaksysteem bestaat hier niet."
    elif own and row["asker"] != "active":
        yield "/taaksysteem/nummer", "Dit taaksysteem is beëindigd."
    elif own and row["asks_from"] != row["environment"]:
        yield "/taaksysteem/nummer", "Taaksysteem en aansluiting zijn van verschillende omgevingen."


def _shape(row: Any) -> Machtiging:
    return Machtiging(
        nummer=row["machtiging_id"],
        tenant_id=row["tenant_id"],
        aansluiting=row["aansluiting_id"],
        taaksysteem=GemachtigdTaaksysteem(nummer=row["taaksysteem_id"], tenant_id=row["taaksysteem_tenant_id"]),
        mandaat=row["mandate_id"],
        doelbinding=row["doelbinding"],
        grondslag=row["grondslag"],
        ontvanger=row["ontvanger"],
        verwerkingsactiviteit=row["verwerkingsactiviteit"],
        rechten={api: read_recht(one) for api, one in json.loads(row["rights"]).items()},
        voorwaarden=read_voorwaarden(json.loads(row["conditions"])),
        geldig_van=until(row["valid_from"]),
        geldig_tot=until(row["valid_until"]),
        ingetrokken_op=row["withdrawn_at"],
        bsn_toevoegen=row["add_bsn"],
        registerbeleid=read_registerbeleid(row),
        beleid_gevraagd_door=row["policy_requested_by"],
        beleid_toegekend_door=row["policy_granted_by"],
    )


_ALL: Final = "/v1/machtigingen"
_ONE: Final = "/v1/machtigingen/{nummer}"
MACHTIGING_ROUTES: Final[tuple[Route, ...]] = (
    listed(
        _ALL, "machtigingen", "Machtigingen over de eigen aansluitingen, en die van de eigen taaksystemen.",
        toon_machtigingen, Machtigingen, query=MachtigingenVraag,
    ),
    shown(_ONE, "machtiging", "Een machtiging.", toon_machtiging, Machtiging),
    made(_ALL, "maakMachtiging", "Machtig een taaksysteem.", maak_machtiging, NieuweMachtiging, Machtiging),
    changed(
        _ONE, "wijzigMachtiging", "Wijzig wanneer een machtiging eindigt.", wijzig_machtiging, MachtigingVerandering,
        Machtiging,
    ),
    ended(_ONE, "trekMachtigingIn", "Trek een machtiging in.", trek_machtiging_in),
)  # fmt: skip
