"""Delegated beheer: by a dated mandate another administers for a tenant, and never gives what would outlive that mandate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tenants.api.routes import ROUTES
from tenants.beheermandaten import administered_by
from tenants.scope import tenant_scope
from tests.admin.conftest import Api
from tests.admin.deciding import IDP, Desk
from tests.worlds import World

LATER = (datetime.now(UTC) + timedelta(days=300)).isoformat()
GEEN_SLEUTEL = {
    "beheerders", "beheerder", "benoemBeheerder", "trekBeheerderIn",
    "beheersleutels", "beheersleutel", "maakBeheersleutel", "trekBeheersleutelIn",
    "beheerIdps", "beheerIdp", "meldBeheerIdpAan", "beeindigBeheerIdp",
    "beheermandaten", "beheermandaat", "geefBeheermandaat", "beeindigBeheermandaat",
}  # fmt: skip
"""What no machine's key opens."""
EIGEN = GEEN_SLEUTEL | {
    "voorstellen", "voorstel", "trekVoorstelTerug", "besluit",
    "geefMandaat", "wijzigMandaat", "besluitMandaat", "leenUit",
    "maakContact", "wijzigContact", "beeindigContact", "vernieuwWebhookgeheim",
    "maakControlebestemming", "wijzigControlebestemming", "beeindigControlebestemming",
    "logboekbestemmingen", "logboekbestemming", "maakLogboekbestemming", "wijzigLogboekbestemming",
    "beeindigLogboekbestemming",
}  # fmt: skip
"""What is of the tenant itself, written out: whoever makes a route that belongs here says so twice."""


@pytest.fixture
def desk(api: Api, world: World) -> Desk:
    return Desk(api, world)


def test_what_is_of_the_tenant_itself_is_this():
    assert {route.name for route in ROUTES if route.eigen} == EIGEN
    assert {route.name for route in ROUTES if route.geen_sleutel} == GEEN_SLEUTEL


async def mandated(desk: Desk) -> None:
    """The operator and the other tenant both administer for this one."""
    for aan in (None, await other_tenant(desk)):
        given = {"aan": aan, "reden": "Storing", "geldigTot": LATER}
        assert (await desk.ask("POST", "/v1/beheermandaten", "beheerder", given)).status == 201


@pytest.mark.parametrize("by", ["operator", "other-beheerder"])
async def test_who_administers_by_a_mandate_gives_and_widens_nothing_and_diverts_no_notices(
    desk: Desk, other: World, by: str
):
    await mandated(desk)
    own = await desk.ask("POST", "/v1/mandaten", "beheerder", {"oin": other.oin, "reden": "Samen"})
    contact = await desk.ask(
        "POST", "/v1/contacten", "beheerder", {"soort": "fg", "naam": "FG", "email": "fg@testdam.example"}
    )
    place = await desk.ask(
        "POST", "/v1/controlebestemmingen", "beheerder", {"soort": "email", "plaats": "fg@testdam.example"}
    )
    mandaat, fg, checkpoints = own.headers["Location"], contact.headers["Location"], place.headers["Location"]
    # The operator may propose what is voorstelbaar, with a mandate too; nobody else even that.
    proposed = 202 if by == "operator" else 403
    for method, path, body, expected in (
        ("POST", "/v1/mandaten", {"oin": other.oin, "reden": "Voor mij"}, proposed),
        ("PATCH", mandaat, {"keuzePerKopregel": True}, proposed),
        ("POST", "/v1/uitleningen", {"oin": other.oin, "reden": "Voor mij"}, proposed),
        ("POST", "/v1/contacten", {"soort": "fg", "naam": "Ik", "email": "ik@elders.example"}, 403),
        ("PATCH", fg, {"email": "ik@elders.example"}, 403),
        ("DELETE", fg, None, 403),
        ("POST", "/v1/controlebestemmingen", {"soort": "email", "plaats": "ik@elders.example"}, 403),
        ("PATCH", checkpoints, {"elkeSeconden": 604_800}, 403),
        ("DELETE", checkpoints, None, 403),
    ):
        reply = await desk.ask(method, path, by, body, version=None if method == "POST" else 1)
        assert reply.status == expected, (path, reply.text)
    assert (await desk.ask("GET", mandaat, "beheerder")).json == own.json
    assert (await desk.ask("GET", fg, "beheerder")).json == contact.json
    assert (await desk.ask("GET", checkpoints, "beheerder")).json == place.json
    # To end what was given takes nothing from the tenant.
    assert (await desk.ask("DELETE", mandaat, by, version=1)).status == 204


@pytest.mark.parametrize("by", ["operator", "other-beheerder"])
async def test_nor_by_bringing_a_configuration_that_holds_it(desk: Desk, other: World, by: str):
    await mandated(desk)
    for refused, part in (
        (403, {"mandates": [{"to": other.oin, "reason": "Voor mij"}]}),
        (409, {"contacts": [{"kind": "fg", "name": "Ik", "email": "ik@elders.example"}]}),
        (409, {"checkpoint_destinations": [{"kind": "email", "target": "ik@elders.example"}]}),
        (403, {"certificate_lendings": [{"to": other.oin, "reason": "Voor mij"}]}),
    ):
        reply = await desk.ask("POST", "/v1/configuratie", by, part)
        assert reply.status == refused, reply.text
    for name in ("mandaten", "contacten", "uitleningen", "controlebestemmingen"):
        assert (await desk.ask("GET", f"/v1/{name}", "beheerder")).json[name] == []
    # What is no gift is what a mandate is for.
    assert (await desk.ask("POST", "/v1/configuratie", by, {"taaksystemen": []})).status == 200


