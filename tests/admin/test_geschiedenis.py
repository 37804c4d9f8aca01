"""A tenant reads its history by what, by whom and when, and its configuration by the page, in the words of the API."""

from typing import Any

import asyncpg

from tests.admin.conftest import Api
from tests.worlds import World


async def wijzigingen(api: Api, query: str, *, by: str = "auditor", path: str = "wijzigingen") -> list[dict[str, Any]]:
    reply = await api.ask("GET", f"/v1/{path}?{query}", by=by)
    assert reply.status == 200, reply.text
    return list(reply.json["wijzigingen"])


async def test_wijzigingen_are_asked_for_by_object_actor_and_period(api: Api, world: World, admin: asyncpg.Connection):
    made = await api.ask(
        "POST", "/v1/contacten", by="beheerder", json={"soort": "fg", "naam": "A", "email": "a@b.example"}
    )
    assert made.status == 201
    (contact,) = await wijzigingen(api, "object=contact")
    assert (contact["object"], contact["na"]["soort"], contact["na"]["toestand"]) == ("contact", "fg", "active")
    assert {one["object"] for one in await wijzigingen(api, "object=certificaat")} == {"certificaat"}
    assert {one["door"] for one in await wijzigingen(api, f"door={contact['door']}")} == {contact["door"]}
    assert await wijzigingen(api, "door=beheerder/99") == []
    moment = contact["op"].replace("+00:00", "Z")
    since, before = await wijzigingen(api, f"van={moment}"), await wijzigingen(api, f"tot={moment}")
    assert contact["nummer"] in {one["nummer"] for one in since}
    assert contact["nummer"] not in {one["nummer"] for one in before}
    refused = await api.ask("GET", f"/v1/wijzigingen?van={moment}&tot={moment}", by="auditor")
    assert (refused.status, refused.json["errors"][0]["location"]["name"]) == (400, "tot")


async def test_the_operator_reads_what_it_did_of_its_own(api: Api, world: World):
    body = {"rol": "operator", "naam": "Nacht", "dagen": 1, "routes": ["tenants"]}
    before = await wijzigingen(api, "aantal=200", by="operator", path="operatorwijzigingen")
    assert {one["object"] for one in before} == {"beheersleutel"}
    made = await api.ask("POST", "/v1/beheersleutels", by="operator", json=body)
    assert made.status == 201, made.text
    (last,) = await wijzigingen(api, "aantal=1", by="operator", path="operatorwijzigingen")
    assert last["nummer"] == before[0]["nummer"] + 1
    assert (await api.ask("GET", "/v1/operatorcontrolepunten", by="operator")).json == {
        "controlepunten": [],
        "volgende": None,
    }


async def test_a_configuration_is_read_by_the_page_and_is_whole(api: Api, world: World):
    whole = (await api.ask("GET", "/v1/configuratie", by="auditor")).json
    assert whole["volgende"] is None
    assert {"certificaat", "aansluiting", "taaksysteem", "sleutel"} <= set(whole["objecten"])
    at = whole["op"].replace("+00:00", "Z")
    pieces: dict[str, list[Any]] = {}
    start: int | None = 0
    while start is not None:
        page = (await api.ask("GET", f"/v1/configuratie?op={at}&na={start}&aantal=2", by="auditor")).json
        assert sum(len(rows) for rows in page["objecten"].values()) <= 2
        for name, rows in page["objecten"].items():
            pieces.setdefault(name, []).extend(rows)
        start = page["volgende"]
    assert pieces == whole["objecten"]
    only = (await api.ask("GET", f"/v1/configuratie?op={at}&object=certificaat", by="auditor")).json
    assert only["objecten"] == {"certificaat": whole["objecten"]["certificaat"]}
    assert only["objecten"]["certificaat"][0]["toestand"] == "active"
