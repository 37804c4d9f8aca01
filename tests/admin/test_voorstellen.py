"""What the operator asks of a tenant waits for the tenant, is done as asked or not at all, and is decided on once."""

import asyncio
from typing import Any

import asyncpg
import pytest
from pydantic import SecretBytes, SecretStr

from tenants.api.proposing import parameters_of, path_of
from tenants.api.routes import ROUTES
from tenants.scope import operator_scope, tenant_scope
from tenants.voorstellen import Request, propose
from tests.admin.conftest import Api
from tests.admin.deciding import IDP, Desk
from tests.worlds import World


@pytest.fixture
def desk(api: Api, world: World) -> Desk:
    return Desk(api, world)


async def test_what_the_operator_asks_is_done_when_the_tenants_beheerder_accepts_it(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    assert await desk.idps() == []
    shown = await desk.voorstel(number)
    assert (shown["staat"], shown["aanvaarder"], shown["verzoek"]["inhoud"]) == ("open", "beheerder", IDP)
    done = await desk.decide(number, "beheerder", reden="Afgesproken")
    assert done.status == 200, done.text
    assert done.json["antwoord"]["issuer"] == IDP["issuer"]
    assert done.json["voorstel"]["uitkomst"] == {"status": 201, "adres": done.json["voorstel"]["uitkomst"]["adres"]}
    assert await desk.idps() == [IDP["issuer"]]
    proposer, decider = shown["voorgesteldDoor"], done.json["voorstel"]["beslotenDoor"]
    assert await desk.history("beheer_idp") == [(f"{decider} (voorstel {number} van {proposer})", "insert")]
    assert await desk.history("voorstel") == [(proposer, "insert"), (decider, "update")]
    assert (proposer.split("/")[0], decider.split("/")[0]) == ("operator", "beheerder")


async def test_nothing_is_done_by_a_refusal_and_nothing_can_be_decided_twice(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    assert (await desk.decide(number, "beheerder", "geweigerd", reden="Niet nodig")).status == 200
    for besluit in ("aanvaard", "geweigerd"):
        again = await desk.decide(number, "beheerder", besluit, version=2)
        assert (again.status, again.json["code"]) == (409, "nietMeerOpen")
    assert (await desk.decide(number, "beheerder", version=1)).status == 412
    assert await desk.idps() == []


async def test_only_the_tenants_own_beheerder_accepts(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    for by, status in (("operator", 403), ("auditor", 403), ("other-beheerder", 403), ("other-auditor", 403)):
        assert (await desk.decide(number, by)).status == status
        assert (await desk.decide(number, by, "geweigerd")).status == status
    # Of another tenant nothing has this number: seen without the header, as its own.
    reply = await desk.api.ask(
        "POST", f"/v1/voorstellen/{number}/besluit", by="other-beheerder", headers={"If-Match": '"1"'},
        json={"besluit": "aanvaard"},
    )  # fmt: skip
    assert reply.status == 404
    assert (await desk.voorstel(number))["staat"] == "open"


async def test_of_two_who_accept_at_once_one_does_it(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    both = await asyncio.gather(*(desk.decide(number, "beheerder") for _ in range(2)))
    assert sorted(reply.status for reply in both) == [200, 412]
    assert await desk.idps() == [IDP["issuer"]]


async def test_what_is_wrong_is_told_when_it_is_proposed_and_nothing_is_kept(desk: Desk):
    body = {"idp": 999, "kenmerk": "j.jansen", "rol": "beheerder", "naam": "J. Jansen"}
    assert (await desk.ask("POST", "/v1/beheerders", "operator", body)).status == 409
    assert (await desk.ask("POST", "/v1/beheerders", "operator", {**body, "rol": "operator"})).status == 400
    assert (await desk.ask("POST", "/v1/beheerders", "operator", {**body, "naam": " "})).status == 400
    unknown = await desk.api.ask(
        "POST", "/v1/beheer-idps", by="operator", headers={"Koppelpunt-Tenant": "999999"}, json=IDP
    )
    assert unknown.status == 404
    reply = await desk.ask("GET", "/v1/voorstellen", "beheerder")
    assert reply.json["voorstellen"] == []


async def test_what_cannot_be_done_any_more_is_not_accepted_and_stays_open(desk: Desk):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    assert (await desk.ask("POST", "/v1/beheer-idps", "beheerder", IDP)).status == 201
    late = await desk.decide(number, "beheerder")
    assert (late.status, late.json["code"]) == (409, "pastNietMeer")
    assert (await desk.voorstel(number))["staat"] == "open"
    assert len(await desk.idps()) == 1


async def test_a_change_is_held_to_the_version_that_the_proposer_saw(desk: Desk):
    made = await desk.key_of("beheerder")
    path = made.headers["Location"]
    assert (await desk.ask("DELETE", path, "operator", version=2)).status == 412
    number = await desk.propose("DELETE", path, "operator", version=1)
    assert (await desk.ask("DELETE", path, "beheerder", version=1)).status == 204
    assert (await desk.decide(number, "beheerder")).json["code"] == "pastNietMeer"


async def test_the_same_request_is_the_same_voorstel_until_it_is_decided_on(desk: Desk):
    first = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    assert await desk.propose("POST", "/v1/beheer-idps", "operator", IDP) == first
    assert await desk.propose("POST", "/v1/beheer-idps", "operator", {**IDP, "naam": "Anders"}) != first
    assert (await desk.decide(first, "beheerder", "geweigerd")).status == 200
    assert await desk.propose("POST", "/v1/beheer-idps", "operator", IDP) not in {first, None}


async def test_a_voorstel_lapses_after_thirty_days(desk: Desk, admin: asyncpg.Connection):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    days = await admin.fetchval("SELECT valid_until - proposed_at FROM registry.voorstel")
    assert days.days == 30
    await admin.execute("ALTER TABLE registry.voorstel DISABLE TRIGGER USER")
    await admin.execute("UPDATE registry.voorstel SET valid_until = now() - interval '1 second'")
    await admin.execute("ALTER TABLE registry.voorstel ENABLE TRIGGER USER")
    assert (await desk.voorstel(number))["staat"] == "verlopen"
    assert (await desk.decide(number, "beheerder")).json["code"] == "nietMeerOpen"
    assert [
        one["nummer"] for one in (await desk.ask("GET", "/v1/voorstellen?staat=open", "beheerder")).json["voorstellen"]
    ] == []


async def test_the_operator_sees_and_takes_back_what_it_proposed_and_sees_nothing_else(desk: Desk):
    mine = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    auditors = await desk.key_of("auditor")
    assert auditors.status == 202
    seen = await desk.ask("GET", "/v1/voorstellen", "operator")
    assert [one["nummer"] for one in seen.json["voorstellen"]] == [mine]
    assert (await desk.ask("GET", auditors.headers["Location"], "operator")).status == 404
    assert (await desk.ask("DELETE", auditors.headers["Location"], "operator", version=1)).status == 404
    assert (await desk.ask("DELETE", f"/v1/voorstellen/{mine}", "beheerder", version=1)).status == 403
    assert (await desk.ask("DELETE", f"/v1/voorstellen/{mine}", "operator", version=1)).status == 204
    assert (await desk.voorstel(mine))["staat"] == "ingetrokken"


async def test_a_repeated_request_with_its_key_is_one_voorstel(desk: Desk):
    headers = {**desk.here, "Idempotency-Key": "een"}
    replies = [
        await desk.api.ask("POST", "/v1/beheer-idps", by="operator", headers=headers, json=IDP) for _ in range(2)
    ]
    assert [reply.status for reply in replies] == [202, 202]
    assert replies[0].json == replies[1].json


async def test_a_secret_that_acceptance_makes_is_shown_to_who_accepts_and_kept_nowhere(
    desk: Desk, admin: asyncpg.Connection
):
    reply = await desk.ask(
        "POST",
        "/v1/beheersleutels",
        "operator",
        {"rol": "beheerder", "naam": "Koppeling", "dagen": 30, "routes": ["tenants"]},
    )
    assert reply.status == 202
    assert "geheim" not in reply.json
    done = await desk.decide(reply.json["voorstel"], "beheerder")
    secret = done.json["antwoord"]["geheim"]
    assert secret.startswith("kpa_")
    assert (await desk.api.ask("GET", "/v1/tenants", headers={"Authorization": f"Bearer {secret}"})).status == 200
    for table in ("voorstel", "wijziging", "admin_key", "answered_request"):
        rows = await admin.fetch(f"SELECT * FROM registry.{table}")  # noqa: S608
        assert secret not in str([dict(row) for row in rows])


async def test_in_proef_the_operator_acts_at_once_and_in_productie_it_proposes(desk: Desk):
    proef = {"naam": "Proefsysteem", "omgeving": "proef"}
    made = await desk.ask("POST", "/v1/taaksystemen", "operator", proef)
    assert made.status == 201, made.text
    assert (await desk.history("taaksysteem"))[-1][0].startswith("operator/")
    productie = await desk.ask("POST", "/v1/taaksystemen", "operator", {**proef, "omgeving": "productie"})
    assert productie.status == 202
    # Nothing at all is changed by what would change nothing that is proef.
    assert (await desk.ask("POST", "/v1/afnemers", "operator", {
        "afnemerId": "990009", "oin": desk.world.oin, "naam": "Tweede", "soort": "gemeente", "gemeentecode": "0009",
    })).status == 202  # fmt: skip


def names_in(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = set(schema.get("properties", {}))
        return own.union(*(names_in(one) for one in schema.values()))
    return set().union(*(names_in(one) for one in schema)) if isinstance(schema, list) else set()


def test_no_route_that_becomes_a_voorstel_takes_a_secret():
    proposed = [route for route in ROUTES if route.voorstelbaar or route.vier_ogen is not None]
    assert len(proposed) > 8
    for route in proposed:
        if route.body is None:
            continue
        names = names_in(route.body.model_json_schema())
        assert not names & {"geheim", "wachtwoord", "secret", "clientSecret", "bestand"}
        assert not [f for f in route.body.model_fields.values() if f.annotation in {SecretStr, SecretBytes}]


def test_every_such_route_changes_something_and_finds_its_parameters_again():
    for route in ROUTES:
        if route.voorstelbaar or route.vier_ogen is not None:
            assert route.method in {"POST", "PUT", "PATCH", "DELETE"}
            given = {
                name: "12" for name in ("nummer", "naam", "stap", "afnemerId", "sleutel") if f"{{{name}}}" in route.path
            }
            path = path_of(route, given) if route.path.count("{") == len(given) else None
            assert path is None or parameters_of(route, path) == given


REQUEST = Request("meldBeheerIdpAan", "POST", "/v1/beheer-idps", "{}")


@pytest.mark.parametrize(
    ("proposer", "accepts", "decider", "state", "may"),
    [
        ("operator/900", "beheerder", "beheerder/901", "aanvaard", True),
        ("operator/900", "beheerder", "operator/900", "aanvaard", False),
        ("operator/900", "beheerder", "operator/902", "aanvaard", False),
        ("operator/900", "beheerder", "auditor/903", "aanvaard", False),
        ("operator/900", "beheerder", "beheerder/901 (beheermandaat 1)", "aanvaard", False),
        ("operator/900", "beheerder", "operator/900 (beheermandaat 1)", "aanvaard", False),
        ("operator/900", "beheerder", "opdrachtregel", "aanvaard", False),
        ("operator/900", "beheerder", "beheerder/901", "geweigerd", True),
        ("operator/900", "beheerder", "auditor/903", "geweigerd", True),
        ("operator/900", "beheerder", "operator/900", "geweigerd", False),
        ("operator/900", "beheerder", "operator/902", "ingetrokken", True),
        ("operator/900", "beheerder", "beheerder/901", "ingetrokken", False),
        ("opdrachtregel", "beheerder", "beheerder/901", "aanvaard", True),
        ("opdrachtregel", "beheerder", "operator/902", "ingetrokken", True),
        ("beheerder/901", "auditor", "auditor/903", "aanvaard", True),
        ("beheerder/901", "auditor", "beheerder/904", "aanvaard", False),
        ("beheerder/901", "auditor", "beheerder/901", "aanvaard", False),
        ("beheerder/901", "auditor", "auditor/901", "aanvaard", False),
        ("beheerder/901", "beheerder", "beheerder/904", "aanvaard", True),
        ("beheerder/901", "beheerder", "beheerder/901", "aanvaard", False),
        ("beheerder/901", "auditor", "beheerder/901", "ingetrokken", True),
        ("beheerder/901", "auditor", "beheerder/904", "ingetrokken", False),
        ("beheerder/901", "auditor", "operator/900", "ingetrokken", False),
        ("beheerder/901 (beheermandaat 4)", "auditor", "auditor/903", "aanvaard", True),
        ("beheerder/901 (beheermandaat 4)", "auditor", "auditor/901", "aanvaard", False),
        ("operator/900", "beheerder", "beheerder/901", "open", False),
    ],
)  # fmt: skip
async def test_the_table_itself_knows_who_may_decide(
    registrar: asyncpg.Connection,
    world: World,
    keyed: None,
    proposer: str,
    accepts: Any,
    decider: str,
    state: str,
    may: bool,
):
    async with tenant_scope(registrar, world.tenant_id, actor=proposer):
        number = await propose(registrar, world.tenant_id, REQUEST, accepts)
    statement = "UPDATE registry.voorstel SET state = $2 WHERE voorstel_id = $1"
    if may:
        async with tenant_scope(registrar, world.tenant_id, actor=decider):
            await registrar.execute(statement, number, state)
        return
    with pytest.raises(asyncpg.CheckViolationError):
        async with tenant_scope(registrar, world.tenant_id, actor=decider):
            await registrar.execute(statement, number, state)


@pytest.fixture
async def keyed(admin: asyncpg.Connection, world: World) -> None:
    """Keys 900 to 904, each a person of its own: but auditor/901 is the same key as beheerder/901."""
    for number, role in (
        (900, "operator"),
        (901, "beheerder"),
        (902, "operator"),
        (903, "auditor"),
        (904, "beheerder"),
    ):
        await admin.execute(
            "INSERT INTO registry.admin_key (tenant_id, key_id, role, name, hash, hash_version, valid_until) "
            "OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, 'x', sha256($4), 1, now() + interval '1 day')",
            None if role == "operator" else world.tenant_id, number, role, str(number).encode(),
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    ["body = '{\"naam\": \"anders\"}'", "path = '/v1/beheerders'", "accepts = 'auditor'", "proposed_by = 'beheerder/1'",
     "valid_until = now() + interval '1 year'", "decided_by = 'beheerder/1'", "version_seen = 3", "route = 'iets'"],
)  # fmt: skip
async def test_what_was_proposed_is_never_reworded(registrar: asyncpg.Connection, world: World, change: str):
    async with tenant_scope(registrar, world.tenant_id, actor="operator/1"):
        await propose(registrar, world.tenant_id, REQUEST, "beheerder")
    with pytest.raises(asyncpg.PostgresError) as refused:
        async with tenant_scope(registrar, world.tenant_id, actor="beheerder/2"):
            await registrar.execute(f"UPDATE registry.voorstel SET state = 'aanvaard', {change}")  # noqa: S608
    assert isinstance(refused.value, asyncpg.InsufficientPrivilegeError)


async def test_without_the_tenants_scope_no_voorstel_is_seen(registrar: asyncpg.Connection, world: World, other: World):
    async with tenant_scope(registrar, world.tenant_id, actor="operator/1"):
        await propose(registrar, world.tenant_id, REQUEST, "beheerder")
    async with tenant_scope(registrar, other.tenant_id, actor="beheerder/2"):
        assert await registrar.fetchval("SELECT count(*) FROM registry.voorstel") == 0
    async with operator_scope(registrar, actor="operator/1"):
        assert await registrar.fetchval("SELECT count(*) FROM registry.voorstel") == 0
