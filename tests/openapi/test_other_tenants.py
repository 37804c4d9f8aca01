"""What another tenant has, no answer tells from what nobody has: not by an address, not in a body, not as a place in a list."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tenants.api.resources import Bladzijde
from tenants.api.routes import ROUTES
from tenants.api.routing import Route
from tests.admin.conftest import Api, Reply
from tests.admin.regels import Recorder
from tests.admin.resources import KINDS, machtiging
from tests.admin.test_roles import CASES, Case, month
from tests.worlds import World

PERIOD = {"van": "2020-01-01T00:00:00Z", "tot": "2100-01-01T00:00:00Z"}
SEARCH = "/v1/protocolregels/zoekvraag"
# Of two sides, as a mandate is; named by what everybody knows; or made by nothing that is asked here.
NOT_TRIED = {
    "/v1/mandaten", "/v1/mandaatverzoeken", "/v1/uitleningen", "/v1/uitzonderingen", "/v1/blokkades", "/v1/checkpoints",
    "/v1/meldingen", "/v1/registerfouten/antwoorden",
}  # fmt: skip
NOBODYS = {"nummer": "999999", "afnemerId": "999999", "naam": "niemands", "tenantId": "999999", "omvang": "999999"}


@dataclass(frozen=True, slots=True)
class Both:
    """Two tenants with one of everything; by the path of a list, what only one of them sees there."""

    api: Api
    world: World
    other: World
    foreign: Mapping[str, str]
    own: Mapping[str, str]

    async def ask(self, route: Route, path: str, by: str) -> Reply:
        case = CASES.get((route.method, route.path), Case({}))
        body = {} if case.json is None else {"json": case.json(self.world)}
        headers = {"If-Match": '"1"'} if route.demands_version else {}
        return await self.api.ask(route.method, path, by=by, headers=headers, **body)


@pytest.fixture
async def both(rich: Api, world: World, other: World, recorder: Recorder) -> Both:
    await recorder.record(other, "999990021")
    for kind in KINDS.values():
        if kind.field == "snelheidslimieten":
            continue
        body = kind.made(other, world)
        body |= {name: "990078" for name in ("afnemerId",) if name in body and kind.field == "afnemers"}
        body |= {"issuer": "https://idp.example/ander"} if "issuer" in body else {}
        body |= {"naam": "van-ons"} if kind.field == "headerprofielen" else {}
        made = await rich.ask("POST", kind.all(other), by="other-beheerder", json=body)
        assert made.status in {201, 409}, made.text
    await fill(rich, other, "other-")
    await fill(rich, world, "")
    return Both(rich, world, other, await seen_by_one(rich, "other-", ""), await seen_by_one(rich, "", "other-"))


async def fill(api: Api, world: World, whose: str) -> None:
    """What KINDS does not make."""
    asked = {
        ("auditor", "/v1/steekproeven"): {"reden": "Controle", "periode": month(), "aantal": 5},
        ("auditor", "/v1/inzageverzoeken"): {
            "ontvangenOp": "2026-01-01", "betrokkene": {"naam": "Anna", "burgerservicenummer": "999990019"}
        },
        ("auditor", "/v1/vernietigingsstops"): {"reden": "Rechtszaak"},
        ("beheerder", "/v1/beheersleutels"): {"rol": "beheerder", "naam": "Machine", "dagen": 1, "routes": ["idps"]},
        ("beheerder", "/v1/beheermandaten"): {"reden": "Storing", "geldigTot": "2027-06-01T00:00:00Z"},
        ("beheerder", "/v1/beheer-idps"): {
            "naam": "Entra", "issuer": f"https://idp.example/{whose}a", "jwksUrl": "https://idp.example/keys", "audience": "a",
        },
        ("beheerder", "/v1/certificaten/aanvragen"): {"oin": world.oin, "hostnamen": ["x.example"], "sleutel": "p256"},
    }  # fmt: skip
    # Before there is a mandate, by which it is done at once.
    of_operator = {
        "/v1/snelheidslimieten": {"perSeconde": 1, "tegelijk": 1},
        "/v1/taaksystemen": {"naam": "Voorgesteld", "omgeving": "productie", "bewijzen": []},
    }
    for path, body in of_operator.items():
        headers = {"Koppelpunt-Tenant": str(world.tenant_id)}
        made = await api.ask("POST", path, by="operator", headers=headers, json=body)
        assert made.status in {(202 if path == "/v1/taaksystemen" else 201), 409}, made.text
    for (role, path), body in asked.items():
        made = await api.ask("POST", path, by=whose + role, json=body)
        assert made.status in {201, 202}, made.text
        if path == "/v1/beheer-idps":
            person = {"idp": made.json["nummer"], "kenmerk": "j", "rol": "beheerder", "naam": "J. Jansen"}
            assert (await api.ask("POST", "/v1/beheerders", by=whose + role, json=person)).status in {201, 202}


async def seen_by_one(api: Api, one: str, another: str) -> dict[str, str]:
    """By the path of a list: something of it that one sees and the other does not."""
    found: dict[str, str] = {}
    lists = {route.path: route for route in ROUTES if route.method == "GET" and "{" not in route.path}
    for path, key in {tuple(route.path.split("/{")[:2]) for route in ROUTES if "{" in route.path}:
        if path in lists:
            role = min(lists[path].roles - {"operator"})
            theirs, ours = [
                keys_of((await api.ask("GET", path, by=by)).json, key.partition("}")[0])
                for by in (one + role, another + role)
            ]
            found |= dict.fromkeys([path] if theirs - ours else [], min(theirs - ours, default=""))
    return found


def keys_of(page: Any, key: str) -> set[str]:
    rows = [row for rows in page.values() if isinstance(rows, list) for row in rows]
    return {str(row.get(key, row.get("nummer"))) for row in rows}


def rows_of(page: Any) -> set[str]:
    return {json.dumps(row, sort_keys=True) for rows in page.values() if isinstance(rows, list) for row in rows}


def ids_of(page: Any) -> set[str]:
    return {row["id"] for row in page["protocolregels"]}


def same(one: Reply, another: Reply) -> bool:
    """Whether two refusals say the same, in every word but the number of the request."""
    drop = ("instance",)
    return (
        one.status == another.status
        and one.status >= 400
        and (
            {k: v for k, v in one.json.items() if k not in drop}
            == {k: v for k, v in another.json.items() if k not in drop}
        )
    )


async def test_a_number_of_another_tenant_is_answered_as_one_that_nobody_has(both: Both):
    tried = set()
    for route in ROUTES:
        names = re.findall(r"\{(\w+)\}", route.path)
        collection = route.path.partition("/{")[0]
        if not names or collection not in both.foreign:
            continue
        for role in route.roles - {"operator"}:
            rest = dict.fromkeys(names[1:], "1")
            theirs = route.path.format(**rest | {names[0]: both.foreign[collection]})
            nobodys = route.path.format(**rest | {names[0]: NOBODYS[names[0]]})
            foreign, absent = await both.ask(route, theirs, role), await both.ask(route, nobodys, role)
            assert same(foreign, absent), (route.name, role, foreign.text, absent.text)
            assert foreign.status in {400, 403, 404, 409}, (route.name, foreign.text)
            tried.add(collection)
    without = {route.path.partition("/{")[0] for route in ROUTES if "{" in route.path} - tried
    assert without <= NOT_TRIED, sorted(without - NOT_TRIED)


async def test_a_place_in_a_list_of_another_tenant_leads_to_the_own_list_alone(both: Both):
    """A place is a number, and whose number it was makes no difference: nothing of another tenant comes after it, or before."""
    paged = [r for r in ROUTES if r.method == "GET" and r.query is not None and r.path in both.foreign]
    assert len(paged) > 15
    for route in paged:
        (place,) = {"na", "voor"} & (route.query or Bladzijde).model_fields.keys()
        role = min(route.roles - {"operator"})
        whole = await both.api.ask("GET", f"{route.path}?aantal=200", by=role)
        page = await both.api.ask("GET", f"{route.path}?aantal=200&{place}={both.foreign[route.path]}", by=role)
        assert page.status == 200, page.text
        assert rows_of(page.json) <= rows_of(whole.json), route.name


async def test_a_regel_of_another_tenant_is_no_place_in_the_own_register(both: Both):
    period = {"reden": "Controle", "periode": PERIOD}
    theirs = await both.api.ask("POST", SEARCH, by="other-auditor", json=period)
    ours = await both.api.ask("POST", SEARCH, by="auditor", json=period)
    foreign, own = ids_of(theirs.json), ids_of(ours.json)
    assert foreign
    assert own
    assert not foreign & own
    for one in foreign:
        found = await both.api.ask("POST", SEARCH, by="auditor", json=period | {"voor": one})
        assert ids_of(found.json) <= own
        verdict = {"oordeel": "ja"}
        sample = both.own["/v1/steekproeven"]
        judged, nobodys = [
            await both.api.ask(
                "POST", f"/v1/steekproeven/{sample}/oordelen", by="auditor", json=verdict | {"protocolregel": regel}
            )
            for regel in (one, "01900000-0000-7000-8000-000000000000")
        ]
        assert judged.status == 404
        assert same(judged, nobodys)


# Where a body names something by its number: the same words for another tenant's as for nobody's.
IN_BODIES: list[tuple[str, str, str, Callable[[World, Any], dict[str, Any]]]] = [
    ("POST", "/v1/machtigingen", "/v1/aansluitingen", lambda w, n: machtiging(w, w) | {"aansluiting": n}),
    ("POST", "/v1/machtigingen", "/v1/taaksystemen", lambda w, n: machtiging(w, w) | {"taaksysteem": {"nummer": n}}),
    ("POST", "/v1/taaksystemen", "/v1/aansluitingen", lambda _, n: {
        "naam": "Nieuw", "omgeving": "proef", "bewijzen": [], "vasteAansluiting": {"nummer": n},
    }),
    ("POST", "/v1/taaksystemen", "/v1/headerprofielen", lambda _, n: {
        "naam": "Nieuw", "omgeving": "proef", "bewijzen": [], "headerprofiel": n,
    }),
    ("POST", "/v1/aansluitingen", "/v1/certificaten", lambda w, n: {
        "afnemerId": w.afnemer_id, "oin": w.oin, "omgeving": "proef", "certificaat": n,
    }),
    ("POST", "/v1/aansluitingen", "/v1/credentials", lambda w, n: {
        "afnemerId": w.afnemer_id, "oin": w.oin, "omgeving": "proef", "credential": n,
    }),
    ("POST", "/v1/taaksystemen/1/sleutels", "/v1/idps", lambda *n: {"soort": "idp-client", "idp": n[1], "idpClient": "a"}),
    ("POST", "/v1/beheerders", "/v1/beheer-idps", lambda *n: {"idp": n[1], "kenmerk": "j", "rol": "beheerder", "naam": "J"}),
    ("POST", "/v1/autorisatiebesluiten", "/v1/afnemers", lambda _, n: {
        "afnemerId": n, "begin": "2026-01-01", "medium": "A", "rubrieken": ["010110"],
    }),
    ("POST", "/v1/blokkades", "/v1/afnemers", lambda _, n: {"soort": "afnemer", "waarde": n, "reden": "Incident"}),
]  # fmt: skip


async def test_a_body_that_names_what_another_tenant_has_is_answered_as_one_that_names_nothing(both: Both):
    for method, path, collection, body in IN_BODIES:
        foreign = both.foreign[collection]
        nobodys = {"/v1/headerprofielen": "niemands"}.get(collection, "999999")
        replies = []
        for named in (foreign, nobodys):
            given = int(named) if collection not in {"/v1/headerprofielen", "/v1/afnemers"} else named
            replies.append(await both.api.ask(method, path, by="beheerder", json=body(both.world, given)))
        assert same(*replies), (path, collection, [one.text for one in replies])
