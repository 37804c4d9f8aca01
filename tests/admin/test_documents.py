"""Every answer has its headers, every refusal is a problem document, and bad input is told at once, in words."""

import json

import pytest
from structlog.testing import capture_logs

from tenants.api.routes import ROUTES
from tests.admin.conftest import Api
from tests.worlds import World

SEARCH = "/v1/protocolregels/zoekvraag"


async def test_every_fault_of_a_document_is_told_at_once_with_its_place(api: Api):
    body = {"burgerservicenummer": "12345", "inhoud": "ja", "aantal": 0, "periode": {"van": "gisteren"}, "a/b": 1}
    reply = await api.ask("POST", SEARCH, by="auditor", json=body)
    assert reply.status == 400
    told = {(fault["in"], fault["location"]["pointer"], fault["code"]) for fault in reply.json["errors"]}
    assert told == {
        ("body", "/reden", "missing"),
        ("body", "/burgerservicenummer", "string_pattern_mismatch"),
        ("body", "/inhoud", "bool_type"),
        ("body", "/aantal", "greater_than_equal"),
        ("body", "/periode/van", "datetime_parsing"),
        ("body", "/periode/tot", "missing"),
        ("body", "/a~1b", "extra_forbidden"),
    }
    assert "12345" not in reply.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"1", b'{"reden": "\xff"}', b'{"reden": "\\ud800", "periode": null}',
        b"[" * 50_000, b'{"reden":"\\u0000","burgerservicenummer":"999990019"}',
        b'{"reden":"x","burgerservicenummer":"999990019","voor":"x"}', b'{"reden":"x"}',
        b'{"reden":"  ","burgerservicenummer":"999990019"}',
        b'{"reden":"over 999990019","burgerservicenummer":"999990019"}',
        b'{"reden":"x","burgerservicenummer":"99999001\xd9\xa9"}',
        b'{"reden":"x","aantal":1e400,"burgerservicenummer":"999990019"}',
        b'{"reden":"x","aantal":99999999999999999999999,"burgerservicenummer":"999990019"}',
        b'{"reden":"x","periode":{"van":"2026-01-01T00:00:00","tot":"2026-02-01T00:00:00"}}',
        b'{"reden":"x","periode":{"van":"2026-02-01T00:00:00Z","tot":"2026-01-01T00:00:00Z"}}',
        json.dumps({"reden": "x" * 501, "burgerservicenummer": "999990019"}).encode(),
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
async def test_garbage_gets_400_with_a_reason(api: Api, body: bytes):
    reply = await api.ask("POST", SEARCH, by="auditor", data=body, headers={"Content-Type": "application/json"})
    assert reply.status == 400, reply.text
    assert reply.json["errors"]
    assert "999990019" not in reply.text


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"])
async def test_a_time_that_no_register_holds_is_refused(api: Api, edge: str):
    period = {"van": edge, "tot": edge}
    reply = await api.ask("POST", SEARCH, by="auditor", json={"reden": "x", "periode": period})
    assert reply.status == 400
    assert {fault["location"]["pointer"] for fault in reply.json["errors"]} == {"/periode/van", "/periode/tot"}


async def test_the_longest_period_is_searched(api: Api):
    period = {"van": "1900-01-01T00:00:00+14:00", "tot": "2199-12-31T23:59:59-12:00"}
    for extra in ({}, {"burgerservicenummer": "999990019"}):
        reply = await api.ask("POST", SEARCH, by="auditor", json={"reden": "x", "periode": period, **extra})
        assert reply.status == 200, reply.text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/tenants?aantal=0", "aantal"), ("/v1/tenants?na=x", "na"), ("/v1/tenants?iets=1", "iets"),
        ("/v1/tenants?na=1&na=2", "na"), ("/v1/blokkades?na=1", "na"), ("/v1/tenants?na=9999999999999999999999", "na"),
    ],
)  # fmt: skip
async def test_a_parameter_that_is_wrong_or_unknown_is_told(api: Api, path: str, name: str):
    reply = await api.ask("GET", path, by="operator")
    assert reply.status == 400
    assert [(fault["in"], fault["location"]["name"]) for fault in reply.json["errors"]] == [("query", name)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"soort": "afnemer", "waarde": "12", "reden": "x"}, "/waarde"),
        ({"soort": "taaksysteem", "waarde": "1/2", "reden": "x"}, "/waarde"),
        ({"soort": "gemeente", "waarde": "1", "reden": "x"}, "/soort"),
        ({"soort": "tenant", "waarde": "1", "reden": "a\nb"}, "/reden"),
    ],
)
async def test_a_block_that_could_block_nothing_is_refused(api: Api, body: dict[str, str], pointer: str):
    reply = await api.ask("POST", "/v1/blokkades", by="operator", json=body)
    assert reply.status == 400
    assert [fault["location"]["pointer"] for fault in reply.json["errors"]] == [pointer]


