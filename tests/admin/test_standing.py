"""Who looks on is of the tenant: no key that the operator may have kept accepts, deadlocks or reads in its place."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tenants.admins import Role, make_admin_key
from tenants.command import make_key
from tenants.config import TenantsConfig
from tenants.faults import InputRefused
from tenants.keyring import public_half
from tests.admin.conftest import Api
from tests.admin.deciding import IDP, Desk, routes_of
from tests.databases import Database
from tests.worlds import Keyrings, World


@pytest.fixture
async def desk(api: Api, world: World, admin: asyncpg.Connection) -> Desk:
    """A tenant of which nobody looks on, nor ever did."""
    await admin.execute("DELETE FROM registry.admin_key WHERE tenant_id = $1 AND role = 'auditor'", world.tenant_id)
    return Desk(api, world)


async def name_auditor(desk: Desk, who: str = "els") -> int:
    """Name a person; the status of the answer."""
    idps = (await desk.ask("GET", "/v1/beheer-idps", "beheerder")).json["beheerIdps"]
    if not idps:
        idps = [(await desk.ask("POST", "/v1/beheer-idps", "beheerder", IDP)).json]
    body = {"idp": idps[0]["nummer"], "kenmerk": who, "rol": "auditor", "naam": who}
    return (await desk.ask("POST", "/v1/beheerders", "beheerder", body)).status


async def held_by_the_operator(desk: Desk, registrar: asyncpg.Connection, keyrings: Keyrings) -> str:
    """An auditor's key as the command line of before made them; where it stands."""
    number, _ = await make_admin_key(
        registrar, public_half(keyrings.identity), role="auditor", tenant_id=desk.world.tenant_id, name="Van vroeger",
        valid_for=timedelta(days=1),
    )  # fmt: skip
    return f"/v1/beheersleutels/{number}"


async def test_the_first_auditor_the_beheerder_names_and_from_then_on_auditors_accept(desk: Desk):
    assert await name_auditor(desk) == 201
    assert await name_auditor(desk, "bob") == 202
    assert (await desk.key_of("auditor")).status == 202


async def test_an_auditors_key_of_the_operator_stands_in_nobodys_way(
    desk: Desk, registrar: asyncpg.Connection, keyrings: Keyrings
):
    path = await held_by_the_operator(desk, registrar, keyrings)
    assert (await desk.ask("GET", path, "beheerder")).json["herkomst"] == "opdrachtregel"
    # Naming the tenant's own auditor waits for no acceptance by that key, and ending that key neither.
    assert await name_auditor(desk) == 201
    assert (await desk.ask("DELETE", path, "beheerder", version=1)).status == 204


async def test_nor_does_what_such_a_key_made_or_one_that_cannot_decide(
    desk: Desk, registrar: asyncpg.Connection, admin: asyncpg.Connection
):
    # The beheerder's own key came from the command line: what it makes is of whoever may have kept it.
    made = await desk.key_of("auditor")
    assert (made.status, made.json["herkomst"]) == (201, "sleutel")
    assert (await desk.ask("DELETE", made.headers["Location"], "beheerder", version=1)).status == 204
    machine = await desk.key_of("auditor", routes=["zoekProtocolregels"])
    await admin.execute(
        "UPDATE registry.admin_key SET person = 'https://idp.example els' WHERE key_id = $1", machine.json["nummer"]
    )
    assert machine.status == 201
    assert await name_auditor(desk) == 201
    assert (await desk.ask("DELETE", machine.headers["Location"], "beheerder", version=2)).status == 204


async def test_a_persons_key_that_can_decide_counts_as_that_person(desk: Desk, admin: asyncpg.Connection):
    made = await desk.key_of("auditor", routes=["besluit"])
    await admin.execute(
        "UPDATE registry.admin_key SET person = 'https://idp.example els' WHERE key_id = $1", made.json["nummer"]
    )
    assert await name_auditor(desk) == 202
    ended = await desk.ask("DELETE", made.headers["Location"], "beheerder", version=2)
    assert (ended.status, ended.json["aanvaarder"]) == (202, "auditor")


async def test_the_api_makes_no_key_for_everything(desk: Desk):
    body = {"rol": "beheerder", "naam": "Machine", "dagen": 1}
    wrong: tuple[dict[str, Any], ...] = ({}, {"routes": None}, {"routes": []})
    for said in wrong:
        refused = await desk.ask("POST", "/v1/beheersleutels", "beheerder", {**body, **said})
        assert (refused.status, refused.json["errors"][0]["location"]["pointer"]) == (400, "/routes")


async def test_a_key_decides_on_a_voorstel_when_it_names_that_and_not_else(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    path, headers = f"/v1/voorstellen/{number}/besluit", {"If-Match": '"1"'}
    everything = routes_of("beheerder")
    for routes, status in (([one for one in everything if one != "besluit"], 403), (everything, 200)):
        secret = (await desk.key_of("beheerder", routes=routes)).json["geheim"]
        reply = await desk.api.ask(
            "POST", path, headers={**headers, "Authorization": f"Bearer {secret}"}, json={"besluit": "aanvaard"}
        )
        assert reply.status == status, reply.text


async def test_the_command_line_makes_the_first_beheerders_key_and_no_auditors(
    database: Database, config: TenantsConfig, world: World, admin: asyncpg.Connection
):
    async def from_the_command_line(role: Role) -> str:
        return await make_key(
            database.url("tenants"), config.identity_public_file, role=role, tenant_oin=world.oin, name="Eerste", days=1
        )

    for state in ("active", "ended"):
        await admin.execute("UPDATE registry.tenant SET state = $2 WHERE tenant_id = $1", world.tenant_id, state)
        with pytest.raises(InputRefused, match="no auditor's key"):
            await from_the_command_line("auditor")
    await admin.execute("UPDATE registry.tenant SET state = 'active' WHERE tenant_id = $1", world.tenant_id)
    assert (await from_the_command_line("beheerder")).startswith("kpa_")
    with pytest.raises(InputRefused, match="has a beheerder"):
        await from_the_command_line("beheerder")
    made = await admin.fetch(
        "SELECT actor, role FROM registry.wijziging w, registry.admin_key WHERE object = 'admin_key'"
    )
    assert [tuple(row) for row in made] == [("opdrachtregel", "beheerder")]
    # A machine's key names nobody: with nothing else left the tenant gets its first key again.
    await admin.execute("UPDATE registry.admin_key SET routes = ARRAY['tenants'] WHERE tenant_id = $1", world.tenant_id)
    assert (await from_the_command_line("beheerder")).startswith("kpa_")
