"""The operator makes and ends tenants; how a register is kept is its tenant's own choice."""

from datetime import timedelta
from typing import Any, cast

import asyncpg
import pytest

from tenants.admins import Role, make_admin_key
from tenants.keyring import public_half
from tenants.scope import tenant_scope
from tests.admin.conftest import OF_TENANT, Api, Reply
from tests.admin.deciding import Desk
from tests.admin.regels import Recorder
from tests.worlds import Keyrings, World

NEW = {"oin": "00000001009999999000", "naam": "Gemeente Nieuw", "soort": "gemeente"}


async def patch(api: Api, number: int, by: str, body: dict[str, Any]) -> Reply:
    where = f"/v1/tenants/{number}"
    etag = (await api.ask("GET", where, by="operator")).headers["ETag"]
    return await api.ask("PATCH", where, by=by, json=body, headers={"If-Match": etag})


async def test_a_tenant_is_made_once_with_the_keys_of_its_years(api: Api, world: World, admin: Any):
    headers = {"Idempotency-Key": "tenant-1"}
    made = await api.ask("POST", "/v1/tenants", by="operator", json=NEW, headers=headers)
    again = await api.ask("POST", "/v1/tenants", by="operator", json=NEW, headers=headers)
    assert (made.status, again.status, again.json) == (201, 201, made.json)
    assert await admin.fetchval(
        "SELECT count(*) FROM registry.tenant_key WHERE tenant_id = $1", made.json["tenantId"]
    ) == 2  # fmt: skip
    twice = await api.ask("POST", "/v1/tenants", by="operator", json=NEW)
    assert (twice.status, twice.json["detail"]) == (409, "Er is al een tenant met deze OIN.")


async def test_each_changes_what_is_its_own(api: Api, world: World):
    for by, body in (("operator", {"naam": "Testdam"}), ("beheerder", {"bewaartermijnJaren": 25})):
        reply = await patch(api, world.tenant_id, by, body)
        assert reply.status == 200
        assert body.items() <= reply.json.items()
    for by, body in (("beheerder", {"toestand": "beeindigd"}), ("operator", {"vastlegging": "rubrieken"})):
        reply = await patch(api, world.tenant_id, by, body)
        assert (reply.status, reply.json["code"]) == (403, "vanAnder")
    assert (await patch(api, world.tenant_id, "other-beheerder", {"bewaartermijnJaren": 1})).status == 404


async def test_an_ended_tenant_changes_nothing_more(api: Api, world: World):
    assert (await patch(api, world.tenant_id, "operator", {"toestand": "beeindigd"})).status == 200
    assert (await api.ask("GET", "/v1/afnemers", by="beheerder")).status == 401


@pytest.mark.parametrize(
    "body", [{"bewaartermijnJaren": 25}, {"vastlegging": "rubrieken"}], ids=lambda one: next(iter(one))
)
async def test_what_weakens_a_register_is_asked_by_a_beheerder_and_accepted_by_an_auditor(
    api: Api, world: World, body: dict[str, Any]
):
    desk, where = Desk(api, world), f"/v1/tenants/{world.tenant_id}"
    assert (await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 30})).status == 200
    before = (await api.ask("GET", where, by="beheerder")).json
    asked = await patch(api, world.tenant_id, "beheerder", body)
    assert (asked.status, asked.json["aanvaarder"]) == (202, "auditor")
    assert (await api.ask("GET", where, by="beheerder")).json == before
    number = asked.json["voorstel"]
    assert (await desk.decide(number, "beheerder", artikel="Archiefwet 5")).json["code"] == "anderBeslist"
    nameless = await desk.decide(number, "auditor")
    assert (nameless.status, nameless.json["errors"][0]["location"]["pointer"]) == (400, "/artikel")
    done = await desk.decide(number, "auditor", artikel="Archiefwet 5")
    assert done.status == 200, done.text
    assert (await api.ask("GET", where, by="beheerder")).json == before | body
    # Back to more is nobody's but the beheerder's.
    back = await patch(api, world.tenant_id, "beheerder", {name: before[name] for name in body})
    assert (back.status, back.json) == (200, before)


async def test_a_weakening_that_was_asked_of_another_term_is_not_done(api: Api, world: World):
    assert (await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 30})).status == 200
    asked = await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 25})
    assert (await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 40})).status == 200
    late = await Desk(api, world).decide(asked.json["voorstel"], "auditor", artikel="Archiefwet 5")
    assert (late.status, late.json["code"]) == (409, "pastNietMeer")


