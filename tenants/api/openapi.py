"""The OpenAPI 3.1 document, made from the routes and from the models that validate. Pure."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tenants.api.proposing import Voorgesteld
from tenants.api.repeating import KEY_HEADER
from tenants.api.routing import TENANT_HEADER, Route
from tenants.api.shapes import Probleem

VERSION = "0.1.0"
_ALWAYS = {400: "Het verzoek klopt niet.", 500: "Er ging iets mis.", 503: "De dienst is er even niet."}
_IDENTIFIED = {401: "Niet ingelogd.", 403: "Geen toegang."}
_WITH_BODY = {408: "Te traag.", 413: "Te groot.", 415: "Geen JSON."}
_OTHERS = {404: "Niet gevonden.", 409: "Botst met wat er al staat."}
_OF_TENANT = {404: "Niet gevonden."}
_VERSIONED = {404: "Niet gevonden.", 412: "Een ander veranderde dit intussen.", 428: "If-Match ontbreekt."}
_IDEMPOTENT = {409: "Botst, of een verzoek met deze sleutel loopt nog.", 422: "Deze sleutel was van een ander verzoek."}
_PARAMETER = re.compile(r"\{([a-zA-Z]+)\}")
_TEXT = {"type": "string"}
_HEADERS = {"API-Version": {"description": "De volledige versie van deze API.", "schema": _TEXT}}
_ETAG = {"ETag": {"description": "De versie van wat getoond is; noem haar in If-Match.", "schema": _TEXT}}
_LOCATION = {"Location": {"description": "Waar het gemaakte staat.", "schema": _TEXT}}


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
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return paths, _schemas(table)


def _operation(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.split("/")[2].removesuffix(".json")],
        "security": [] if route.public else [{"beheersleutel": []}],
        "responses": _responses(route),
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
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


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, shape in _answers(route).items():
        headers = (
            _HEADERS
            | (_ETAG if route.versioned and status != 204 else {})
            | (_LOCATION if status in {201, 202} else {})
        )
        found[str(status)] = {"description": "Gelukt.", "headers": headers}
        if status != 204:
            schema = {"type": "object"} if shape is None else _reference(shape)
            found[str(status)]["content"] = {"application/json": {"schema": schema}} | {
                media_type: {"schema": {"type": "string", "contentEncoding": "binary"}} for media_type in route.files
            }
    refusals = dict(_ALWAYS)
    if not route.public:
        refusals |= _IDENTIFIED
    if route.body is not None:
        refusals |= _WITH_BODY
    for applies, words_of in ((route.of_tenant, _OF_TENANT), (route.demands_version, _VERSIONED)):
        refusals |= words_of if applies else {}
    refusals |= {status: (_OTHERS | _ALWAYS)[status] for status in route.refusals}
    refusals |= _IDEMPOTENT if route.idempotent else {}
    for status, words in sorted(refusals.items()):
        content = {"application/problem+json": {"schema": _reference(Probleem)}}
        found[str(status)] = {"description": words, "headers": _HEADERS, "content": content}
    return found


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
