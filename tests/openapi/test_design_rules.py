"""The NL API Design Rules 2.2, each as a test: on the OpenAPI document, or on the living API.

The test of a rule is named after it: `/core/no-trailing-slash` is `test_core_no_trailing_slash`. docs/admin-api.md has the
table of all of them, with those that leave nothing to try.
"""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import asyncpg
import pytest
import schemathesis
from jsonschema_rs import ValidationError

from tests.admin.conftest import Api
from tests.worlds import World

SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# What is one thing of a tenant, or is done to one thing: nouns, but no collections.
SINGLE = {
    "activering", "besluit", "bevestiging", "configuratie", "contracteinde", "csr", "intrekking", "keten", "naleving", "pem", "pkcs12",
    "registerbeleid", "terugdraaiing", "uitfasering", "voorgenomen", "webhookgeheim", "zoekvraag", "openapi.json",
    "stappenplan",
}  # fmt: skip


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        place = found["$ref"].removeprefix("#/").split("/")
        found = document
        for part in place:
            found = found[part]
    return found


def strings(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for one in found.values():
            yield from strings(one)
    elif isinstance(found, list):
        for one in found:
            yield from strings(one)
    elif isinstance(found, str):
        yield found


# The document


def test_core_doc_openapi(document: dict[str, Any]):
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1.")
    for name, wrong in (("info", None), ("paths", []), ("components", {"schemas": []})):
        with pytest.raises(ValidationError):
            schemathesis.openapi.from_dict({**document, name: wrong}).validate()


def test_core_doc_openapi_every_reference_and_link_leads_somewhere(document: dict[str, Any]):
    by_name = {operation["operationId"]: (path, operation) for path, _, operation in operations(document)}
    assert len(by_name) == sum(1 for _ in operations(document)), "an operationId is there twice"
    for path, _, operation in operations(document):
        given = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert given == set(re.findall(r"\{(\w+)\}", path))
        for response in operation["responses"].values():
            for link in resolved(document, response).get("links", {}).values():
                _, target = by_name[link["operationId"]]
                assert link["parameters"].keys() <= {one["name"] for one in target["parameters"]}
                needed = {one["name"] for one in target["parameters"] if one.get("required") and one["in"] != "query"}
                assert needed <= link["parameters"].keys()
    for one in _references(document):
        assert resolved(document, {"$ref": one})


def _of_file(document: dict[str, Any]) -> set[str]:
    """The schemas that the body of POST /configuratie has, and nothing else."""
    found, todo = set(), [document["paths"]["/configuratie"]["post"]["requestBody"]]
    while todo:
        for reference in _references(todo.pop()):
            name = reference.rpartition("/")[2]
            if name not in found:
                found.add(name)
                todo.append(document["components"]["schemas"][name])
    rest = {**document, "components": {}, "paths": {k: v for k, v in document["paths"].items() if k != "/configuratie"}}
    assert not found & {reference.rpartition("/")[2] for reference in _references(rest)}
    return found


def _references(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("$ref"), str):
            yield found["$ref"]
        for one in found.values():
            yield from _references(one)
    elif isinstance(found, list):
        for one in found:
            yield from _references(one)


def test_core_doc_openapi_contact(document: dict[str, Any]):
    assert document["info"]["contact"].keys() == {"name", "url", "email"}


def test_core_doc_language_and_interface_language(document: dict[str, Any]):
    english = re.compile(r"\b(the|and|with|which|this|that|from|are)\b", re.IGNORECASE)
    said = [document["info"]["title"], document["info"]["description"]]
    for _, _, operation in operations(document):
        said += [operation["summary"], operation.get("description", "")]
        said += [one["description"] for one in operation.get("parameters", ()) if "description" in one]
        said += [resolved(document, response)["description"] for response in operation["responses"].values()]
    assert len(said) > 300
    assert [one for one in said if english.search(one)] == []
    assert not [name for name in _names(document) if english.search(name)]


def _names(document: dict[str, Any]) -> set[str]:
    names = {segment for path in document["paths"] for segment in segments(path)}
    for schema in document["components"]["schemas"].values():
        names |= schema.get("properties", {}).keys()
    return names


def test_core_semver(document: dict[str, Any]):
    assert SEMVER.fullmatch(document["info"]["version"])


def test_core_uri_version(document: dict[str, Any]):
    assert [server["url"] for server in document["servers"]] == ["/v1"]
    assert not [path for path in document["paths"] if re.search(r"/v\d", path)]


def test_core_version_header(document: dict[str, Any]):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            assert resolved(document, response)["headers"]["API-Version"]["required"], (path, method, status)


def test_core_no_trailing_slash(document: dict[str, Any]):
    assert not [path for path in document["paths"] if path.endswith("/")]


def test_core_path_segments_kebab_case(document: dict[str, Any]):
    fits = re.compile(r"\{[a-z][A-Za-z]*\}|[a-z][a-z0-9]*(-[a-z0-9]+)*|openapi\.json")
    assert not [path for path in document["paths"] if not all(fits.fullmatch(one) for one in segments(path))]


def test_core_query_keys_camel_case_as_are_properties(document: dict[str, Any]):
    names = [
        one["name"]
        for _, _, found in operations(document)
        for one in found.get("parameters", ())
        if one["in"] == "query"
    ]
    assert len(names) > 20
    # The body of POST /configuratie is the document of docs/onboarding.md, that is a file elsewhere: English, snake_case.
    of_file = _of_file(document)
    names += [
        name
        for schema, found in document["components"]["schemas"].items()
        if schema not in of_file
        for name in found.get("properties", {})
    ]
    assert not [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)]
    assert not [name for name in document["components"]["schemas"] if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name)]


