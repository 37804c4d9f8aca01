"""What nobody sends by accident, sent to every route that could take it: each is refused in words, and none is a 500.

The table of routes is walked, so that a new route is asked all of this without a line here.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel
from yarl import URL

from gateway.serve_tenants import serve_strictly
from tenants.api.requests import BODY_LIMIT
from tenants.api.routes import ROUTES
from tenants.api.routing import Route
from tests.admin.conftest import Furnished, Stage, staged
from tests.databases import Cluster
from tests.worlds import Keyrings

JSON = {"Content-Type": "application/json"}
NUMBERS = {"soort": "afnemer", "waarde": "999999", "afnemerId": "999999", "naam": "geen"}
WITH_BODY = [route for route in ROUTES if route.body is not None]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    postgres_cluster: Cluster, furnished: Furnished, keyrings: Keyrings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One for all: what is asked here is refused, and changes nothing."""
    directory = tmp_path_factory.mktemp("odd")
    async with staged(postgres_cluster, furnished, keyrings, directory, serve_api=serve_strictly) as made:
        yield made


def deep(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


# No document of any route is one of these; each with the code that some fault of it has, where that is one and the same.
NO_DOCUMENTS: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", "json_invalid"),
    "cut off": (b'{"reden": "x"', "json_invalid"),
    "more behind it": (b"{}{}", "json_invalid"),
    "comment": (b"{}//", "json_invalid"),
    "trailing comma": (b'{"reden":"x",}', "json_invalid"),
    "single quotes": (b"{'reden':'x'}", "json_invalid"),
    "not a number": (b'{"aantal":NaN}', None),
    "infinite": (b'{"aantal":-Infinity}', None),
    "byte order mark": (b"\xef\xbb\xbf{}", "json_invalid"),
    "UTF-16": ('{"reden":"x"}'.encode("utf-16"), "json_invalid"),
    "UTF-16 without a mark": ('{"reden":"x"}'.encode("utf-16-le"), "json_invalid"),
    "latin-1": ('{"reden":"één"}'.encode("latin-1"), "json_invalid"),
    "overlong UTF-8": (b'{"reden":"\xc0\xaf"}', "json_invalid"),
    "half a pair": (b'{"reden":"\\ud800"}', "json_invalid"),
    "half a pair in UTF-8": (b'{"reden":"\xed\xa0\x80"}', "json_invalid"),
    "half a pair as a name": (b'{"\\udfff":1}', "json_invalid"),
    "bare control character": (b'{"reden":"a\x00b"}', "json_invalid"),
    "deep list": (b"[" * 30_000 + b"]" * 30_000, "json_invalid"),
    "deep object": (deep(10_000), "json_invalid"),
    "list": (b"[]", None),
    "null": (b"null", None),
    "number": (b"1", None),
    "text": (b'"{}"', None),
    "name twice": (b'{"een/ander":1,"een/ander":1}', "twice"),
    "name twice, once escaped": (b'{"reden":"a","r\\u0065den":"a"}', "twice"),
    "name twice, below": (b'{"x":[{"y":{"a":1,"a":2}}]}', "twice"),
    "digits without end": (b'{"aantal":' + b"9" * 20_000 + b"}", "json_invalid"),
    "exponent without end": (b'{"aantal":1e99999}', None),
}  # fmt: skip


def path_of(route: Route, **given: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], NUMBERS.get(found[1], "1")), route.path)


def who_asks(route: Route) -> str:
    return min(route.roles - {"operator"} or route.roles, default="beheerder")


def needed(route: Route, stage: Stage) -> dict[str, str]:
    """The headers without which a route looks no further."""
    named = (
        {"Koppelpunt-Tenant": str(stage.world.tenant_id)} if route.of_tenant and who_asks(route) == "operator" else {}
    )
    return named | ({"If-Match": '"1"'} if route.demands_version else {})


async def ask_of(stage: Stage, route: Route, *, headers: Mapping[str, str] = {}, **options: Any) -> Any:
    path = options.pop("path", path_of(route))
    url = URL(stage.api.url + path, encoded=True)
    given = {"Authorization": f"Bearer {stage.api.keys[who_asks(route)]}"} | needed(route, stage) | dict(headers)
    async with stage.api.session.request(route.method, url, headers=given, allow_redirects=False, **options) as answer:
        text = await answer.text()
        assert answer.status < 500, (route.name, path, text)
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json", route.name
            return answer.status, json.loads(text)
        return answer.status, text


def places(problem: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (one["in"], one["location"].get("pointer", one["location"].get("name")), one["code"])
        for one in problem["errors"]
    }


