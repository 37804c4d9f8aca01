"""Holds an answer against the OpenAPI document. Every answer that any test gets from the admin API is looked at here.

What is generated seldom succeeds; what the other tests ask mostly does. So the shapes of successes are tried here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from tenants.api.openapi import make_openapi
from tenants.api.routes import ROUTES

# Before any route is known: no HTTP, ambiguous headers, too many of them, no such address or method.
_OF_FORM = {400, 404, 405, 431}


def faults_of_answer(method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> list[str]:
    """What the document does not say of an answer: its status, media type, headers, or shape. Empty when all is well."""
    operation = _operation("GET" if method == "HEAD" else method, path.partition("?")[0])
    if operation is None:
        return [] if status in _OF_FORM else [f"{status} where there is nothing"]
    described = operation["responses"].get(str(status))
    if described is None:
        return [f"status {status} is not in the document"]
    return [
        *_faults_of_headers(_resolved(described), headers),
        *_faults_of_body(_resolved(described), method, headers, text),
    ]


def _faults_of_headers(described: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
    for name, header in described.get("headers", {}).items():
        if header.get("required") and name not in headers:
            yield f"the header {name} is not there"


def _faults_of_body(described: Mapping[str, Any], method: str, headers: Mapping[str, str], text: str) -> Iterator[str]:
    content = described.get("content", {})
    kind = headers.get("Content-Type", "").partition(";")[0]
    if not content:
        if text or kind:
            yield "there is a body, and the document has none"
    elif kind not in content:
        yield f"the media type {kind or '(none)'} is not in the document"
    elif kind.endswith("json") and method != "HEAD":
        yield from (
            one.message for one in _validator(json.dumps(content[kind]["schema"])).iter_errors(json.loads(text))
        )


@cache
def _document() -> dict[str, Any]:
    return make_openapi(ROUTES, {"name": "Beheer", "url": "https://example.nl", "email": "beheer@example.nl"})


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Addresses without parameters first, as they are taken first."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile("/v1" + re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(path))), path) for path in paths]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for pattern, known in _patterns():
        if pattern.fullmatch(path) and method.lower() in _document()["paths"][known]:
            found: dict[str, Any] = _document()["paths"][known][method.lower()]
            return found
    return None


@cache
def _validator(schema: str) -> Any:
    return Draft202012Validator({**json.loads(schema), "components": _document()["components"]})


def _resolved(found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        place = found["$ref"].removeprefix("#/").split("/")
        found = _document()
        for part in place:
            found = found[part]
    return found
