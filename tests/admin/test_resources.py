"""Every resource of a tenant is made, shown, listed, changed and ended alike; two at once never overwrite each other."""

import asyncio

import pytest

from tests.admin.conftest import Api
from tests.admin.resources import KINDS, Kind
from tests.worlds import World


@pytest.mark.parametrize("name", KINDS)
async def test_a_resource_is_made_and_is_then_there_for_its_tenant_alone(
    name: str, api: Api, world: World, other: World
):
    kind = KINDS[name]
    made = await api.ask("POST", kind.all(world), by="beheerder", json=kind.made(world, other))
    assert made.status == 201, made.text
    where = made.headers["Location"]
    shown = await api.ask("GET", where, by="auditor")
    assert shown.status == 200
    assert shown.headers["ETag"] == made.headers["ETag"]
    assert made.json == shown.json | {"geheim": made.json["geheim"]} if kind.secret else made.json == shown.json
    for key, value in kind.made(world, other).items():
        if key in shown.json and not isinstance(value, dict):
            assert shown.json[key] == value
    listed = await api.ask("GET", kind.all(world), by="auditor")
    assert [one for one in listed.json[kind.field] if one.items() <= shown.json.items()]
    if name not in {"uitlening", "mandaat", "mandaatverzoek"}:
        assert (await api.ask("GET", where, by="other-beheerder")).status == 404
        rest = await api.ask("GET", kind.all(world), by="other-auditor")
        assert rest.status == 404 or shown.json not in rest.json[kind.field]
    assert (await api.ask("GET", where, by="operator")).json["code"] == "tenantOntbreekt"
    named = await api.ask("GET", where, by="operator", headers={"Koppelpunt-Tenant": str(world.tenant_id)})
    assert (named.status, named.json) == (200, shown.json)
    return where


async def _changed_by_who_saw_it(kind: Kind, where: str, api: Api) -> None:
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]

    async def change(by: str = "beheerder", **headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await api.ask(kind.changing, where, by=by, json=kind.change, headers=given)).status

    assert await change() == 428
    for wrong in ('"999"', "*", f"W/{etag}", etag.strip('"'), f'{etag}, "7"', '"0"'):
        assert await change(If_Match=wrong) == 412
    assert await change(by="other-beheerder", If_Match=etag) == 404
    assert sorted(await asyncio.gather(*(change(If_Match=etag) for _ in range(3)))) == [200, 412, 412]
    shown = await api.ask("GET", where, by="beheerder")
    assert shown.headers["ETag"] != etag
    for key, value in (kind.change or {}).items():
        if key in shown.json and not isinstance(value, dict):
            assert shown.json[key] == value


async def _ended_once(name: str, where: str, api: Api) -> None:
    etag = (await api.ask("GET", where, by="beheerder")).headers["ETag"]
    assert (await api.ask("DELETE", where, by="beheerder")).status == 428
    assert (await api.ask("DELETE", where, by="beheerder", headers={"If-Match": '"99"'})).status == 412
    assert (await api.ask("DELETE", where, by="other-beheerder", headers={"If-Match": etag})).status in {404, 409}
    assert (await api.ask("DELETE", where, by="auditor", headers={"If-Match": etag})).status == 403
    assert (await api.ask("DELETE", where, by="beheerder", headers={"If-Match": etag})).status == 204
    after = await api.ask("GET", where, by="beheerder")
    assert after.status == (404 if name == "autorisatiebesluit" else 200)
    again = await api.ask("DELETE", where, by="beheerder", headers={"If-Match": etag})
    assert again.status == (404 if name == "autorisatiebesluit" else 412)


async def test_a_repeated_request_makes_one_and_never_shows_a_secret_twice(api: Api, world: World, other: World):
    for kind in KINDS.values():
        await _repeated(kind, api, world, other)


async def _repeated(kind: Kind, api: Api, world: World, other: World) -> None:
    body, headers = kind.made(world, other), {"Idempotency-Key": f"een-verzoek-{kind.field}"}
    first, second = await asyncio.gather(
        *(api.ask("POST", kind.all(world), by="beheerder", json=body, headers=headers) for _ in range(2))
    )
    codes = sorted((one.status, (one.json or {}).get("code", "")) for one in (first, second))
    repeat = await api.ask("POST", kind.all(world), by="beheerder", json=body, headers=headers)
    (made, *_) = sorted((first, second), key=lambda one: one.status)
    assert made.status == 201
    if kind.secret:
        assert codes[1] in {(409, "verzoekLoopt"), (409, "alGetoond")}
        assert (repeat.status, repeat.json["code"]) == (409, "alGetoond")
        assert made.json["geheim"] not in repeat.text
    else:
        assert codes[1] in {(201, ""), (409, "verzoekLoopt")}
        assert (repeat.status, repeat.json) == (201, made.json)
        assert repeat.headers["ETag"] == made.headers["ETag"]
    assert repeat.headers["Location"] == made.headers["Location"]
    other_body = body | {next(iter(body)): "iets anders"}
    changed = await api.ask("POST", kind.all(world), by="beheerder", json=other_body, headers=headers)
    assert changed.status in {400, 422}
