"""Routes of the keys of a taaksysteem: made with a secret that is shown once, replaced with overlap, withdrawn.

Keys are the tenant's own: no operator makes or withdraws one, not as a voorstel either.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, cast

import asyncpg

from tenants.api.problems import Refused, fault
from tenants.api.resource_routes import changed, ended, listed, made, shown
from tenants.api.resources import BEHEERDER, READERS, endless, show_page, until
from tenants.api.routing import Answer, Asked, Route
from tenants.api.sleutel_shapes import (
    GemaakteSleutel,
    NieuweSleutel,
    Sleutel,
    Sleutels,
    SleutelVerandering,
    Vervanging,
)
from tenants.caller_keys import register_certificate, register_idp_client, register_signing_client, replace_public_keys
from tenants.callers import issue_api_key, issue_gateway_client, withdraw_key
from tenants.faults import NotFound
from tenants.listings import SLEUTELS, TAAKSYSTEMEN, change_row, find_row
from tenants.versions import hold_version

_SOORTEN: Final = {
    "api-key": "api-sleutel", "client-secret": "gateway-client", "private-key-jwt": "ondertekenende-client",
    "idp": "idp-client", "certificate": "certificaat",
}  # fmt: skip


async def toon_sleutels(asked: Asked) -> Answer:
    """GET: the keys of a taaksysteem, withdrawn ones too."""
    async with asked.scope() as connection:
        await find_row(connection, TAAKSYSTEMEN, asked.tenant_id, asked.number())
    only = {"taaksysteem_id": asked.number()}
    return await show_page(asked, SLEUTELS, lambda row: Sleutel(**_values(row)), Sleutels, "sleutels", only)


async def toon_sleutel(asked: Asked) -> Answer:
    """GET: one key, without its secret."""
    async with asked.scope() as connection:
        row = await _found(connection, asked)
    return Answer(200, Sleutel(**_values(row)), version=row["version"])


async def maak_sleutel(asked: Asked) -> Answer:
    """POST: make a key. With `vervangt` the old one ends at the moment that is given: until then both open."""
    new = cast("NieuweSleutel", asked.body)
    async with asked.scope() as connection:
        taaksysteem = await find_row(connection, TAAKSYSTEMEN, asked.tenant_id, asked.number())
        if taaksysteem["state"] != "active":
            raise Refused(409, "beeindigd", "Dit taaksysteem is beëindigd.")
        number, secret = await _make(connection, asked, new)
        if new.vervangt is not None:
            await _replace(connection, asked, new.vervangt, number)
        row = await find_row(connection, SLEUTELS, asked.tenant_id, number)
    location = f"/v1/taaksystemen/{asked.number()}/sleutels/{number}"
    body = GemaakteSleutel(**_values(row), geheim=secret)
    return Answer(201, body, {"Location": location}, version=row["version"], shows_secret=secret is not None)


async def wijzig_sleutel(asked: Asked) -> Answer:
    """PATCH: let a key end at another moment, or give a signing one other public keys."""
    wanted = cast("SleutelVerandering", asked.body)
    async with asked.scope() as connection:
        row = await _found(connection, asked)
        await hold_version(connection, "taaksysteem_key", asked.tenant_id, row["key_id"], asked.version)
        if row["state"] != "active":
            raise Refused(409, "ingetrokken", "Deze sleutel is ingetrokken, en dat is voorgoed.")
        if "jwks" in wanted.model_fields_set:
            if row["kind"] != "private-key-jwt":
                raise _fault("/jwks", "Alleen een ondertekenende client heeft openbare sleutels.")
            await replace_public_keys(connection, asked.tenant_id, row["client_id"], wanted.jwks)
        changes = endless(wanted.given({"geldig_tot": "valid_until"}))
        if changes:
            await change_row(connection, SLEUTELS, asked.tenant_id, row["key_id"], None, changes)
        row = await _found(connection, asked)
    return Answer(200, Sleutel(**_values(row)), version=row["version"])


async def trek_sleutel_in(asked: Asked) -> Answer:
    """DELETE: let a key open nothing more, from now on and for ever."""
    async with asked.scope() as connection:
        row = await _found(connection, asked)
        await hold_version(connection, "taaksysteem_key", asked.tenant_id, row["key_id"], asked.version)
        await withdraw_key(connection, asked.tenant_id, row["key_id"])
    return Answer(204, None)


async def _make(connection: asyncpg.Connection, asked: Asked, new: NieuweSleutel) -> tuple[int, str | None]:
    tenant_id, taaksysteem_id, end = asked.tenant_id, asked.number(), new.geldig_tot
    identity = asked.rooms.identity
    match new.soort:
        case "api-sleutel":
            return await issue_api_key(connection, tenant_id, identity, taaksysteem_id, valid_until=end)
        case "gateway-client":
            client, secret = await issue_gateway_client(
                connection, tenant_id, identity, taaksysteem_id, client_id=new.client_id, valid_until=end
            )
            return await _number_of(connection, tenant_id, client), secret
        case "ondertekenende-client":
            client = await register_signing_client(
                connection, tenant_id, taaksysteem_id, jwks=new.jwks or {}, client_id=new.client_id, valid_until=end
            )
            return await _number_of(connection, tenant_id, client), None
        case "idp-client":
            return await register_idp_client(
                connection, tenant_id, taaksysteem_id, idp_id=new.idp or 0, client=new.idp_client or "", valid_until=end
            ), None
        case "certificaat":
            thumbprint = None if new.vingerafdruk is None else bytes.fromhex(new.vingerafdruk)
            return await register_certificate(
                connection, tenant_id, taaksysteem_id, thumbprint=thumbprint, oin=new.oin, valid_until=end
            ), None


async def _number_of(connection: asyncpg.Connection, tenant_id: int, client_id: str) -> int:
    number: int = await connection.fetchval(
        "SELECT key_id FROM registry.taaksysteem_key WHERE tenant_id = $1 AND client_id = $2", tenant_id, client_id
    )
    return number


async def _replace(connection: asyncpg.Connection, asked: Asked, old: Vervanging, new: int) -> None:
    row = await connection.fetchrow(
        "SELECT valid_until FROM registry.taaksysteem_key "
        "WHERE tenant_id = $1 AND taaksysteem_id = $2 AND key_id = $3 AND key_id <> $4 AND state = 'active' FOR UPDATE",
        asked.tenant_id, asked.number(), old.sleutel, new,
    )  # fmt: skip
    if row is None:
        raise _fault("/vervangt/sleutel", "Dit is geen actieve sleutel van dit taaksysteem.")
    if old.tot < datetime.now(UTC):
        raise _fault("/vervangt/tot", "De oude sleutel eindigt in de toekomst; trek hem anders in.")
    end = until(row["valid_until"])
    if end is None or old.tot < end:
        await change_row(connection, SLEUTELS, asked.tenant_id, old.sleutel, None, {"valid_until": old.tot})


async def _found(connection: asyncpg.Connection, asked: Asked) -> asyncpg.Record:
    row = await find_row(connection, SLEUTELS, asked.tenant_id, asked.number("sleutel"))
    if row["taaksysteem_id"] != asked.number():
        raise NotFound("This key is another taaksysteem's.")
    return row


def _fault(pointer: str, words: str) -> Refused:
    return Refused(400, "ongeldigVerzoek", words, faults=[fault("body", pointer, "geweigerd", words)])


def _values(row: Any) -> dict[str, Any]:
    return {
        "nummer": row["key_id"],
        "soort": _SOORTEN[row["kind"]],
        "toestand": "actief" if row["state"] == "active" else "ingetrokken",
        "geldig_van": until(row["valid_from"]),
        "geldig_tot": until(row["valid_until"]),
        "client_id": row["client_id"],
        "jwks": None if row["jwks"] is None else json.loads(row["jwks"]),
        "idp": row["idp_id"],
        "idp_client": row["idp_client"],
        "vingerafdruk": None if row["thumbprint"] is None else row["thumbprint"].hex(),
        "oin": row["oin"],
    }


_ALL: Final = "/v1/taaksystemen/{nummer}/sleutels"
_ONE: Final = "/v1/taaksystemen/{nummer}/sleutels/{sleutel}"
SLEUTEL_ROUTES: Final[tuple[Route, ...]] = (
    listed(_ALL, "sleutels", "De sleutels van een taaksysteem, zonder geheimen.", toon_sleutels, Sleutels, roles=READERS),
    shown(_ONE, "sleutel", "Een sleutel, zonder geheim.", toon_sleutel, Sleutel),
    made(
        _ALL, "maakSleutel", "Maak een sleutel; een geheim staat alleen in dit antwoord.", maak_sleutel, NieuweSleutel,
        GemaakteSleutel, roles=BEHEERDER,
    ),
    changed(
        _ONE, "wijzigSleutel", "Wijzig wanneer een sleutel eindigt, of zijn openbare sleutels.", wijzig_sleutel,
        SleutelVerandering, Sleutel, roles=BEHEERDER,
    ),
    ended(_ONE, "trekSleutelIn", "Trek een sleutel in, voorgoed.", trek_sleutel_in, roles=BEHEERDER),
)  # fmt: skip
