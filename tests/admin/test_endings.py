"""An afnemer and a header profile end when nothing uses them, for good, and nothing new uses them afterwards."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.admin.conftest import Api, Reply
from tests.worlds import World

PROFIEL = {"naam": "eigen", "gebaseerdOp": "iconnect", "rollen": {}}


async def end(api: Api, where: str, **how: Any) -> Reply:
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    return await api.ask("DELETE", where, by="beheerder", headers={"If-Match": etag}, **how)


async def new_afnemer(api: Api, world: World, afnemer_id: str = "990077") -> str:
    body = {
        "afnemerId": afnemer_id,
        "oin": world.oin,
        "naam": "Gemeente Twee",
        "soort": "gemeente",
        "gemeentecode": "0077",
    }
    made = await api.ask("POST", "/v1/afnemers", by="beheerder", json=body)
    assert made.status == 201, made.text
    return str(made.headers["Location"])


async def new_aansluiting(api: Api, world: World, patroon: str = "standaard", afnemer_id: str = "990077") -> Reply:
    body = {"afnemerId": afnemer_id, "oin": world.oin, "omgeving": "proef", "patroon": patroon}
    return await api.ask("POST", "/v1/aansluitingen", by="beheerder", json=body)


async def new_taaksysteem(api: Api, naam: str, profiel: str = "eigen") -> Reply:
    body = {"naam": naam, "omgeving": "proef", "headerprofiel": profiel}
    return await api.ask("POST", "/v1/taaksystemen", by="beheerder", json=body)


async def test_an_afnemer_is_not_ended_while_aansluitingen_use_it_and_all_of_them_are_named(api: Api, world: World):
    where = await new_afnemer(api, world)
    users = [(await new_aansluiting(api, world, patroon)).headers["Location"] for patroon in ("standaard", "saas")]
    refused = await end(api, where)
    assert (refused.status, refused.json["code"]) == (409, "inGebruik")
    numbers = ", ".join(one.rpartition("/")[2] for one in users)
    assert refused.json["detail"].endswith(f": {numbers}.")
    assert (await api.ask("GET", where, by="auditor")).json["toestand"] == "actief"
    for one in users:
        etag = (await api.ask("GET", one, by="beheerder")).headers["ETag"]
        moved = await api.ask("PATCH", one, by="beheerder", json={"toestand": "beeindigd"}, headers={"If-Match": etag})
        assert moved.status == 200, moved.text
    assert (await end(api, where)).status == 204


async def test_an_ended_afnemer_is_still_there_and_nothing_new_names_it(api: Api, world: World, other: World):
    where = await new_afnemer(api, world)
    assert (await end(api, where)).status == 204
    shown = await api.ask("GET", where, by="auditor")
    assert (shown.status, shown.json["toestand"]) == (200, "beeindigd")
    again = await new_aansluiting(api, world)
    assert (again.status, again.json["detail"]) == (409, "Deze afnemer is beëindigd.")
    patch = {"naam": "Anders"}
    etag = shown.headers["ETag"]
    changed = await api.ask("PATCH", where, by="beheerder", json=patch, headers={"If-Match": etag})
    assert (changed.status, changed.json["code"]) == (409, "beeindigd")
    # Its AfnemerID is not given out a second time here; another tenant may begin with it, once.
    body = {"afnemerId": "990077", "oin": world.oin, "naam": "Weer", "soort": "gemeente", "gemeentecode": "0077"}
    assert (await api.ask("POST", "/v1/afnemers", by="beheerder", json=body)).status == 409
    there = body | {"oin": other.oin, "naam": "Elders"}
    assert [(await api.ask("POST", "/v1/afnemers", by="other-beheerder", json=there)).status for _ in "12"] == [
        201,
        409,
    ]
    history = await api.ask("GET", "/v1/wijzigingen?aantal=100", by="auditor")
    ended = [
        one for one in history.json["wijzigingen"] if one["object"] == "afnemer" and one["na"]["afnemerId"] == "990077"
    ]
    assert [one["na"]["toestand"] for one in sorted(ended, key=lambda one: one["nummer"])] == ["active", "ended"]


async def test_a_header_profile_is_not_ended_while_a_taaksysteem_has_it_and_none_gets_it_afterwards(
    api: Api, world: World
):
    made = await api.ask("POST", "/v1/headerprofielen", by="beheerder", json=PROFIEL)
    where = made.headers["Location"]
    users = [(await new_taaksysteem(api, naam)).headers["Location"] for naam in ("Belastingen", "Parkeren")]
    refused = await end(api, where)
    assert (refused.status, refused.json["code"]) == (409, "inGebruik")
    assert refused.json["detail"].endswith(f": {', '.join(one.rpartition('/')[2] for one in users)}.")
    # The one gets another profile, the other ends.
    etag = (await api.ask("GET", users[0], by="beheerder")).headers["ETag"]
    body = {"headerprofiel": "none"}
    assert (await api.ask("PATCH", users[0], by="beheerder", json=body, headers={"If-Match": etag})).status == 200
    assert (await end(api, users[1])).status == 204
    assert (await end(api, where)).status == 204
    assert (await api.ask("GET", where, by="auditor")).json["toestand"] == "beeindigd"
    etag = (await api.ask("GET", users[0], by="beheerder")).headers["ETag"]
    for refused in (
        await new_taaksysteem(api, "Heffen"),
        await api.ask("PATCH", users[0], by="beheerder", json={"headerprofiel": "eigen"}, headers={"If-Match": etag}),
    ):
        assert (refused.status, refused.json["detail"]) == (409, "Dit headerprofiel is beëindigd.")
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    replaced = await api.ask(
        "PUT", where, by="beheerder", json={"gebaseerdOp": "nlx", "rollen": {}}, headers={"If-Match": etag}
    )
    assert (replaced.status, replaced.json["code"]) == (409, "beeindigd")


async def test_what_the_operator_wants_ended_is_the_tenants_to_accept(api: Api, world: World):
    where = await new_afnemer(api, world)
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    asked = await api.ask(
        "DELETE", where, by="operator", headers={"If-Match": etag, "Koppelpunt-Tenant": str(world.tenant_id)}
    )
    assert asked.status == 202, asked.text
    assert (await api.ask("GET", where, by="auditor")).json["toestand"] == "actief"


async def test_of_one_who_ends_and_one_who_begins_to_use_only_one_wins(api: Api, world: World):
    for number in range(5):
        afnemer_id = f"99008{number}"
        where = await new_afnemer(api, world, afnemer_id)
        ended, used = await asyncio.gather(end(api, where), new_aansluiting(api, world, afnemer_id=afnemer_id))
        assert (ended.status, used.status) in {(204, 409), (409, 201)}


async def test_the_database_holds_to_it_whoever_asks(admin: asyncpg.Connection, world: World):
    """Those that know no state too: the release before."""
    for statement in (
        "UPDATE registry.afnemer SET state = 'ended' WHERE tenant_id = $1",
        "UPDATE registry.header_profile SET state = 'ended' WHERE tenant_id = $1",
    ):
        if "header_profile" in statement:
            await admin.execute(
                "INSERT INTO registry.header_profile (tenant_id, name, headers) VALUES ($1, 'eigen', '{}')",
                world.tenant_id,
            )
            await admin.execute(
                "UPDATE registry.taaksysteem SET header_profile = 'eigen' WHERE tenant_id = $1", world.tenant_id
            )
        with pytest.raises(asyncpg.CheckViolationError, match="uses this"):
            await admin.execute(statement, world.tenant_id)
