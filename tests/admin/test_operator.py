"""The operator cannot make itself the municipality: whatever it asks, in whatever way, of any route there is."""

import re
from collections.abc import Iterator
from typing import Any

import asyncpg

from tests.admin.conftest import Api
from tests.admin.deciding import IDP, Desk
from tests.admin.regels import Recorder
from tests.admin.test_roles import CASES
from tests.worlds import World

OF_REGISTER = (
    "protocolregels", "inzage", "correctie", "steekproeven", "gebruiksrapporten", "datalekrapporten", "wijzigingen",
    "doelbindingen", "onbekende",
)  # fmt: skip
OPERATOR_KEY = {"rol": "operator", "naam": "M", "dagen": 1, "routes": ["tenants"]}
# What the operator may write that names a tenant: what it proposes, what is written of that, what it blocks or ends, and a
# try of a connection, which shows nothing of anybody; and how many calls the service takes of it;
# and that it saw on what ground the tenant serves another organisation (its afnemer).
MAY_WRITE = {
    "voorstel", "wijziging", "answered_request", "tenant", "blokkade", "verbindingstest", "verbindingstest_stap",
    "rate_limit", "history_key", "afnemer",
}  # fmt: skip


def paths_of(key: tuple[str, str], world: World) -> Iterator[str]:
    """The path as the table of roles has it, and that of what is there in truth."""
    case = CASES[key]
    yield key[1] if case.path is None else case.path(world)
    known = {"afnemerId": world.afnemer_id, "afnemer": world.afnemer_id, "waarde": world.afnemer_id, "soort": "afnemer"}
    # Key 1 is the operator's own; of all else the tenant has the first.
    first = "2" if "beheersleutels" in key[1] else "1"
    yield re.sub(r"\{([a-zA-Z]+)\}", lambda found: known.get(found[1], first), key[1])


async def rows_of(admin: asyncpg.Connection, tenant_id: int) -> dict[str, Any]:
    """Everything that the registry and the register hold of a tenant, by table, as a digest; but for what is proef."""
    tables = await admin.fetch(
        "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped "
        "WHERE n.nspname IN ('registry', 'register') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    )
    return {
        table["name"]: await admin.fetchval(
            f"SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {table['schema']}.{table['name']} t "  # noqa: S608
            "WHERE tenant_id = $1 AND to_jsonb(t) ->> 'environment' IS DISTINCT FROM 'proef'",
            tenant_id,
        )
        for table in tables
    }


async def test_no_request_of_the_operator_changes_or_reads_what_is_the_tenants(
    api: Api, world: World, other: World, admin: asyncpg.Connection, recorder: Recorder
):
    await recorder.record(world)
    before = await rows_of(admin, world.tenant_id)
    asked = 0
    for key, case in CASES.items():
        method, template = key
        if method == "GET" and "verbindingstesten" in template:
            # Goes on telling until a gateway has tried, and there is none here; its rows are looked at below.
            continue
        for path in paths_of(key, world):
            for named in ({}, {"Koppelpunt-Tenant": str(world.tenant_id)}):
                headers = {**named, "If-Match": '"1"'}
                if method == "POST":
                    headers["Idempotency-Key"] = f"{asked}"
                options = {} if case.json is None else {"json": case.json(world)}
                reply = await api.ask(method, path, by="operator", headers=headers, **options)
                asked += 1
                assert reply.status < 500 or reply.status == 503, (key, reply.text)
                if template.startswith(tuple(f"/v1/{word}" for word in OF_REGISTER)):
                    assert reply.status in {400, 403}, (key, reply.status)
                assert "geheim" not in (reply.json or {}), key
    after = await rows_of(admin, world.tenant_id)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= MAY_WRITE
    assert "voorstel" in changed
    assert asked > 4 * 100
    # And what it proposed it cannot decide on, in any role that it has.
    desk = Desk(api, world)
    proposed = (await desk.ask("GET", "/v1/voorstellen?aantal=200", "operator")).json["voorstellen"]
    assert len(proposed) > 5
    for one in proposed:
        for besluit in ("aanvaard", "geweigerd"):
            assert (await desk.decide(one["nummer"], "operator", besluit)).status == 403
    assert (await rows_of(admin, world.tenant_id))["voorstel"] == after["voorstel"]


async def test_the_operators_own_people_are_operators_and_nothing_else(
    api: Api, world: World, admin: asyncpg.Connection
):
    made = await api.ask("POST", "/v1/beheer-idps", by="operator", json=IDP)
    assert made.status == 201
    body = {"idp": made.json["nummer"], "kenmerk": "o.operator", "naam": "O. Operator"}
    for rol, status in (("beheerder", 400), ("auditor", 400), ("operator", 201)):
        assert (await api.ask("POST", "/v1/beheerders", by="operator", json={**body, "rol": rol})).status == status
    # A provider of the operator names nobody of a tenant, by a voorstel neither.
    header = {"Koppelpunt-Tenant": str(world.tenant_id)}
    foreign = await api.ask("POST", "/v1/beheerders", by="operator", headers=header, json={**body, "rol": "beheerder"})
    assert foreign.status == 409
    assert await admin.fetchval("SELECT count(*) FROM registry.beheerder WHERE tenant_id IS NOT NULL") == 0
    key = await api.ask("POST", "/v1/beheersleutels", by="operator", json=OPERATOR_KEY)
    assert key.status == 201
    assert await admin.fetchval("SELECT count(*) FROM registry.admin_key WHERE role = 'operator'") == 2
