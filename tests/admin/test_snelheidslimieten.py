"""The operator says how many calls a tenant may make, at once and alone; the tenant sees it, and finds it in its history."""

from tenants.api.routing import TENANT_HEADER
from tests.admin.conftest import Api
from tests.worlds import World

PATH = "/v1/snelheidslimieten"


async def test_the_operator_sets_changes_and_ends_a_limit_and_the_tenant_sees_each_of_it(
    api: Api, world: World, other: World
):
    named = {TENANT_HEADER: str(world.tenant_id)}
    wanted = {"taaksysteem": world.taaksysteem_id, "perSeconde": 12.5, "tegelijk": 40}
    made = await api.ask("POST", PATH, by="operator", json=wanted, headers=named)
    assert made.status == 201
    one = made.headers["location"]
    assert made.json == {"nummer": made.json["nummer"], **wanted}
    again = await api.ask("POST", PATH, by="operator", json=wanted, headers=named)
    assert (again.status, again.json["detail"]) == (409, "Hiervoor is al een snelheidslimiet ingesteld; wijzig die.")
    whole = await api.ask("POST", PATH, by="operator", json={"perSeconde": 100, "tegelijk": 500}, headers=named)
    assert (whole.status, whole.json["taaksysteem"]) == (201, None)
    changed = await api.ask(
        "PATCH", one, by="operator", json={"perSeconde": 0.25}, headers=named | {"If-Match": made.headers["etag"]}
    )
    assert (changed.status, changed.json["perSeconde"], changed.json["tegelijk"]) == (200, 0.25, 40)
    stale = await api.ask(
        "PATCH", one, by="operator", json={"tegelijk": 1}, headers=named | {"If-Match": made.headers["etag"]}
    )
    assert stale.status == 412
    seen = await api.ask("GET", PATH, by="auditor")
    assert [limit["perSeconde"] for limit in seen.json["snelheidslimieten"]] == [0.25, 100.0]
    assert (await api.ask("GET", PATH, by="other-beheerder")).json["snelheidslimieten"] == []
    assert (await api.ask("GET", one, by="other-beheerder")).status == 404
    ended = await api.ask("DELETE", one, by="operator", headers=named | {"If-Match": changed.headers["etag"]})
    assert ended.status == 204
    history = (await api.ask("GET", "/v1/wijzigingen", by="auditor")).json["wijzigingen"]
    actions = [(change["actie"], change["door"]) for change in history if change["object"] == "snelheidslimiet"]
    assert [action for action, _ in actions] == ["delete", "update", "insert", "insert"]
    assert all(by.startswith("operator/") for _, by in actions)


async def test_every_fault_of_a_limit_is_told_at_once(api: Api, world: World, other: World):
    named = {TENANT_HEADER: str(world.tenant_id)}
    refused = await api.ask("POST", PATH, by="operator", json={"perSeconde": 0, "tegelijk": 0}, headers=named)
    assert refused.status == 400
    assert {fault["location"]["pointer"] for fault in refused.json["errors"]} == {"/perSeconde", "/tegelijk"}
    foreign = {"taaksysteem": other.taaksysteem_id, "perSeconde": 1, "tegelijk": 1}
    assert (await api.ask("POST", PATH, by="operator", json=foreign, headers=named)).status == 404


async def test_a_tenants_own_beheerder_sets_no_limit(api: Api, world: World, other: World):
    for by in ("beheerder", "auditor"):
        assert (await api.ask("POST", PATH, by=by, json={"perSeconde": 1, "tegelijk": 1})).status == 403