@pytest.mark.parametrize("name", NO_DOCUMENTS)
async def test_what_is_no_document_is_taken_by_no_route(name: str, stage: Stage):
    body, code = NO_DOCUMENTS[name]
    for route in WITH_BODY:
        status, problem = await ask_of(stage, route, data=body, headers=JSON)
        assert (status, problem["code"]) == (400, "ongeldigVerzoek"), route.name
        assert problem["errors"], route.name
        codes = {one["code"] for one in problem["errors"]}
        assert code is None or code in codes, (route.name, codes)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415), ({"Content-Type": ""}, 415), ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": "text/json"}, 415), ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "application/json, text/plain"}, 415), ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/merge-patch+json"}, 415), ({**JSON, "Content-Encoding": "br"}, 415),
        ({**JSON, "Content-Encoding": "identity, gzip"}, 415), ({"Content-Type": "Application/JSON ; Charset=UTF-8"}, 400),
    ],
    ids=str,
)  # fmt: skip
async def test_what_says_it_is_no_json_is_read_by_no_route(headers: dict[str, str], status: int, stage: Stage):
    skipped = [] if "Content-Type" in headers else ["Content-Type"]
    for route in WITH_BODY:
        got, problem = await ask_of(stage, route, data=b"[]", headers=headers, skip_auto_headers=skipped)
        assert got == status, (route.name, problem)


async def test_what_is_too_large_is_read_no_further(stage: Stage):
    for route in WITH_BODY:
        for body in (b" " * BODY_LIMIT + b"{}", b'{"reden":"' + b"x" * BODY_LIMIT):
            status, problem = await ask_of(stage, route, data=body, headers=JSON)
            assert (status, problem["code"]) == (413, "teGroot"), route.name


async def test_everything_wrong_with_a_request_is_told_at_once(stage: Stage):
    for route in WITH_BODY:
        headers = JSON | ({"Idempotency-Key": "een ander"} if route.idempotent else {})
        status, problem = await ask_of(
            stage, route, data=b'{"wat~/":1,"wat~/":2}', headers=headers, path=path_of(route) + "?wie=1&wie=2&wat="
        )
        assert status == 400, route.name
        expected = {
            ("body", "/wat~0~1", "extra_forbidden"), ("body", "/wat~0~1", "twice"), ("query", "wie", "twice"),
            ("query", "wie", "extra_forbidden"), ("query", "wat", "extra_forbidden"),
        } | ({("header", "Idempotency-Key", "string_pattern_mismatch")} if route.idempotent else set())  # fmt: skip
        missing = {
            ("body", f"/{field.alias or name}", "missing")
            for name, field in (route.body or BaseModel).model_fields.items()
            if field.is_required()
        }
        assert places(problem) >= expected | missing, route.name


# Numbers as no address has them. What stands behind a % is no address at all.
ODD_NUMBERS = [
    "0", "-1", "01", "1.0", "1e3", "1_0", "null", "*", "a" * 5_000, "9" * 19, "9" * 400, str(2**63), "%31", "%D9%A1", "%2F",
    "%00", "%2e%2e", "%zz", "1;a=1", "1,2",
]  # fmt: skip


async def test_a_number_that_is_none_is_not_there(stage: Stage):
    numbered = [route for route in ROUTES if "{" in route.path and route.body is None]
    assert len(numbered) > 50
    for route in numbered:
        for name in re.findall(r"\{(\w+)\}", route.path):
            for odd in ODD_NUMBERS:
                status, problem = await ask_of(stage, route, path=path_of(route, **{name: odd}))
                assert status == 404, (route.name, odd, problem)
                assert odd not in problem["detail"] or len(odd) < 3


@pytest.mark.parametrize("odd", ["0", "01", "9" * 19, str(2**64), "%31", "null"])
async def test_what_is_asked_of_a_number_that_is_none_is_not_done(odd: str, stage: Stage):
    for route in WITH_BODY:
        for name in re.findall(r"\{(\w+)\}", route.path):
            path = path_of(route, **{name: odd})
            status, problem = await ask_of(stage, route, path=path, data=b"{}", headers=JSON)
            assert status in ({404} if "%" in odd else {400, 404, 412}), (route.name, problem)


NO_COUNTS = [
    "",
    "x",
    "-1",
    "0x10",
    "1e1",
    "1.0",
    "+1",
    "01",
    "1+",
    "null",
    "[]",
    str(2**63),
    "9" * 500,
    "%D9%A1",
    "%00",
]
# A text may be empty, a boundary a moment: what else each may be is for its own tests.
NO_TEXTS = ["z" * 2_000, "%00", "%ED%A0%80", "%0A"]