@pytest.mark.parametrize(
    "set_", ["valid_until = 'infinity'", "header_choice = true", "withdrawn_at = NULL", "reason = 'Anders'"]
)
async def test_the_table_lets_a_mandate_be_ended_by_who_has_one_and_nothing_else(
    registrar: asyncpg.Connection, world: World, other: World, set_: str
):
    actor = "beheerder/9 (beheermandaat 1)"
    async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
        number = await registrar.fetchval(
            "INSERT INTO registry.mandate (tenant_id, to_tenant_id, reason, valid_until) "
            "VALUES ($1, $2, 'Samen', now() + interval '9 days') RETURNING mandate_id",
            world.tenant_id, other.tenant_id,
        )  # fmt: skip
    for statement in (f"{set_}", f"withdrawn_at = now(), {set_}"):
        if statement.count("withdrawn_at") < 2:
            with pytest.raises(asyncpg.CheckViolationError, match="only the tenant itself"):
                async with tenant_scope(registrar, world.tenant_id, actor=actor):
                    await registrar.execute(f"UPDATE registry.mandate SET {statement} WHERE mandate_id = $1", number)  # noqa: S608
    async with tenant_scope(registrar, world.tenant_id, actor=actor):
        await registrar.execute("UPDATE registry.mandate SET withdrawn_at = now() WHERE mandate_id = $1", number)


async def test_by_a_mandate_another_administers_and_nothing_more(desk: Desk, admin: asyncpg.Connection):
    taaksysteem = {"naam": "Zaaksysteem", "omgeving": "productie"}
    given = {}
    for by, aan in (("operator", None), ("other-beheerder", await other_tenant(desk))):
        assert (await desk.ask("POST", "/v1/taaksystemen", by, taaksysteem)).status == (202 if aan is None else 403)
        made = await desk.ask(
            "POST", "/v1/beheermandaten", "beheerder", {"aan": aan, "reden": "Storing", "geldigTot": LATER}
        )
        assert made.status == 201, made.text
        given[by] = made.headers["Location"]
        done = await desk.ask("POST", "/v1/taaksystemen", by, {**taaksysteem, "naam": f"Zaaksysteem {by}"})
        assert done.status == 201, done.text
        assert (await desk.history("taaksysteem"))[-1][0].endswith(f"(beheermandaat {made.json['nummer']})")
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    auditors = (await desk.key_of("auditor")).json["voorstel"]
    own = [route for route in ROUTES if route.eigen and "beheerder" in route.roles]
    assert len(own) > 15
    for by, mandaat in given.items():
        for voorstel in (number, auditors):
            assert (await desk.decide(voorstel, by)).status == 403
        for path in ("/v1/beheerders", "/v1/beheersleutels", "/v1/beheer-idps", "/v1/beheermandaten"):
            assert (await desk.ask("GET", path, by)).status == 403
        # What is of the tenant itself the operator proposes at most, with a mandate too.
        longer = await desk.ask("POST", "/v1/beheermandaten", by, {"reden": "Langer", "geldigTot": LATER})
        assert longer.status == (202 if by == "operator" else 403)
        assert (await desk.ask("DELETE", mandaat, by, version=1)).status == 403
        for path in ("/v1/protocolregels/zoekvraag", "/v1/inzageverzoeken", "/v1/steekproeven"):
            assert (await desk.ask("POST", path, by, {"reden": "x"})).status == 403
    for by, path in given.items():
        assert (await desk.ask("DELETE", path, "beheerder", version=1)).status == 204
        again = await desk.ask("POST", "/v1/taaksystemen", by, {**taaksysteem, "naam": "Later"})
        assert again.status == (202 if by == "operator" else 403)
    # By the calendar a mandate ends too.
    await desk.ask("POST", "/v1/beheermandaten", "beheerder", {"reden": "Storing", "geldigTot": LATER})
    await admin.execute("ALTER TABLE registry.beheermandaat DISABLE TRIGGER USER")
    await admin.execute("UPDATE registry.beheermandaat SET valid_from = now() - interval '2 days', valid_until = now()")
    assert (await desk.ask("POST", "/v1/taaksystemen", "operator", {**taaksysteem, "naam": "Te laat"})).status == 202


async def test_who_administers_for_a_tenant_is_what_naleving_shows(desk: Desk, registrar: asyncpg.Connection):
    tenant_id = desk.world.tenant_id
    for aan in (None, await other_tenant(desk)):
        await desk.ask("POST", "/v1/beheermandaten", "beheerder", {"aan": aan, "reden": "Storing", "geldigTot": LATER})
    await desk.ask("DELETE", "/v1/beheermandaten/1", "beheerder", version=1)
    async with tenant_scope(registrar, tenant_id, actor="test"):
        assert [name for name, _ in await administered_by(registrar, tenant_id)] == ["Gemeente 990002"]


async def other_tenant(desk: Desk) -> int:
    reply = await desk.api.ask("GET", "/v1/tenants", by="other-beheerder")
    number: int = reply.json["tenants"][0]["tenantId"]
    return number


@pytest.mark.parametrize(
    "body",
    [
        {"reden": "x", "geldigTot": "2020-01-01T00:00:00Z"}, {"reden": "x", "geldigTot": "2199-01-01T00:00:00Z"},
        {"reden": "x"}, {"geldigTot": LATER}, {"reden": "x", "geldigTot": LATER, "aan": 999_999},
    ],
)  # fmt: skip
async def test_a_mandate_is_dated_reasoned_and_for_somebody(desk: Desk, body: dict[str, Any]):
    assert (await desk.ask("POST", "/v1/beheermandaten", "beheerder", body)).status in {400, 409}
    assert (await desk.ask("GET", "/v1/beheermandaten", "beheerder")).json["beheermandaten"] == []
