"""The operator makes and ends tenants; how a register is kept is its tenant's own choice."""

from typing import Any

from tests.admin.conftest import Api, Reply
from tests.worlds import World

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