async def test_what_is_no_json_gets_415_and_what_is_too_large_413(api: Api):
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}):
        assert (await api.ask("POST", SEARCH, by="auditor", data=b"{}", headers=headers)).status == 415
    large = await api.ask("POST", SEARCH, by="auditor", json={"reden": "x" * 70_000})
    assert (large.status, large.json["code"]) == (413, "teGroot")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/tenants/", 404), ("GET", "/v2/tenants", 404),
        ("GET", "/v1/%74enants", 404), ("PUT", "/v1/tenants", 405), ("DELETE", "/v1/blokkades", 405),
        ("GET", "/v1/tenants", 401), ("GET", "/v1/openapi.json", 200), ("HEAD", "/v1/openapi.json", 200),
    ],
)  # fmt: skip
async def test_every_answer_has_version_and_security_headers(api: Api, method: str, path: str, status: int):
    from yarl import URL  # noqa: PLC0415 - only to send a path as it stands

    async with api.session.request(method, URL(api.url + path, encoded=True), allow_redirects=False) as reply:
        assert reply.status == status
        assert reply.headers["API-Version"] == "0.2.0"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["Strict-Transport-Security"].startswith("max-age=")
        assert "Server" not in reply.headers
        if status >= 400:
            problem = await reply.json(content_type="application/problem+json")
            assert problem["status"] == status
            assert problem["instance"] == f"urn:uuid:{reply.headers['X-Transactie-Id']}"
            assert {"type", "title", "detail", "code"} <= problem.keys()
        if status == 405:
            assert reply.headers["Allow"]


async def test_the_description_is_made_from_the_routes_and_shapes(api: Api):
    reply = await api.ask("GET", "/v1/openapi.json")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    document = reply.json
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), document["servers"][0]["url"] + path)
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    schemas = document["components"]["schemas"]
    assert set(schemas["Zoekvraag"]["required"]) == {"reden"}
    assert schemas["NieuweBlokkade"]["additionalProperties"] is False
    # Two shapes of one name would get the names of their modules.
    assert not [name for name in schemas if "__" in name]
    # Every reference leads somewhere.
    for part in reply.text.split('"$ref":"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas


async def test_no_log_line_holds_what_was_asked_about(api: Api, world: World):
    with capture_logs() as lines:
        await api.ask("POST", SEARCH, by="auditor", json={"reden": "Inzage", "burgerservicenummer": "999990019"})
        await api.ask("POST", SEARCH, by="auditor", json={"reden": "999990019", "burgerservicenummer": "999990019"})
        await api.ask("GET", "/v1/tenants?na=999990019", by="operator")
    told = [line for line in lines if line["event"] == "beheer"]
    assert [(line["actie"], line["resultaat"], line["actor"].split("/")[0]) for line in told] == [
        ("zoekProtocolregels", 200, "auditor"), ("zoekProtocolregels", 400, "auditor"), ("tenants", 200, "operator"),
    ]  # fmt: skip
    assert "999990019" not in str(lines)
    assert not [key for key in api.keys.values() if key in str(lines)]


async def test_the_history_of_the_own_tenant_is_paged_newest_first_and_without_secrets(api: Api, world: World):
    first = (await api.ask("GET", "/v1/wijzigingen?aantal=5", by="beheerder")).json
    numbers = [one["nummer"] for one in first["wijzigingen"]]
    assert numbers == sorted(numbers, reverse=True)
    rest = await api.ask("GET", f"/v1/wijzigingen?voor={first['volgende']}", by="auditor")
    assert rest.json["wijzigingen"][0]["nummer"] < numbers[-1]
    assert {one["object"] for one in rest.json["wijzigingen"]} >= {"tenant", "certificaat", "credential"}
    assert not [
        name for name in ("key_sealed", "keySealed", "secret_sealed", "secretSealed", '"hash"') if name in rest.text
    ]


async def test_tenants_are_paged_by_number(api: Api, world: World, other: World):
    first = (await api.ask("GET", "/v1/tenants?aantal=1", by="operator")).json
    second = (await api.ask("GET", f"/v1/tenants?na={first['volgende']}", by="operator")).json
    assert [one["oin"] for one in first["tenants"] + second["tenants"]] == [world.oin, other.oin]
    assert second["volgende"] is None