async def test_a_gemeente_keeps_its_register_for_twenty_years_whoever_asks(
    api: Api, world: World, admin: asyncpg.Connection
):
    made = await api.ask("POST", "/v1/tenants", by="operator", json=NEW | {"bewaartermijnJaren": 19})
    changed = await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 19})
    for reply in (made, changed):
        assert (reply.status, reply.json["errors"][0]["location"]["pointer"]) == (400, "/bewaartermijnJaren")
    # What was chosen before shows as what is kept in truth.
    await admin.execute("UPDATE registry.tenant SET retention_years = 1 WHERE tenant_id = $1", world.tenant_id)
    shown = await api.ask("GET", f"/v1/tenants/{world.tenant_id}", by="auditor")
    assert shown.json["bewaartermijnJaren"] == 20


async def test_the_operator_asks_for_a_weaker_register_and_the_tenants_auditor_decides(
    api: Api, world: World, registrar: asyncpg.Connection, keyrings: Keyrings
):
    weak = NEW | {"soort": "derde", "vastlegging": "rubrieken", "bewaartermijnJaren": 5}
    made = await api.ask("POST", "/v1/tenants", by="operator", json=weak)
    assert made.status == 201
    assert (made.json["vastlegging"], made.json["bewaartermijnJaren"]) == ("volledig", 20)
    strong = NEW | {"oin": "00000001009999998000", "soort": "derde", "bewaartermijnJaren": 40}
    assert (await api.ask("POST", "/v1/tenants", by="operator", json=strong)).json["voorstel"] is None
    number, secrets = made.json["tenantId"], {}
    for role, actor in (("beheerder", "opdrachtregel"), ("auditor", OF_TENANT)):
        _, secret = await make_admin_key(
            registrar, public_half(keyrings.identity), role=cast("Role", role), tenant_id=number, name=role,
            valid_for=timedelta(days=1), actor=actor,
        )  # fmt: skip
        secrets[role] = {"Authorization": f"Bearer {secret}", "If-Match": '"1"'}
    path = f"/v1/voorstellen/{made.json['voorstel']}/besluit"
    body = {"besluit": "aanvaard", "artikel": "Archiefwet 5"}
    assert (await api.ask("POST", path, headers=secrets["beheerder"], json=body)).status == 403
    assert (await api.ask("POST", path, headers=secrets["auditor"], json=body | {"artikel": None})).status == 400
    done = await api.ask("POST", path, headers=secrets["auditor"], json=body)
    assert done.status == 200, done.text
    assert (done.json["antwoord"]["vastlegging"], done.json["antwoord"]["bewaartermijnJaren"]) == ("rubrieken", 5)


async def test_what_a_beheerder_asks_of_anothers_tenant_or_of_the_operators_is_no_voorstel(api: Api, world: World):
    assert (await patch(api, world.tenant_id, "other-beheerder", {"bewaartermijnJaren": 5})).status == 404
    mixed = await patch(api, world.tenant_id, "beheerder", {"bewaartermijnJaren": 5, "naam": "Anders"})
    assert (mixed.status, mixed.json["code"]) == (403, "vanAnder")
    assert (await api.ask("GET", "/v1/voorstellen", by="beheerder")).json["voorstellen"] == []


@pytest.mark.parametrize(
    "actor", ["beheerder/2", "operator/1", "opdrachtregel", "beheerder/2 (voorstel 1 van operator/1)"]
)
@pytest.mark.parametrize("weaker", ["retention_years = 5", "record_content = 'rubrieken'", "kind = 'derde'"])
async def test_no_other_way_weakens_a_register_that_holds_calls(
    api: Api, world: World, registrar: asyncpg.Connection, recorder: Recorder, actor: str, weaker: str
):
    await recorder.record(world)
    with pytest.raises(asyncpg.CheckViolationError, match="weakened by two"):
        async with tenant_scope(registrar, world.tenant_id, actor=actor):
            await registrar.execute(f"UPDATE registry.tenant SET {weaker} WHERE tenant_id = $1", world.tenant_id)  # noqa: S608


async def test_two_names_of_one_person_lift_no_stop(api: Api, world: World):
    desk = Desk(api, world)
    # A second key that the auditor accepts is shown to the auditor, and is the auditor.
    asked = await desk.key_of("auditor")
    made = await desk.decide(asked.json["voorstel"], "auditor")
    assert made.status == 200, made.text
    desk.api.keys["auditor-again"] = made.json["antwoord"]["geheim"]  # type: ignore[index]
    stop = await api.ask("POST", "/v1/vernietigingsstops", by="auditor", json={"reden": "Rechtszaak"})
    steps = f"/v1/vernietigingsstops/{stop.json['nummer']}/stappen"
    asking = {"soort": "opheffing_gevraagd", "reden": "Klaar"}
    assert (await api.ask("POST", steps, by="auditor", json=asking)).status == 204
    lifted = await api.ask("POST", steps, by="auditor-again", json={"soort": "opgeheven", "reden": "Klaar"})
    assert (lifted.status, lifted.json["code"]) == (409, "tweedePaarOgen")
