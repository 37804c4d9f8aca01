"""What has a number: every route × everybody who may come near it × own, another tenant's and nobody's number.

An own number is found, another tenant's is answered in the very words of one that nobody has, and who may not ask is told
the same of all three. One thing of every kind is there for both tenants, so a filter that is lost shows here.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio

from tenants.admins import make_admin_key
from tenants.api.routes import ROUTES
from tenants.api.routing import Route
from tenants.keyring import public_half
from tests.admin.conftest import Api, Furnished, Reply, staged
from tests.admin.resources import KINDS
from tests.admin.test_roles import CASES, month
from tests.databases import Cluster
from tests.worlds import Keyrings, World

NOBODYS: Final = {
    "nummer": "999999",
    "afnemerId": "999999",
    "naam": "niemands",
    "tenantId": "999999",
    "omvang": "999999",
}
MACHINE: Final = frozenset({"afnemer", "wijzigAfnemer", "credential"})
"""What the key that is for some routes names."""
ELSEWHERE: Final = {
    "/v1/blokkades": "has no number: tests/admin/test_blokkade_routes.py",
    "/v1/tenants": "is the tenant itself: the table of roles",
    "/v1/uitzonderingen": "takes two and a lending: tests/admin/test_uitzonderingen.py",
    "/v1/beheerders": "takes a provider: tests/admin/test_beheer_tokens.py",
    "/v1/checkpoints": "the sealer makes them: tests/openapi/test_other_tenants.py",
    "/v1/meldingen": "the sealer raises them: tests/notices",
    "/v1/mandaatverzoeken": "is of both sides, each with its own part: tests/admin/test_mandaten.py",
    "/v1/registerfouten/antwoorden": "the sealer finds them: tests/admin/test_registerfouten.py",
}
EMPTY: Final = frozenset({"certificaatKeten"})
"""Found, and without what is asked of it: a request for a certificate has no chain yet."""
FOREIGN_ALONE: Final = frozenset({"volgVerbindingstest", "oordeel", "hefStandOp", "brengKetenIn"})
"""Goes on telling until a gateway has tried; names something else of the register; finds no stand of RvIG; has no good chain."""
OF_BOTH: Final = frozenset({"uitlening", "mandaat", "beheermandaat"})
"""Who got it sees it too, and changes nothing of it."""


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody who asks: with which key, as which role, and for which tenant by the header."""

    key: str
    role: str
    other: bool = False
    by: str = ""

    @property
    def name(self) -> str:
        return f"{self.by or 'own'} {self.key}"

    def may(self, route: Route) -> bool:
        """Whether a route is for it."""
        if self.by == "":
            return self.role in route.roles
        if not route.of_tenant or self.by == "vreemde":
            return False
        if self.by == "mandaat":
            return "beheerder" in route.roles and not route.eigen
        return route.voorstelbaar or ("operator" in route.roles and not route.ook_operator)