async def test_a_parameter_of_another_form_is_told_by_its_name(stage: Stage):
    asked = 0
    for route in ROUTES:
        status, problem = await ask_of(stage, route, path=path_of(route) + "?onbekend=1", headers=JSON, data=b"{}")
        assert status == 400
        assert ("query", "onbekend", "extra_forbidden") in places(problem), route.name
        if route.query is None:
            continue
        schema = route.query.model_json_schema(by_alias=True)["properties"]
        for name, found in schema.items():
            kinds = {found.get("type")} | {one.get("type") for one in found.get("anyOf", ())}
            for value in NO_COUNTS if "integer" in kinds else NO_TEXTS:
                status, problem = await ask_of(stage, route, path=f"{path_of(route)}?{name}={value}")
                assert status == 400, (route.name, name, value)
                assert {(one["in"], one["location"]["name"]) for one in problem["errors"]} == {("query", name)}
                asked += 1
            status, problem = await ask_of(stage, route, path=f"{path_of(route)}?{name}=1&{name}=1")
            assert ("query", name, "twice") in places(problem)
    assert asked > 200


@pytest.mark.parametrize(
    "odd",
    ["", "*", '"0"', '"01"', '"-1"', "1", '"1', '1"', 'W/"1"', 'w/"1"', '"1", "2"', '"1","1"', '""', '"x"', "'1'", '"1" "1"',
     '"9999999999"', '"99999999999999999999"', '"' + "1" * 3_000 + '"', '"\u0661"', '"1"; x'],
)  # fmt: skip
async def test_an_etag_that_was_never_given_changes_nothing(odd: str, stage: Stage):
    for route in ROUTES:
        if route.demands_version and route.body is None:
            status, problem = await ask_of(stage, route, headers={"If-Match": odd})
            assert status in {404, 412}, (route.name, problem)
            if odd != '"9999999999"':
                assert (status, problem["code"]) == (412, "andereVersie"), route.name


@pytest.mark.parametrize("odd", ["", " ", "a b", "é", "a" * 129, "a\tb", "\u0661"])
async def test_a_key_of_repetition_that_is_none_is_told(odd: str, stage: Stage):
    for route in ROUTES:
        if route.idempotent:
            headers = JSON | {"Idempotency-Key": odd}
            status, problem = await ask_of(stage, route, headers=headers, data=b"{}")
            assert status == 400
            assert ("header", "Idempotency-Key", "string_pattern_mismatch") in places(problem), route.name


@pytest.mark.parametrize("odd", ["", "0", "01", "-1", "+1", "x", "1,1", "1 1", "\u0661", "9" * 18, "9" * 40, "null"])
async def test_a_tenant_that_is_none_is_nobodys(odd: str, stage: Stage):
    """Not by chance the own one either: a number has one way to be written."""
    for by in ("operator", "beheerder", "auditor"):
        reply = await stage.api.ask("GET", "/v1/taaksystemen", by=by, headers={"Koppelpunt-Tenant": odd})
        assert reply.status == (404 if by == "operator" else 403), reply.text
    own = f"0{stage.world.tenant_id}"
    reply = await stage.api.ask("GET", "/v1/taaksystemen", by="beheerder", headers={"Koppelpunt-Tenant": own})
    assert reply.status == 403


ODD_ACCEPTS = [
    "", ",", ";", "*", "*/*;q=nan", "text/csv;q=inf", "text/csv;q=-1,application/json;q=x", "application/xml",
    "text/csv;" * 900, "text/csv;q=1e9999", '"', "\u00ff", "application/pdf, text/csv", "*/csv", "text/*", "text/csv;q=0",
]  # fmt: skip


async def test_what_is_accepted_is_one_of_what_there_is(stage: Stage):
    by_accept = [route for route in ROUTES if route.files and route.method == "GET" and "{" not in route.path]
    assert by_accept
    for route in by_accept:
        for odd in ODD_ACCEPTS:
            headers = {"Authorization": f"Bearer {stage.api.keys[who_asks(route)]}", "Accept": odd}
            async with stage.api.session.get(stage.api.url + route.path, headers=headers) as answer:
                assert answer.status == 200, (route.name, odd)
                assert answer.content_type in {"application/json", *route.files}


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/tenants?a= b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/t\xe9nants HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n",
        b"GET /v1/tenants HTTP/1.1\r\nHost : x\r\n\r\n", b"GET /v1/tenants HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    ],
    ids=["space", "bytes", "TLS", "space before colon", "NUL"],
)  # fmt: skip
async def test_what_is_no_http_gets_a_problem_document_too(request_: bytes, stage: Stage):
    host, _, port = stage.api.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert headers["api-version"]
    assert (problem["status"], problem["code"]) == (400, "geenHttp")
    assert problem["instance"] == f"urn:uuid:{headers['x-transactie-id']}"
