"""Who administers a tenant: its own people name each other, auditors look on, keys open what they are for, mandates end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tenants.admins import make_admin_key
from tenants.callers import NewMachtiging, create_machtiging, grant_policy
from tenants.keyring import public_half
from tenants.rights import Policy
from tenants.scope import tenant_scope
from tests.admin.conftest import Api
from tests.admin.deciding import Desk
from tests.worlds import Keyrings, World

LATER = (datetime.now(UTC) + timedelta(days=300)).isoformat()
WEAK = Policy(inzage="refused", inzage_article="Besluit BRP 46")


@pytest.fixture
def desk(api: Api, world: World) -> Desk:
    return Desk(api, world)


async def status(desk: Desk, secret: str, path: str = "/v1/wijzigingen", **said: Any) -> int:
    headers = {"Authorization": f"Bearer {secret}", **said.pop("headers", {})}
    return (await desk.api.ask(said.pop("method", "GET"), path, headers=headers, **said)).status


async def test_a_key_that_is_for_some_routes_opens_those_and_names_nobody(desk: Desk):
    made = await desk.key_of("beheerder", routes=["tenants", "wijzigingen"])
    assert made.status == 201, made.text
    secret = made.json["geheim"]
    assert await status(desk, secret) == 200
    assert await status(desk, secret, "/v1/tenants") == 200
    assert await status(desk, secret, "/v1/blokkades") == 403
    assert await status(desk, secret, "/v1/beheersleutels") == 403
    for name in ("maakBeheersleutel", "geefBeheermandaat", "zoekProtocolregels", "bestaatNiet"):
        refused = await desk.key_of("beheerder", routes=["tenants", name])
        assert (refused.status, refused.json["errors"][0]["location"]["pointer"]) == (400, "/routes/1")


async def test_a_key_is_shown_once_and_withdrawn_at_once(desk: Desk):
    made = await desk.key_of("beheerder")
    path, secret = made.headers["Location"], made.json["geheim"]
    shown = await desk.ask("GET", path, "beheerder")
    assert (shown.json["toestand"], shown.headers["ETag"]) == ("geldig", '"1"')
    assert "geheim" not in shown.json
    assert await status(desk, secret) == 200
    assert (await desk.ask("DELETE", path, "other-beheerder", version=1)).status == 403
    assert (await desk.ask("DELETE", path, "beheerder", version=1)).status == 204
    assert await status(desk, secret) == 401
    assert (await desk.ask("GET", path, "beheerder")).json["toestand"] == "ingetrokken"


async def test_who_becomes_auditor_or_is_one_no_more_an_auditor_accepts(desk: Desk):
    wanted = await desk.key_of("auditor")
    assert wanted.status == 202
    number = wanted.json["voorstel"]
    assert (await desk.voorstel(number))["aanvaarder"] == "auditor"
    for by, expected in (("beheerder", 403), ("operator", 403), ("other-auditor", 403)):
        assert (await desk.decide(number, by)).status == expected
    done = await desk.decide(number, "auditor")
    assert done.json["antwoord"]["rol"] == "auditor"
    path = f"/v1/beheersleutels/{done.json['antwoord']['nummer']}"
    asked = await desk.ask("DELETE", path, "beheerder", version=1)
    assert (asked.status, asked.json["aanvaarder"]) == (202, "auditor")
    # An auditor ends auditors, and nobody else.
    beheerders = await desk.key_of("beheerder")
    assert (await desk.ask("DELETE", beheerders.headers["Location"], "auditor", version=1)).status == 403
    assert (await desk.ask("DELETE", path, "auditor", version=1)).status == 204


async def test_what_the_operator_proposes_of_an_auditor_passes_both(desk: Desk):
    body = {"rol": "auditor", "naam": "FG", "dagen": 30, "routes": ["besluit"]}
    first = await desk.propose("POST", "/v1/beheersleutels", "operator", body)
    done = await desk.decide(first, "beheerder")
    assert done.json["voorstel"]["uitkomst"]["status"] == 202
    second = done.json["antwoord"]["voorstel"]
    assert (await desk.decide(second, "beheerder")).status == 403
    assert (await desk.decide(second, "auditor")).status == 200
    (door, _), = [one for one in await desk.history("admin_key") if "voorstel" in one[0]]  # fmt: skip
    assert door.count("voorstel") == 2
    assert door.startswith("auditor/")


async def test_without_an_auditor_that_stands_another_beheerder_accepts_the_next(
    desk: Desk, admin: asyncpg.Connection, registrar: asyncpg.Connection, keyrings: Keyrings, world: World
):
    await admin.execute(
        "UPDATE registry.admin_key SET withdrawn_at = now() WHERE tenant_id = $1 AND role = 'auditor'", world.tenant_id
    )
    asked = await desk.key_of("auditor")
    number = asked.json["voorstel"]
    assert asked.json["aanvaarder"] == "beheerder"
    assert (await desk.decide(number, "beheerder")).json["code"] == "zelfdePersoon"
    # A key that the asker made is the asker.
    own = (await desk.key_of("beheerder")).json["geheim"]
    decision: dict[str, Any] = {
        "path": f"/v1/voorstellen/{number}/besluit",
        "method": "POST",
        "json": {"besluit": "aanvaard"},
    }
    assert await status(desk, own, headers={"If-Match": '"1"'}, **decision) == 403
    _, second = await make_admin_key(
        registrar, public_half(keyrings.identity), role="beheerder", tenant_id=world.tenant_id, name="Tweede",
        valid_for=timedelta(days=1),
    )  # fmt: skip
    assert await status(desk, second, headers={"If-Match": '"1"'}, **decision) == 200


async def test_a_machtiging_leaves_out_of_the_register_what_an_auditor_granted_with_its_article(
    desk: Desk, registrar: asyncpg.Connection
):
    world = desk.world
    number = await weak_machtiging(registrar, world, actor="test")
    path = f"/v1/machtigingen/{number}/registerbeleid"
    voorstel = await desk.propose("POST", path, "beheerder", {"reden": "Opsporing"}, version=1)
    assert (await desk.voorstel(voorstel))["aanvaarder"] == "auditor"
    assert (await desk.decide(voorstel, "beheerder", artikel="Besluit BRP 46")).status == 403
    missing = await desk.decide(voorstel, "auditor")
    assert (missing.status, missing.json["errors"][0]["location"]["pointer"]) == (400, "/artikel")
    assert await granted(registrar, world, number) is None
    assert (await desk.decide(voorstel, "auditor", artikel="Besluit BRP 46")).status == 200
    assert (await granted(registrar, world, number) or "").startswith("auditor/")
    assert (await desk.ask("POST", path, "beheerder", {"reden": "Nog eens"}, version=2)).status == 409
    assert (await desk.ask("POST", path, "operator", {"reden": "Opsporing"}, version=2)).status == 403


async def test_what_is_asked_by_a_mandate_an_auditor_grants_as_what_a_beheerder_asks(
    desk: Desk, registrar: asyncpg.Connection
):
    given = {"aan": None, "reden": "Storing", "geldigTot": LATER}
    assert (await desk.ask("POST", "/v1/beheermandaten", "beheerder", given)).status == 201
    number = await weak_machtiging(registrar, desk.world, actor="test")
    path = f"/v1/machtigingen/{number}/registerbeleid"
    voorstel = await desk.propose("POST", path, "operator", {"reden": "Opsporing"}, version=1)
    assert (await desk.decide(voorstel, "operator", artikel="Besluit BRP 46")).status == 403
    done = await desk.decide(voorstel, "auditor", artikel="Besluit BRP 46")
    assert done.status == 200, done.text
    by = await granted(registrar, desk.world, number) or ""
    assert by.startswith("auditor/")
    assert "(beheermandaat " in by


async def test_two_pairs_of_eyes_are_those_of_two_persons(
    registrar: asyncpg.Connection, admin: asyncpg.Connection, world: World
):
    await admin.execute(
        "INSERT INTO registry.beheer_idp (tenant_id, name, issuer, jwks_url, audience) "
        "VALUES ($1, 'x', 'https://x.example', 'https://x.example/k', 'a')", world.tenant_id,
    )  # fmt: skip
    people = {}
    for subject, role in (("jan", "beheerder"), ("jan", "auditor"), ("els", "auditor")):
        async with tenant_scope(registrar, world.tenant_id, actor="test"):
            people[subject, role] = await registrar.fetchval(
                "INSERT INTO registry.beheerder (tenant_id, beheer_idp_id, subject, role, name) "
                "SELECT $1, beheer_idp_id, $2, $3, $2 FROM registry.beheer_idp RETURNING $3 || '/' || beheerder_id",
                world.tenant_id, subject, role,
            )  # fmt: skip
    number = await weak_machtiging(registrar, world, actor=people["jan", "beheerder"])
    for actor in (
        people["jan", "beheerder"], people["jan", "auditor"], "operator/1", f"{people['els', 'auditor']} (beheermandaat 1)",
    ):  # fmt: skip
        with pytest.raises(asyncpg.CheckViolationError):
            async with tenant_scope(registrar, world.tenant_id, actor=actor):
                await grant_policy(registrar, world.tenant_id, number)
    async with tenant_scope(registrar, world.tenant_id, actor=people["els", "auditor"]):
        await grant_policy(registrar, world.tenant_id, number)


async def weak_machtiging(registrar: asyncpg.Connection, world: World, actor: str) -> int:
    async with tenant_scope(registrar, world.tenant_id, actor=actor):
        return await create_machtiging(
            registrar, world.tenant_id,
            NewMachtiging(
                aansluiting_id=world.aansluiting_id, taaksysteem=(world.tenant_id, world.taaksysteem_id),
                doelbinding="Opsporing", grondslag="art. 3.5 Wet BRP", ontvanger="College", rights={"personen": {}},
                verwerkingsactiviteit="Opsporing", policy=WEAK,
            ),
        )  # fmt: skip


async def granted(registrar: asyncpg.Connection, world: World, number: int) -> str | None:
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        found: str | None = await registrar.fetchval(
            "SELECT policy_granted_by FROM registry.machtiging WHERE machtiging_id = $1", number
        )
    return found


@pytest.mark.parametrize("actor", ["operator/1", "operator/1 (beheermandaat 2)", "beheerder/1 (beheermandaat 2)"])
async def test_the_tables_take_no_administrator_from_who_is_not_of_the_tenant(
    registrar: asyncpg.Connection, world: World, actor: str
):
    inserts = (
        (
            "INSERT INTO registry.beheer_idp (tenant_id, name, issuer, jwks_url, audience) "
            "VALUES ($1, 'x', 'https://x.example', 'https://x.example', 'a')"
        ),
        (
            "INSERT INTO registry.admin_key (tenant_id, role, name, hash, hash_version, valid_until) "
            "VALUES ($1, 'beheerder', 'x', sha256('x'), 1, now() + interval '1 day')"
        ),
        (
            "INSERT INTO registry.beheermandaat (tenant_id, reason, given_by, valid_until) "
            "VALUES ($1, 'x', 'beheerder/7', now() + interval '1 day')"
        ),
        "UPDATE registry.admin_key SET withdrawn_at = NULL WHERE tenant_id = $1",
    )
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await registrar.execute(inserts[1].replace("'x')", "'y')"), world.tenant_id)
    for statement in inserts:
        with pytest.raises(asyncpg.CheckViolationError):
            async with tenant_scope(registrar, world.tenant_id, actor=actor):
                await registrar.execute(statement, world.tenant_id)