def test_core_naming_resources_and_collections(document: dict[str, Any]):
    """Nouns in the plural, unless there is one of it. A verb in Dutch ends as a plural; these are looked over by hand."""
    words = {segment for path in document["paths"] for segment in segments(path) if "{" not in segment}
    singular = {word for word in words if not word.endswith(("en", "s"))}
    assert singular <= SINGLE, sorted(singular - SINGLE)
    before_key = {
        a for path in document["paths"] for a, b in zip(segments(path), segments(path)[1:], strict=False) if "{" in b
    }
    assert before_key & SINGLE == set()
    verbs = {"zoeken", "maken", "wijzigen", "verwijderen", "ophalen", "aanmaken", "activeren", "intrekken", "blokkeren"}
    assert words & verbs == set()


def test_core_hide_implementation(document: dict[str, Any]):
    tells = re.compile(r"sql|postgres|python|table|tabel|registry|rest|json\b|\.[a-z]+$|cgi", re.IGNORECASE)
    found = {segment for path in document["paths"] for segment in segments(path) if tells.search(segment)}
    assert found == {"openapi.json"}


def test_core_http_methods_and_http_safety(document: dict[str, Any]):
    assert {method for _, method, _ in operations(document)} == {"get", "post", "put", "patch", "delete"}
    for path, method, operation in operations(document):
        if method == "get":
            assert "requestBody" not in operation, path
            assert {"200"} == {status for status in operation["responses"] if status < "300"}, path


def test_core_nested_child(document: dict[str, Any]):
    """What lies under one thing has that thing above it, and a thing of its own is nobody's child."""
    for path in document["paths"]:
        parts = segments(path)
        for number, part in enumerate(parts[:-1]):
            if "{" in part and number + 1 < len(parts):
                above = "/" + "/".join(parts[: number + 1])
                collection = "/" + "/".join(parts[:number])
                assert above in document["paths"] or "get" in document["paths"][collection], path
    assert max(path.count("{") for path in document["paths"]) <= 2


def test_core_resource_operations(document: dict[str, Any]):
    """What is no making, reading, changing or ending is a POST on something of its own, under what it is done to."""
    actions = {path for path in document["paths"] if segments(path)[-1] in SINGLE and len(segments(path)) > 2}
    assert len(actions) > 5
    for path in actions:
        assert set(document["paths"][path]) <= {"post", "put", "get"}, path


def test_core_stateless(document: dict[str, Any]):
    assert not [
        path
        for path, _, operation in operations(document)
        for one in operation.get("parameters", ())
        if one["in"] == "cookie"
    ]


def test_core_no_sensitive_uris(document: dict[str, Any]):
    personal = re.compile(
        r"bsn|burgerservice|anummer|geboorte|gebruiker|persoon|adres|email|token|secret|geheim", re.IGNORECASE
    )
    assert not [
        (path, one["name"])
        for path, _, operation in operations(document)
        for one in operation.get("parameters", ())
        if one["in"] in {"path", "query"} and personal.search(one["name"])
    ]


def test_core_error_handling_problem_details(document: dict[str, Any]):
    problem = document["components"]["schemas"]["Probleem"]
    assert set(problem["required"]) >= {"type", "title", "status", "detail", "instance"}
    for path, method, operation in operations(document):
        refusals = {status for status in operation["responses"] if status >= "400"}
        assert refusals >= {"400", "500", "503"}, (path, method)
        for status in refusals:
            content = resolved(document, operation["responses"][status])["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Probleem"}}}


def test_core_deprecation_schedule(document: dict[str, Any]):
    """Nothing is on its way out; what will be must say when."""
    assert not [path for path, _, operation in operations(document) if operation.get("deprecated")]


# The living API


async def test_core_publish_openapi(api: Api):
    reply = await api.ask("GET", "/v1/openapi.json", headers={"Origin": "https://developer.example"})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.json["info"]["version"] == reply.headers["API-Version"]


async def test_core_no_trailing_slash_is_another_address(api: Api):
    for by in (None, "beheerder"):
        reply = await api.ask("GET", "/v1/taaksystemen/", by=by)
        assert (reply.status, reply.json["code"]) == (404, "onbekendAdres")


