"""The OpenAPI 3.1 document, made from the routes and from the models that validate. Pure."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tenants.api.openapi_links import links_of, path_parameters
from tenants.api.proposing import Voorgesteld
from tenants.api.repeating import KEY_HEADER
from tenants.api.routing import TENANT_HEADER, Route
from tenants.api.shapes import Probleem, Soort

VERSION = "0.2.0"
_REFUSALS = {
    400: "Het verzoek klopt niet.",
    401: "Niet ingelogd.",
    403: "Geen toegang.",
    404: "Niet gevonden.",
    408: "Te traag.",
    409: "Botst met wat er al staat, of een verzoek met deze Idempotency-Key loopt nog.",
    412: "Een ander veranderde dit intussen.",
    413: "Te groot.",
    415: "Geen JSON.",
    422: "Deze Idempotency-Key was van een ander verzoek.",
    428: "If-Match ontbreekt.",
    429: "Er loopt al te veel tegelijk.",
    431: "Te veel kopregels.",
    500: "Er ging iets mis.",
    503: "De dienst is er even niet.",
}
_ALWAYS = (400, 431, 500, 503)
_IDENTIFIED = (401, 403)
_WITH_BODY = (408, 413, 415)
_OF_TENANT = (404,)
_VERSIONED = (404, 412, 428)
_IDEMPOTENT = (409, 422)
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "format": "int64", "minimum": 1}
# What an address names, where it is no number.
_IN_PATH: Mapping[str, Mapping[str, Any]] = {
    "afnemerId": {"type": "string", "pattern": "^[0-9]{6}$"},
    "naam": {"type": "string", "pattern": "^[0-9a-z-]{1,60}$"},
    "soort": {"type": "string", "enum": list(get_args(Soort))},
    "waarde": {"type": "string", "pattern": "^[0-9A-Za-z-]{1,80}$"},
}
_HEADERS = {"API-Version": {"description": "De volledige versie van deze API.", "required": True, "schema": _TEXT}}
_ETAG = {
    "ETag": {"description": "De versie van wat getoond is; noem haar in If-Match.", "required": True, "schema": _TEXT}
}
_LOCATION = {"Location": {"description": "Waar het gemaakte staat.", "required": True, "schema": _TEXT}}


def make_openapi(routes: Iterable[Route], contact: Mapping[str, str]) -> dict[str, Any]:
    """Make the document of a table of routes. `contact` is whom to ask: name, url, email."""
    paths, schemas = _described(tuple(routes))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Koppelpunt: beheer en inzage",
            "description": "Beheer van de aansluitingen op de BRP, en inzage in het eigen register.",
            "version": VERSION,
            "contact": dict(contact),
        },
        "servers": [{"url": "/v1"}],
        "paths": dict(paths),
        "components": {
            "schemas": dict(schemas),
            "responses": _problems(),
            "securitySchemes": {
                "beheersleutel": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Een sleutel kpa_…, of een token (JWT) van de identiteitsvoorziening voor beheerders.",
                }
            },
        },
    }


@lru_cache(maxsize=2)
def _described(table: tuple[Route, ...]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The paths and the schemas, made once in a process: it takes as long as a hundred requests."""
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        path = route.path.removeprefix("/v1")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, links_of(route, table))
    return paths, _schemas(table)


def _operation(route: Route, links: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.split("/")[2].removesuffix(".json")],
        "security": [] if route.public else [{"beheersleutel": []}],
        "responses": _responses(route, links),
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _IN_PATH.get(name, _NUMBER)}
        for name in path_parameters(route.path)
    ]
    if route.query is not None:
        schema = route.query.model_json_schema(by_alias=True)
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": found}
            for name, found in schema["properties"].items()
        ]
    parameters += _headers(route)
    if parameters:
        made["parameters"] = parameters
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": _reference(route.body)}}}
    if not route.public:
        made["description"] = f"Voor: {', '.join(sorted(route.roles))}."
    return made


def _headers(route: Route) -> list[dict[str, Any]]:
    """The headers that this API gives a meaning."""
    found: list[dict[str, Any]] = []
    if route.of_tenant:
        words = "Het nummer van de tenant. Verplicht voor wie er zelf geen heeft of voor een ander optreedt."
        schema = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}
        found.append({"name": TENANT_HEADER, "in": "header", "description": words, "schema": schema})
    if route.demands_version:
        words = "De ETag van wat je wilt veranderen, zoals je die las."
        schema = {"type": "string", "pattern": '^"[1-9][0-9]{0,9}"$'}
        found.append({"name": "If-Match", "in": "header", "required": True, "description": words, "schema": schema})
    if route.idempotent:
        words = "Een sleutel naar keuze. Hetzelfde verzoek met dezelfde sleutel wordt één keer gedaan, een dag lang."
        schema = {"type": "string", "pattern": "^[!-~]{1,128}$"}
        found.append({"name": KEY_HEADER, "in": "header", "description": words, "schema": schema})
    return found


def _responses(route: Route, links: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, shape in _answers(route).items():
        headers = (
            _HEADERS
            | (_ETAG if status in {200, 201} and (route.versioned or _names_version(links)) else {})
            | (_LOCATION if status in {201, 202} else {})
        )
        found[str(status)] = {"description": "Gelukt.", "headers": headers}
        if status != 204:
            schema = {"type": "object"} if shape is None else _reference(shape)
            # Without a shape it is a file, where there is one.
            as_json = {} if shape is None and route.files else {"application/json": {"schema": schema}}
            found[str(status)]["content"] = as_json | {
                media_type: {"schema": {"type": "string", "contentEncoding": "binary"}} for media_type in route.files
            }
        if links and status in {200, 201}:
            found[str(status)]["links"] = dict(links)
    for status in sorted(_refusals(route)):
        found[str(status)] = {"$ref": f"#/components/responses/Fout{status}"}
    return found


def _names_version(links: Mapping[str, Any]) -> bool:
    return any("If-Match" in link["parameters"] for link in links.values())


def _refusals(route: Route) -> set[int]:
    found = set(_ALWAYS) | set(route.refusals)
    for applies, statuses in (
        (not route.public, _IDENTIFIED),
        (route.body is not None, _WITH_BODY),
        (route.of_tenant, _OF_TENANT),
        (route.demands_version, _VERSIONED),
        (route.idempotent, _IDEMPOTENT),
    ):
        found |= set(statuses) if applies else set()
    return found


def _problems() -> dict[str, Any]:
    """Every refusal once: they are the same on each route."""
    content = {"application/problem+json": {"schema": _reference(Probleem)}}
    return {
        f"Fout{status}": {"description": words, "headers": _HEADERS, "content": content}
        for status, words in sorted(_REFUSALS.items())
    }


def _answers(route: Route) -> Mapping[int, type[BaseModel] | None]:
    """The answers of a route, and 202 where what is asked may become a voorstel."""
    return {**route.answers, 202: Voorgesteld} if route.voorstelbaar or route.vier_ogen is not None else route.answers


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    taken: dict[type[BaseModel], None] = {}
    given: dict[type[BaseModel], None] = {Probleem: None}
    for route in routes:
        if route.body is not None:
            taken[route.body] = None
        given |= {shape: None for shape in _answers(route).values() if shape is not None}
    _, schemas = models_json_schema(
        [(shape, "validation") for shape in taken] + [(shape, "serialization") for shape in given],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    defined: dict[str, Any] = schemas["$defs"]
    return defined


def _reference(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}
