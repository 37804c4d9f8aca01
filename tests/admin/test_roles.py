"""Every route × every role × own and other tenant: what is not granted in the table below is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from tenants.api.routes import ROUTES
from tests.admin.conftest import Api
from tests.admin.regels import Recorder
from tests.worlds import World

WHO = (None, "operator", "beheerder", "auditor", "other-beheerder", "other-auditor")
PERIOD = {"van": "2020-01-01T00:00:00Z", "tot": "2100-01-01T00:00:00Z"}
Shown = Callable[[Any, World, World], set[int]]


@dataclass(frozen=True, slots=True)
class Case:
    """How to ask a route about the *own* tenant, and what each answers; who is not in `answers` gets `refused`."""

    answers: dict[str | None, int]
    refused: int = 403
    json: Callable[[World], dict[str, Any]] | None = None
    path: Callable[[World], str] | None = None
    tenants: Shown | None = None


def blocked(world: World) -> dict[str, Any]:
    return {"soort": "afnemer", "waarde": world.afnemer_id, "reden": "Incident"}


def of_blokkades(found: Any, world: World, other: World) -> set[int]:
    by_afnemer = {world.afnemer_id: world.tenant_id, other.afnemer_id: other.tenant_id}
    return {by_afnemer[one["waarde"]] for one in found["blokkades"]}


def of_regels(found: Any, world: World, other: World) -> set[int]:
    return {one["taaksysteem"]["tenantId"] for one in found["protocolregels"]}


def of_wijzigingen(found: Any, world: World, other: World) -> set[int]:
    return {one["na"]["tenant_id"] for one in found["wijzigingen"]}


def of_tenants(found: Any, world: World, other: World) -> set[int]:
    return {one["tenantId"] for one in found["tenants"]}


READERS: dict[str | None, int] = {name: 200 for name in WHO if name is not None}
CASES: dict[tuple[str, str], Case] = {
    ("GET", "/v1/openapi.json"): Case(dict.fromkeys(WHO, 200)),
    ("GET", "/v1/tenants"): Case(READERS, tenants=of_tenants),
    ("GET", "/v1/blokkades"): Case(READERS, tenants=of_blokkades),
    ("POST", "/v1/blokkades"): Case({"operator": 200, "beheerder": 200}, json=blocked),
    # What the operator blocked is not released by the tenant.
    ("DELETE", "/v1/blokkades/{soort}/{waarde}"): Case(
        {"operator": 204}, json=lambda _: {"reden": "Voorbij"}, path=lambda w: f"/v1/blokkades/afnemer/{w.afnemer_id}"
    ),
    ("POST", "/v1/protocolregels/zoekvraag"): Case(
        {"auditor": 200, "other-auditor": 200},
        json=lambda _: {"reden": "Controle", "periode": PERIOD},
        tenants=of_regels,
    ),
    ("GET", "/v1/wijzigingen"): Case(
        {name: 200 for name in WHO if name not in {None, "operator"}}, tenants=of_wijzigingen
    ),
}


def test_every_route_is_in_the_table_and_no_other():
    assert {(route.method, route.path) for route in ROUTES} == CASES.keys()


def test_no_route_is_public_but_the_description():
    assert [route.path for route in ROUTES if route.public] == ["/v1/openapi.json"]


def test_the_operator_has_no_route_into_the_register():
    assert not [route for route in ROUTES if "protocolregels" in route.path and "operator" in route.roles]


@pytest.mark.parametrize("who", WHO, ids=str)
@pytest.mark.parametrize("key", CASES, ids=" ".join)
async def test_a_route_answers_only_whom_it_is_for_and_about_whom_it_may(
    key: tuple[str, str], who: str | None, api: Api, world: World, other: World, recorder: Recorder
):
    method, path = key
    case = CASES[key]
    for one in (world, other):
        await recorder.record(one)
        assert (await api.ask("POST", "/v1/blokkades", by="operator", json=blocked(one))).status == 201
    options = {} if case.json is None else {"json": case.json(world)}
    reply = await api.ask(method, path if case.path is None else case.path(world), by=who, **options)
    refused = 401 if who is None else case.refused
    assert reply.status == case.answers.get(who, refused), reply.text
    if reply.status >= 400:
        assert reply.headers["Content-Type"] == "application/problem+json"
    elif case.tenants is not None:
        both = {world.tenant_id, other.tenant_id}
        own = {other.tenant_id} if who and who.startswith("other") else {world.tenant_id}
        assert case.tenants(reply.json, world, other) == (both if who == "operator" else own)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic a3Bh", "Bearer kpa_" + "a" * 43, "Bearer kpa_é"])
async def test_what_is_no_key_gets_401(api: Api, header: str):
    reply = await api.ask("GET", "/v1/tenants", headers={"Authorization": header})
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_that_is_withdrawn_or_has_ended_opens_nothing(api: Api, admin: asyncpg.Connection):
    assert (await api.ask("GET", "/v1/tenants", by="auditor")).status == 200
    await admin.execute("UPDATE registry.admin_key SET withdrawn_at = now() WHERE name = 'auditor'")
    await admin.execute("UPDATE registry.admin_key SET valid_until = now() WHERE name = 'beheerder'")
    for who in ("auditor", "beheerder"):
        assert (await api.ask("GET", "/v1/tenants", by=who)).status == 401


async def test_an_ended_tenant_changes_nothing_more_but_reads_its_register(
    api: Api, world: World, admin: asyncpg.Connection
):
    await admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", world.tenant_id)
    assert (await api.ask("POST", "/v1/blokkades", by="beheerder", json=blocked(world))).status == 401
    question = {"reden": "Overdracht", "periode": PERIOD}
    assert (await api.ask("POST", "/v1/protocolregels/zoekvraag", by="auditor", json=question)).status == 200
