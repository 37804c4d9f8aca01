"""How to ask the routes of what a tenant registers, and what each role is answered: a part of the table of `test_roles`.

The operator names no tenant here, and is told so; what has a number is asked by one that nobody has. By its own and by
another tenant's beheerder, and by an operator that names the tenant, each is asked in `test_resources`.
"""

from typing import Any

from tests.admin.beheer_cases import BOTH, TENANTS, answered, at
from tests.admin.resources import KINDS, Kind

Key = tuple[str, str]
# What the other tenant's beheerder is told that names an afnemer, aansluiting or taaksysteem of this one; and this one's
# that names itself.
MADE: dict[str, dict[str | None, int]] = {
    "afnemer": answered(201, *BOTH),
    "autorisatiebesluit": {"beheerder": 201, "other-beheerder": 409},
    "overeenkomst": answered(201, *BOTH),
    "uitlening": answered(201, *BOTH),
    "aansluiting": {"beheerder": 201, "other-beheerder": 409},
    "headerprofiel": answered(201, *BOTH),
    "idp": answered(201, *BOTH),
    "taaksysteem": {"beheerder": 201, "other-beheerder": 409},
    "sleutel": {"beheerder": 201, "other-beheerder": 404},
    "mandaat": {"beheerder": 400, "other-beheerder": 201},
    "mandaatverzoek": {"beheerder": 400, "other-beheerder": 201},
    "machtiging": {"beheerder": 201, "other-beheerder": 400},
    "controlebestemming": answered(201, *BOTH),
    "logboekbestemming": answered(201, *BOTH),
    "contact": answered(201, *BOTH),
}
KEYS = {"afnemer": "afnemerId", "headerprofiel": "naam", "sleutel": "sleutel"}
SECRET = {"sleutel", "mandaatverzoek", "controlebestemming", "logboekbestemming", "contact"}
"""What is the tenant's own: no operator asks it, not as a voorstel either."""


def of_kind(name: str, kind: Kind) -> dict[Key, dict[str, Any]]:
    route = kind.path.replace("{taaksysteem}", "{nummer}")
    one = f"{route}/{{{KEYS.get(name, 'nummer')}}}"
    operator = {} if name in SECRET else {"operator": 400}
    seen = {"beheerder": 200, "auditor": 200, "other-beheerder": 404, "other-auditor": 404}
    cases: dict[Key, dict[str, Any]] = {
        ("GET", route): {
            "answers": (seen if name == "sleutel" else answered(200, *TENANTS)) | {"operator": 400},
            "path": kind.all,
        },
        ("GET", one): {"answers": answered(404, *TENANTS, operator=400), "path": numbered(one)},
        ("POST", route): {
            "answers": MADE[name] | operator,
            "path": kind.all,
            "json": lambda world: kind.made(world, world),
        },
    }
    # Without the version that was seen nothing is changed or ended.
    refused = answered(428, *BOTH) | operator
    if kind.change is not None:
        change = dict(kind.change)
        cases["changing", one] = {"answers": refused, "path": numbered(one), "json": lambda _: change}
        cases[kind.changing, one] = cases.pop(("changing", one))
    if kind.ends:
        cases["DELETE", one] = {"answers": refused, "path": numbered(one)}
    return cases


def numbered(path: str) -> Any:
    return lambda _: path.format(nummer=999_999, sleutel=999_999, afnemerId="999999", naam="geen")


BESLUIT = "/v1/mandaatverzoeken/{nummer}/besluit"
STAPPEN = "/v1/aansluitingen/{nummer}/stappen"
PLAN = "/v1/aansluitingen/{nummer}/stappenplan"
UITZONDERING = "/v1/uitzonderingen/{nummer}"
UNSEEN = answered(428, *BOTH, operator=400)
RESOURCE_CASES: dict[Key, dict[str, Any]] = {
    **{key: case for name, kind in KINDS.items() for key, case in of_kind(name, kind).items()},
    ("GET", PLAN): {"answers": answered(404, *TENANTS, operator=400), "path": at(PLAN)},
    ("POST", PLAN): {
        "answers": UNSEEN, "path": at(PLAN), "json": lambda _: {"stap": "proef_getest", "op": "2026-02-01"}
    },
    ("PUT", STAPPEN): {"answers": UNSEEN, "path": at(STAPPEN), "json": lambda _: {"stappen": []}},
    ("POST", BESLUIT): {
        "answers": answered(428, *BOTH), "path": at(BESLUIT), "json": lambda _: {"besluit": "toegekend"}
    },
    ("GET", "/v1/uitzonderingen"): {"answers": answered(200, *TENANTS, operator=400)},
    ("GET", UITZONDERING): {"answers": answered(404, *TENANTS, operator=400), "path": at(UITZONDERING)},
    # Never for a gemeente, whoever grants it.
    ("POST", "/v1/uitzonderingen"): {
        "answers": {"beheerder": 400, "other-beheerder": 404},
        "json": lambda world: {
            "afnemerId": world.afnemer_id, "houderTenantId": world.tenant_id, "houderOin": world.oin, "uitlening": 1,
            "reden": "Overgang", "artikel": "Brief 27 maart 2026", "geldigTot": "2030-01-01T00:00:00Z",
        },
    },
    ("DELETE", UITZONDERING): {"answers": UNSEEN, "path": at(UITZONDERING)},
    ("POST", "/v1/contacten/{nummer}/webhookgeheim"): {
        "answers": answered(428, *BOTH), "path": at("/v1/contacten/{nummer}/webhookgeheim")
    },
    ("GET", "/v1/naleving"): {"answers": answered(200, *TENANTS, operator=400)},
    ("GET", "/v1/nalevingen"): {"answers": {"operator": 200}},
    ("GET", "/v1/meldingen"): {"answers": answered(200, *TENANTS, operator=400)},
    ("GET", "/v1/meldingen/{nummer}"): {
        "answers": answered(404, *TENANTS, operator=400), "path": at("/v1/meldingen/{nummer}")
    },
    ("GET", "/v1/checkpoints"): {"answers": answered(200, *TENANTS)},
    ("GET", "/v1/checkpoints/{omvang}"): {
        "answers": answered(404, *TENANTS), "path": lambda _: "/v1/checkpoints/999999"
    },
    ("GET", "/v1/tenants/{tenantId}"): {
        "answers": {"operator": 200, "beheerder": 200, "auditor": 200, "other-beheerder": 404, "other-auditor": 404},
        "path": lambda world: f"/v1/tenants/{world.tenant_id}",
    },
    ("POST", "/v1/tenants"): {
        "answers": {"operator": 201},
        "json": lambda _: {"oin": "00000001009999999000", "naam": "Gemeente Nieuw", "soort": "gemeente"},
    },
    ("PATCH", "/v1/tenants/{tenantId}"): {
        "answers": answered(428, *BOTH, "operator"),
        "path": lambda world: f"/v1/tenants/{world.tenant_id}",
        "json": lambda _: {"naam": "Anders"},
    },
}  # fmt: skip