PERSONAS: Final = (
    Persona("beheerder", "beheerder"),
    Persona("auditor", "auditor"),
    Persona("other-beheerder", "beheerder", other=True),
    Persona("other-auditor", "auditor", other=True),
    Persona("operator", "operator", by="operator"),
    # The other tenant's beheerder by the mandate that this one gave.
    Persona("other-beheerder", "beheerder", by="mandaat"),
    Persona("other-auditor", "auditor", by="vreemde"),
    # And this one's by a mandate that nobody gave.
    Persona("beheerder", "beheerder", other=True, by="vreemde"),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Two tenants, one of everything, and the numbers of it."""

    api: Api
    world: World
    other: World
    numbers: Mapping[bool, Mapping[str, str]]

    async def ask(self, persona: Persona, route: Route, number: str, rest: Mapping[str, str]) -> Reply:
        """Ask a route by a number. The version is one that nothing has: what is found is told apart and not changed."""
        names = re.findall(r"\{(\w+)\}", route.path)
        case = CASES.get((route.method, route.path))
        headers = {"If-Match": '"999"'} if route.demands_version else {}
        if persona.by:
            headers["Koppelpunt-Tenant"] = str((self.other if persona.other else self.world).tenant_id)
        body = {} if case is None or case.json is None else {"json": case.json(self.world)}
        if "aansluiting" in body.get("json", {}):
            body = {"json": {"aansluiting": (self.other if persona.other else self.world).aansluiting_id}}
        path = route.path.format(**{**rest, names[0]: number})
        return await self.api.ask(route.method, path, by=persona.key, headers=headers, **body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    postgres_cluster: Cluster, furnished: Furnished, keyrings: Keyrings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    async with staged(postgres_cluster, furnished, keyrings, tmp_path_factory.mktemp("numbers")) as stage:
        connection = await asyncpg.connect(stage.database.url("admin"))
        keys = {**stage.api.keys, **await special_keys(connection, keyrings, stage.world)}
        await connection.close()
        api = replace(stage.api, keys=keys)
        for world, other, by in ((stage.world, stage.other, ""), (stage.other, stage.world, "other-")):
            await stage.recorder.record(world)
            await furnish(api, world, other, by)
        numbers = {
            False: await numbers_of(api, stage.world, ""),
            True: await numbers_of(api, stage.other, "other-"),
        }
        yield Ground(api, stage.world, stage.other, numbers)


async def special_keys(connection: asyncpg.Connection, keyrings: Keyrings, world: World) -> dict[str, str]:
    """A machine's, one that has ended, and one that was withdrawn; all of this tenant's beheerder."""
    made = {}
    for name, routes in (("machine", sorted(MACHINE)), ("ended", None), ("withdrawn", None)):
        number, made[name] = await make_admin_key(
            connection, public_half(keyrings.identity), role="beheerder", tenant_id=world.tenant_id, name=name,
            valid_for=timedelta(days=1), routes=routes,
        )  # fmt: skip
        end = {"withdrawn": "withdrawn_at = now()", "ended": "valid_until = now()"}.get(name, "name = name")
        await connection.execute(f"UPDATE registry.admin_key SET {end} WHERE key_id = $1", number)  # noqa: S608
    return made


async def furnish(api: Api, world: World, other: World, by: str) -> None:
    """One of every kind, as the tenant makes it."""
    for kind in KINDS.values():
        body = kind.made(world, other)
        if by:
            body |= {"afnemerId": "990078"} if kind.field == "afnemers" else {}
            body |= {"naam": "van-ons"} if kind.field == "headerprofielen" else {}
            body |= {"issuer": "https://ander.example"} if kind.field == "idps" else {}
        made = await api.ask("POST", kind.all(world), by=f"{by}beheerder", json=body)
        assert made.status == 201, (kind.path, made.text)
    here = {"Koppelpunt-Tenant": str(world.tenant_id)}
    made = await api.ask(
        "POST", "/v1/snelheidslimieten", by="operator", headers=here, json={"perSeconde": 1, "tegelijk": 1}
    )
    assert made.status == 201, made.text
    # The oldest voorstel is the operator's, who sees no other.
    proposed = CASES["POST", "/v1/uitleningen"].json
    assert proposed is not None
    made = await api.ask("POST", "/v1/uitleningen", by="operator", headers=here, json=proposed(other))
    assert made.status == 202, made.text
    asked: tuple[tuple[str, str, Any], ...] = (
        ("auditor", "/v1/steekproeven", {"reden": "Controle", "periode": month(), "aantal": 5}),
        ("auditor", "/v1/inzageverzoeken", CASES["POST", "/v1/inzageverzoeken"].json),
        ("auditor", "/v1/vernietigingsstops", {"reden": "Rechtszaak"}),
        ("beheerder", "/v1/beheersleutels", CASES["POST", "/v1/beheersleutels"].json),
        # To the operator by the other tenant, and to that one by this.
        ("beheerder", "/v1/beheermandaten", {
            "aan": None if by else other.tenant_id, "reden": "Storing", "geldigTot": "2027-06-01T00:00:00Z",
        }),
        ("beheerder", "/v1/certificaten/aanvragen", {"oin": world.oin, "hostnamen": ["a.example"], "sleutel": "p256"}),
        ("beheerder", f"/v1/aansluitingen/{world.aansluiting_id}/verbindingstesten", {}),
        ("beheerder", "/v1/beheer-idps", {
            "naam": "Entra", "issuer": f"https://beheer.example/{by}a", "jwksUrl": "https://idp.example/k", "audience": "a",
        }),
    )  # fmt: skip
    for role, path, body in asked:
        given = body(world) if callable(body) else body
        made = await api.ask("POST", path, by=by + role, json=given)
        assert made.status in {201, 202}, (path, made.text)


async def numbers_of(api: Api, world: World, by: str) -> dict[str, str]:
    """By the path of a list: the last of it that is the tenant's own and was not got from the other."""
    found = {}
    keys = {
        route.path.partition("/{")[0]: re.findall(r"\{(\w+)\}", route.path)[0] for route in ROUTES if "{" in route.path
    }
    lists = {route.path: route for route in ROUTES if route.method == "GET"}
    mine = {"mandaten": "vanTenantId", "uitleningen": "vanTenantId", "beheermandaten": "tenantId"}
    for path, key in keys.items():
        if path not in lists:
            continue
        role = min(lists[path].roles - {"operator"})
        page = (await api.ask("GET", path, by=by + role)).json
        rows = [row for value in page.values() if isinstance(value, list) for row in value]
        whose = mine.get(path.rpartition("/")[2])
        rows = [row for row in rows if whose is None or row.get(whose, world.tenant_id) == world.tenant_id]
        if rows:
            found[path] = str(rows[-1].get(key, rows[-1].get("nummer")))
    # What has something of its own below it.
    found |= {"/v1/taaksystemen": str(world.taaksysteem_id), "/v1/aansluitingen": str(world.aansluiting_id)}
    for path, name in (("/v1/taaksystemen", "sleutel"), ("/v1/aansluitingen", "test")):
        below = {"sleutel": "sleutels", "test": "verbindingstesten"}[name]
        page = (await api.ask("GET", f"{path}/{found[path]}/{below}", by=f"{by}beheerder")).json
        found[name] = str(page[below][-1]["nummer"])
    return found


NUMBERED: Final = [route for route in ROUTES if "{" in route.path]


def told(reply: Reply) -> tuple[int, str, str]:
    """What a refusal says, but for the number of the request; of what was found, that it was."""
    if reply.status < 400:
        return reply.status, "", ""
    return reply.status, reply.json["code"], reply.json["detail"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("persona", PERSONAS, ids=lambda one: one.name)
async def test_an_own_number_is_found_and_anothers_is_nobodys(persona: Persona, ground: Ground):
    tried, found = set(), 0
    own, foreign = ground.numbers[persona.other], ground.numbers[not persona.other]
    for route in NUMBERED:
        path = route.path.partition("/{")[0]
        if path in ELSEWHERE or path not in own or path not in foreign:
            continue
        name = re.findall(r"\{(\w+)\}", route.path)[0]
        rest = {"test": own["test"], "sleutel": own["sleutel"]}
        nobodys = told(await ground.ask(persona, route, NOBODYS[name], rest))
        foreigns = told(await ground.ask(persona, route, foreign[path], {name: foreign[name] for name in rest}))
        assert nobodys[0] in {400, 403, 404}, (route.name, nobodys)
        assert foreigns == nobodys or route.name in OF_BOTH, (route.name, persona.name, foreigns)
        tried.add(path)
        if route.name in FOREIGN_ALONE:
            continue
        owns = told(await ground.ask(persona, route, own[path], rest))
        if persona.may(route):
            found += 1
            assert owns != nobodys, (route.name, persona.name, owns)
            assert route.method != "GET" or owns[0] == 200 or route.name in EMPTY, (route.name, owns)
        else:
            assert owns == nobodys, (route.name, persona.name, owns)
            assert owns[0] in {400, 403}, (route.name, owns)
    assert {route.path.partition("/{")[0] for route in NUMBERED} - tried <= ELSEWHERE.keys()
    assert len(tried) > 20
    assert (found > 20) is (persona.by != "vreemde")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_for_some_routes_opens_those_of_its_own_tenant_and_a_dead_one_nothing(
    ground: Ground,
):
    own, foreign = ground.numbers[False], ground.numbers[True]
    machine, opened = Persona("machine", "beheerder"), set()
    for route in NUMBERED:
        path = route.path.partition("/{")[0]
        name = re.findall(r"\{(\w+)\}", route.path)[0]
        if path == "/v1/blokkades":
            continue
        rest = {"test": "1", "sleutel": "1"}
        for number in (own.get(path, "1"), foreign.get(path, "1"), NOBODYS[name]):
            reply = await ground.ask(machine, route, number, rest)
            if route.name in MACHINE:
                assert (reply.status in {200, 412}) is (number == own[path]), (route.name, number, reply.text)
                opened.add(route.name)
            else:
                assert (reply.status, reply.json["code"]) == (403, "sleutelMagDitNiet"), (route.name, reply.text)
            for key in ("ended", "withdrawn"):
                dead = await ground.ask(Persona(key, "beheerder"), route, number, rest)
                assert (dead.status, dead.json["code"]) == (401, "onbekendeSleutel")
    assert opened == MACHINE
