"""Every route × every role × own and other tenant: what is not granted in the table below is refused."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tenants.api.routes import ROUTES
from tests.admin.beheer_cases import BEHEER_CASES
from tests.admin.conftest import Api, Furnished, Stage, staged
from tests.admin.regels import Recorder
from tests.admin.resource_cases import RESOURCE_CASES
from tests.admin.verbinding_cases import VERBINDING_CASES
from tests.databases import Cluster
from tests.worlds import Keyrings, World

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
    return {one["na"]["tenantId"] for one in found["wijzigingen"]}


def of_tenants(found: Any, world: World, other: World) -> set[int]:
    return {one["tenantId"] for one in found["tenants"]}


def verzoek(_: World) -> dict[str, Any]:
    return {"ontvangenOp": "2026-01-01", "betrokkene": {"naam": "Anna", "burgerservicenummer": "999990019"}}


def numbered(path: str) -> Callable[[World], str]:
    """A number that nobody has. What has one is tried in tests/inzage, by its own and by another tenant."""
    return lambda _: path.format(nummer=999)


def year() -> dict[str, str]:
    return around(days=180)


def month() -> dict[str, str]:
    return around(days=40)


def around(days: int) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"van": (now - timedelta(days=days)).isoformat(), "tot": (now + timedelta(days=days)).isoformat()}


PERIOD_OF_LEAK = {"van": "2025-01-01T00:00:00Z", "tot": "2040-01-01T00:00:00Z"}
AUDITORS: dict[str | None, int] = {"auditor": 200, "other-auditor": 200}
OWN: dict[str | None, int] = {name: 200 for name in WHO if name not in {None, "operator"}}
READERS: dict[str | None, int] = {name: 200 for name in WHO if name is not None}
ABSENT: dict[str | None, int] = {name: 404 for name in WHO if name not in {None, "operator"}}
UNSEEN: dict[str | None, int] = {"operator": 400, "beheerder": 428, "other-beheerder": 428}
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
    ("GET", "/v1/configuratie"): Case(OWN),
    # The operator names the tenant: tests/admin/test_bevestiging.py.
    ("POST", "/v1/afnemers/{afnemerId}/bevestiging"): Case(
        {"operator": 400},
        json=lambda _: {"reden": "Mandaat gezien"},
        path=lambda w: f"/v1/afnemers/{w.afnemer_id}/bevestiging",
    ),
    ("GET", "/v1/operatorwijzigingen"): Case({"operator": 200}),
    ("GET", "/v1/operatorcontrolepunten"): Case({"operator": 200}),
    # What the operator asks is a voorstel; with nothing in it there is nothing of proef.
    ("POST", "/v1/configuratie"): Case(
        {"operator": 400, "beheerder": 200, "other-beheerder": 200}, json=lambda _: {"taaksystemen": []}
    ),
    # Inzage and what an auditor checks: of nobody but the tenant's own auditor. What has a number, another's does not see.
    ("POST", "/v1/inzageverzoeken"): Case({"auditor": 201, "other-auditor": 201}, json=verzoek),
    ("GET", "/v1/inzageverzoeken"): Case(AUDITORS),
    ("GET", "/v1/inzageverzoeken/{nummer}"): Case(
        {"auditor": 404, "other-auditor": 404}, path=numbered("/v1/inzageverzoeken/{nummer}")
    ),
    ("POST", "/v1/inzageverzoeken/{nummer}/stappen"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/inzageverzoeken/{nummer}/stappen"),
        json=lambda _: {"soort": "ingetrokken", "op": "2026-01-01T00:00:00Z"},
    ),
    ("POST", "/v1/inzageverzoeken/{nummer}/uitkomsten"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/inzageverzoeken/{nummer}/uitkomsten"),
        json=lambda _: {"reden": "Inzage", "vorm": "json"},
    ),
    ("GET", "/v1/onbekende-uitkomsten"): Case(AUDITORS),
    ("POST", "/v1/correctielijsten"): Case(
        AUDITORS, json=lambda _: {"reden": "Correctie", "burgerservicenummer": "999990019", "rubrieken": ["010240"]}
    ),
    ("POST", "/v1/steekproeven"): Case(
        {"auditor": 201, "other-auditor": 201}, json=lambda _: {"reden": "Controle", "periode": year(), "aantal": 5}
    ),
    ("GET", "/v1/lezingen"): Case(AUDITORS),
    ("GET", "/v1/lezingen/{nummer}"): Case(
        {"auditor": 404, "other-auditor": 404}, path=numbered("/v1/lezingen/{nummer}")
    ),
    ("GET", "/v1/steekproeven"): Case(AUDITORS),
    ("GET", "/v1/steekproeven/{nummer}"): Case(
        {"auditor": 404, "other-auditor": 404}, path=numbered("/v1/steekproeven/{nummer}")
    ),
    ("POST", "/v1/steekproeven/{nummer}/lezingen"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/steekproeven/{nummer}/lezingen"),
        json=lambda _: {"reden": "Controle"},
    ),
    ("POST", "/v1/steekproeven/{nummer}/oordelen"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/steekproeven/{nummer}/oordelen"),
        json=lambda _: {"protocolregel": "01900000-0000-7000-8000-000000000000", "oordeel": "ja"},
    ),
    ("POST", "/v1/gebruiksrapporten"): Case(AUDITORS, json=lambda _: {"reden": "Controle", "periode": month()}),
    ("POST", "/v1/datalekrapporten"): Case(
        AUDITORS, json=lambda _: {"reden": "Lek", "periode": PERIOD_OF_LEAK, "gebruiker": "j.jansen", "vorm": "json"}
    ),
    **{key: Case(**given) for key, given in (BEHEER_CASES | RESOURCE_CASES | VERBINDING_CASES).items()},
    # Certificates: the operator names the tenant, and whoever changes one the version that was seen.
    ("GET", "/v1/certificaten"): Case({**OWN, "operator": 400}),
    ("GET", "/v1/certificaten/{nummer}"): Case({**ABSENT, "operator": 400}, path=numbered("/v1/certificaten/{nummer}")),
    ("GET", "/v1/certificaten/{nummer}/csr"): Case(
        {**ABSENT, "operator": 400}, path=numbered("/v1/certificaten/{nummer}/csr")
    ),
    ("GET", "/v1/certificaten/{nummer}/keten"): Case(
        {**ABSENT, "operator": 400}, path=numbered("/v1/certificaten/{nummer}/keten")
    ),
    ("POST", "/v1/certificaten/aanvragen"): Case(
        {"beheerder": 201, "other-beheerder": 400},
        json=lambda w: {"oin": w.oin, "hostnamen": ["egress.example"], "sleutel": "p256"},
    ),
    ("POST", "/v1/certificaten/pem"): Case(
        {"beheerder": 400, "other-beheerder": 400}, json=lambda w: {"oin": w.oin, "certificaten": "x", "sleutel": "x"}
    ),
    ("POST", "/v1/certificaten/pkcs12"): Case(
        {"beheerder": 400, "other-beheerder": 400}, json=lambda w: {"oin": w.oin, "bestand": "AAAA"}
    ),
    ("PUT", "/v1/certificaten/{nummer}/keten"): Case(
        UNSEEN, path=numbered("/v1/certificaten/{nummer}/keten"), json=lambda _: {"certificaten": "x"}
    ),
    ("POST", "/v1/certificaten/{nummer}/activering"): Case(
        UNSEEN, path=numbered("/v1/certificaten/{nummer}/activering"), json=lambda _: {"aansluitingen": "alle"}
    ),
    ("POST", "/v1/certificaten/{nummer}/terugdraaiing"): Case(
        UNSEEN, path=numbered("/v1/certificaten/{nummer}/terugdraaiing")
    ),
    ("POST", "/v1/certificaten/{nummer}/uitfasering"): Case(
        UNSEEN, path=numbered("/v1/certificaten/{nummer}/uitfasering")
    ),
    ("POST", "/v1/certificaten/{nummer}/intrekking"): Case(
        {"beheerder": 428, "other-beheerder": 428},
        path=numbered("/v1/certificaten/{nummer}/intrekking"),
        json=lambda _: {"reden": "Gelekt"},
    ),
    ("GET", "/v1/vernietigingen"): Case(AUDITORS),
    ("GET", "/v1/vernietigingen/voorgenomen"): Case(AUDITORS),
    ("GET", "/v1/vernietigingsstops"): Case(AUDITORS),
    ("POST", "/v1/vernietigingsstops"): Case(
        {"auditor": 201, "other-auditor": 201}, json=lambda _: {"reden": "Rechtszaak"}
    ),
    ("POST", "/v1/vernietigingsstops/{nummer}/stappen"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/vernietigingsstops/{nummer}/stappen"),
        json=lambda _: {"soort": "opheffing_gevraagd", "reden": "Voorbij"},
    ),
    ("GET", "/v1/registerfouten"): Case(AUDITORS),
    ("GET", "/v1/registerfouten/antwoorden"): Case(AUDITORS),
    ("POST", "/v1/registerfouten/antwoorden/{nummer}/besluiten"): Case(
        {"auditor": 404, "other-auditor": 404},
        path=numbered("/v1/registerfouten/antwoorden/{nummer}/besluiten"),
        json=lambda _: {"besluit": "ingestemd", "reden": "Onderzocht"},
    ),
    ("GET", "/v1/contracteinde"): Case(OWN),
    ("POST", "/v1/contracteinde/besluiten"): Case(
        dict.fromkeys(OWN, 409),
        json=lambda _: {"besluit": "meebevestigd", "archief": "0" * 64, "reden": "Ontvangen"},
    ),
    # Rate limits: the operator's to set, of the tenant that it names.
    ("GET", "/v1/snelheidslimieten"): Case(OWN | {"operator": 400}),
    ("GET", "/v1/snelheidslimieten/{nummer}"): Case(
        dict.fromkeys(OWN, 404) | {"operator": 400}, path=numbered("/v1/snelheidslimieten/{nummer}")
    ),
    ("POST", "/v1/snelheidslimieten"): Case({"operator": 400}, json=lambda _: {"perSeconde": 1, "tegelijk": 1}),
    ("PATCH", "/v1/snelheidslimieten/{nummer}"): Case(
        {"operator": 400}, json=lambda _: {"tegelijk": 2}, path=numbered("/v1/snelheidslimieten/{nummer}")
    ),
    ("DELETE", "/v1/snelheidslimieten/{nummer}"): Case(
        {"operator": 400}, path=numbered("/v1/snelheidslimieten/{nummer}")
    ),
    ("GET", "/v1/doelbindingen"): Case(OWN),
    ("POST", "/v1/doelbindingen"): Case(OWN, json=lambda _: {"doelbinding": "taak", "omschrijving": "Een taak"}),
}


def test_every_route_is_in_the_table_and_no_other():
    assert {(route.method, route.path) for route in ROUTES} == CASES.keys()


def test_no_route_is_public_but_the_description():
    assert [route.path for route in ROUTES if route.public] == ["/v1/openapi.json"]


def test_the_operator_has_no_route_into_the_register():
    of_register = (
        "protocolregels",
        "inzage",
        "vernietiging",
        "contracteinde",
        "registerfouten",
        "correctie",
        "steekproeven",
        "lezingen",
        "rapporten",
        "doelbindingen",
    )
    found = [route for route in ROUTES if any(name in route.path for name in of_register)]
    assert len(found) > 10
    assert not [route for route in found if "operator" in route.roles]


# What changes something is asked in a database of its own; all else by all in one database, one after the other.
ALONE = [
    (key, who)
    for key, case in CASES.items()
    for who, status in case.answers.items()
    if key[0] != "GET" and status < 300
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    postgres_cluster: Cluster, furnished: Furnished, keyrings: Keyrings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with staged(postgres_cluster, furnished, keyrings, tmp_path_factory.mktemp("roles")) as made:
        await prepare(made.api, made.world, made.other, made.recorder)
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("key", CASES, ids=" ".join)
async def test_a_route_answers_only_whom_it_is_for_and_about_whom_it_may(key: tuple[str, str], shared: Stage):
    for who in WHO:
        if (key, who) not in ALONE:
            await ask_as(who, key, shared.api, shared.world, shared.other)


@pytest.mark.parametrize(("key", "who"), ALONE, ids=str)
async def test_a_route_does_what_is_asked_for_whom_it_is_for(
    key: tuple[str, str], who: str, api: Api, world: World, other: World, recorder: Recorder
):
    await prepare(api, world, other, recorder)
    await ask_as(who, key, api, world, other)


async def prepare(api: Api, world: World, other: World, recorder: Recorder) -> None:
    """Something of both tenants that may be shown, or blocked."""
    for one in (world, other):
        await recorder.record(one)
        assert (await api.ask("POST", "/v1/blokkades", by="operator", json=blocked(one))).status == 201


async def ask_as(who: str | None, key: tuple[str, str], api: Api, world: World, other: World) -> None:
    method, path = key
    case = CASES[key]
    options = {} if case.json is None else {"json": case.json(world)}
    reply = await api.ask(method, path if case.path is None else case.path(world), by=who, **options)
    refused = 401 if who is None else case.refused
    assert reply.status == case.answers.get(who, refused), (who, reply.text)
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
