"""A mandate is asked by one side and granted by the other; nobody does the other's part."""

import asyncpg
import pytest

from tenants.scope import tenant_scope
from tests.admin.conftest import Api, Reply
from tests.admin.resources import machtiging
from tests.worlds import World

ALL = "/v1/mandaatverzoeken"


async def ask(api: Api, world: World, **given: object) -> Reply:
    body = {"oin": world.oin, "reden": "Samenwerking Burgerzaken", "keuzePerKopregel": True} | given
    return await api.ask("POST", ALL, by="other-beheerder", json=body)


async def test_a_mandate_is_granted_as_it_was_asked(api: Api, world: World, other: World):
    asked = await ask(api, world)
    assert (asked.status, asked.json["toestand"]) == (201, "gevraagd")
    where, etag = asked.headers["Location"], asked.headers["ETag"]
    # Who asked does not grant it, nor does the auditor.
    for who, status in (("other-beheerder", 404), ("auditor", 403), ("operator", 403)):
        reply = await api.ask(
            "POST", f"{where}/besluit", by=who, json={"besluit": "toegekend"}, headers={"If-Match": etag}
        )
        assert reply.status == status, who
    granted = await api.ask(
        "POST", f"{where}/besluit", by="beheerder", json={"besluit": "toegekend"}, headers={"If-Match": etag}
    )
    assert (granted.status, granted.json["toestand"]) == (200, "toegekend")
    mandate = f"/v1/mandaten/{granted.json['mandaat']}"
    for who in ("beheerder", "other-beheerder"):
        shown = await api.ask("GET", mandate, by=who)
        assert (shown.json["vanTenantId"], shown.json["aanTenantId"]) == (world.tenant_id, other.tenant_id)
        assert shown.json["keuzePerKopregel"] is True
    # Once decided it stays so, and who was given a mandate does not change or end it.
    again = await api.ask(
        "POST", f"{where}/besluit", by="beheerder", json={"besluit": "geweigerd"},
        headers={"If-Match": granted.headers["ETag"]},
    )  # fmt: skip
    assert (again.status, again.json["code"]) == (409, "botst")
    for method, body in (("PATCH", {"geldigTot": None}), ("DELETE", None)):
        reply = await api.ask(method, mandate, by="other-beheerder", json=body, headers={"If-Match": '"1"'})
        assert reply.status == 404
    history = await api.ask("GET", "/v1/wijzigingen", by="auditor")
    notes = [one for one in history.json["wijzigingen"] if one["object"] == "mandaatverzoek"]
    assert [(one["actie"], one["na"]["toestand"]) for one in notes] == [("update", "granted"), ("insert", "asked")]
    assert len({one["door"] for one in notes}) == 2


async def test_a_request_is_taken_back_by_who_asked_alone(api: Api, world: World, other: World):
    asked = await ask(api, world)
    where, headers = asked.headers["Location"], {"If-Match": asked.headers["ETag"]}
    assert (await ask(api, world)).json["code"] == "botst"
    assert (await api.ask("DELETE", where, by="beheerder", headers=headers)).status == 409
    assert (await api.ask("DELETE", where, by="other-beheerder", headers=headers)).status == 204
    shown = await api.ask("GET", where, by="beheerder")
    assert shown.json["toestand"] == "teruggenomen"
    assert (await ask(api, world)).status == 201


async def test_no_statement_of_the_asker_grants_itself_a_mandate(
    api: Api, world: World, other: World, registrar: asyncpg.Connection
):
    asked = await ask(api, world)
    for statement in (
        "UPDATE registry.mandate_request SET state = 'granted' WHERE request_id = $1",
        "UPDATE registry.mandate_request SET state = 'refused' WHERE request_id = $1",
        "UPDATE registry.mandate_request SET reason = 'anders', state = 'withdrawn' WHERE request_id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with tenant_scope(registrar, other.tenant_id, actor="beheerder/9"):
                await registrar.execute(statement, asked.json["nummer"])


async def test_a_machtiging_of_anothers_taaksysteem_needs_the_mandate_and_is_seen_by_both(
    api: Api, world: World, other: World
):
    body = machtiging(world, other) | {"taaksysteem": {"nummer": other.taaksysteem_id, "tenantId": other.tenant_id}}
    without = await api.ask("POST", "/v1/machtigingen", by="beheerder", json=body)
    assert [one["location"]["pointer"] for one in without.json["errors"]] == ["/mandaat"]
    mandate = await api.ask("POST", "/v1/mandaten", by="beheerder", json={"oin": other.oin, "reden": "Samen"})
    made = await api.ask("POST", "/v1/machtigingen", by="beheerder", json=body | {"mandaat": mandate.json["nummer"]})
    assert made.status == 201, made.text
    where = made.headers["Location"]
    assert (await api.ask("GET", where, by="other-beheerder")).json == made.json
    reply = await api.ask("DELETE", where, by="other-beheerder", headers={"If-Match": made.headers["ETag"]})
    assert reply.status == 404
    listed = await api.ask("GET", f"/v1/machtigingen?taaksysteem={other.taaksysteem_id}", by="other-beheerder")
    assert made.json in listed.json["machtigingen"]