async def test_core_transport_security_headers_and_version_on_every_answer(rich: Api, document: dict[str, Any]):
    asked = [("GET", "/v1/openapi.json", None), ("GET", "/v1/nergens", None), ("PUT", "/v1/tenants", "auditor")]
    asked += [
        (method.upper(), "/v1" + re.sub(r"\{\w+\}", "1", path), by)
        for path, method, _ in operations(document)
        for by in (None, "beheerder")
        if "verbindingstesten" not in path
    ]
    seen = set()
    for method, path, by in asked:
        reply = await rich.ask(method, path, by=by)
        seen.add(reply.status)
        for name, value in SECURITY_HEADERS.items():
            assert reply.headers[name] == value, (method, path, name)
        assert reply.headers["API-Version"] == document["info"]["version"]
        assert "Set-Cookie" not in reply.headers
        assert "Server" not in reply.headers
        if reply.status >= 400:
            assert reply.headers["Content-Type"] == "application/problem+json"
            assert reply.json["status"] == reply.status
    assert seen >= {200, 401, 403, 404, 405, 415, 428}


async def test_core_transport_cors_is_for_the_document_alone(rich: Api):
    reply = await rich.ask("GET", "/v1/taaksystemen", by="beheerder", headers={"Origin": "https://elders.example"})
    assert reply.status == 200
    assert "Access-Control-Allow-Origin" not in reply.headers
    asked = await rich.ask("OPTIONS", "/v1/taaksystemen", headers={"Origin": "https://elders.example"})
    assert asked.status == 405


async def test_core_error_handling_invalid_input_tells_everything_at_once(rich: Api):
    body = {"naam": "", "omgeving": "PROEF!", "bewijzen": ["niets"], "onbekend": 1}
    reply = await rich.ask("POST", "/v1/taaksystemen", by="beheerder", json=body)
    assert reply.status == 400
    found = {one["location"]["pointer"] for one in reply.json["errors"]}
    assert found >= {"/naam", "/omgeving", "/bewijzen/0", "/onbekend"}
    assert all(one["in"] == "body" and one["detail"] for one in reply.json["errors"])
    reply = await rich.ask("GET", "/v1/taaksystemen?aantal=0&na=-1&wat=1", by="beheerder")
    assert {one["location"]["name"] for one in reply.json["errors"]} == {"aantal", "na", "wat"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/machtigingen/1", {"geldigTot": "0"}),
        ("/v1/machtigingen/1", {"geldigTot": "1767225600"}),
        ("/v1/machtigingen/1", {"geldigTot": "2026-01-01T00:00:00"}),
        ("/v1/machtigingen/1", {"geldigTot": "9999-12-31T23:59:59-14:00"}),
        ("/v1/overeenkomsten/1", {"geldigTot": "0"}),
        ("/v1/overeenkomsten/1", {"geldigTot": "2026-02-30"}),
        ("/v1/overeenkomsten/1", {"geldigTot": "2026-01-01T00:00:00Z"}),
    ],
)
async def test_dates_are_written_as_rfc_3339_says_and_in_no_other_way(path: str, body: dict[str, Any], rich: Api):
    reply = await rich.ask("PATCH", path, by="beheerder", json=body, headers={"If-Match": '"1"'})
    assert reply.status == 400, reply.text
    assert reply.json["errors"][0]["location"]["pointer"] == "/geldigTot"


@pytest.mark.parametrize("query", ["aantal=1_0", "aantal=5.0", "aantal=%2B5", "na=05", "aantal= 5", "na=", "na=1&na=2"])
async def test_a_parameter_is_written_in_one_way(query: str, api: Api):
    reply = await api.ask("GET", f"/v1/taaksystemen?{query}", by="beheerder")
    assert reply.status in {400, 404}, reply.text


async def test_a_moment_in_an_address_is_no_number(rich: Api):
    for wrong in ("-1654", "0", "1767225600"):
        reply = await rich.ask("GET", f"/v1/configuratie?op={wrong}", by="beheerder")
        assert reply.status == 400
    good = await rich.ask("GET", "/v1/configuratie?op=2026-01-01T00:00:00Z", by="beheerder")
    assert good.status == 200


async def test_times_that_are_given_have_a_zone(rich: Api, document: dict[str, Any]):
    looks = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
    found = 0
    for path, method, _ in operations(document):
        if method == "get" and "{" not in path:
            reply = await rich.ask("GET", f"/v1{path}", by="beheerder")
            for text in (
                strings(reply.json) if reply.status == 200 and path not in {"/openapi.json", "/wijzigingen"} else ()
            ):
                if looks.match(text):
                    assert datetime.fromisoformat(text).tzinfo is not None, (path, text)
                    found += 1
    assert found > 10


async def test_core_http_safety_reading_changes_nothing(
    rich: Api, world: World, document: dict[str, Any], admin: asyncpg.Connection
):
    async def changes() -> int:
        # That the register was read is noted, as RFC 9110 (9.2.1) lets a server note a request.
        return int(await admin.fetchval("SELECT count(*) FROM registry.wijziging WHERE object <> 'lezing'"))

    before, answered = await changes(), 0
    for path, method, _ in operations(document):
        if method == "get" and "verbindingstesten" not in path:
            for by in ("beheerder", "auditor"):
                replies = await asyncio.gather(
                    *(rich.ask("GET", "/v1" + re.sub(r"\{\w+\}", "1", path), by=by) for _ in range(2))
                )
                answered += replies[0].status == 200
    assert answered > 40
    assert await changes() == before
