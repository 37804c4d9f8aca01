"""The links of the OpenAPI document: from what was made, listed or read to what can be done with it. Pure.

They follow from the table of routes. What was made tells its own key; what was read tells its version, that the next
change names in If-Match.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from tenants.api.routing import Route

_PARAMETER = re.compile(r"\{([a-zA-Z]+)\}")


def path_parameters(path: str) -> list[str]:
    """The names between braces, in order."""
    return _PARAMETER.findall(path)


def links_of(route: Route, table: Iterable[Route]) -> dict[str, Any]:
    """The links that the successes of a route have, by the operation that they lead to."""
    kept = {name: f"$request.path.{name}" for name in path_parameters(route.path)}
    found: dict[str, Any] = {}
    for other in table:
        key = _key(route, other)
        if key is None:
            continue
        parameters = {**kept, **key}
        if other.demands_version:
            parameters |= {"If-Match": "$response.header.ETag"}
        found[other.name] = {"operationId": other.name, "parameters": parameters}
    return found


def _key(route: Route, other: Route) -> Mapping[str, str] | None:
    """How an answer of this route names what the other one is about; None where it does not."""
    if route is other or not route.answers.keys() & {200, 201}:
        return None
    if route.method == "GET" and route.versioned and other.path.startswith(route.path):
        # Read: what changes it, and what lies under it.
        return {} if path_parameters(other.path) == path_parameters(route.path) else None
    one = f"{route.path}/{{"
    if not other.path.startswith(one) or path_parameters(other.path[len(one) :]):
        return None
    name = path_parameters(other.path[len(route.path) :])[0]
    if route.method == "POST" and 201 in route.answers:
        # Made: its version is known too.
        field = _field(route.answers[201], name)
        return None if field is None else {name: f"$response.body#/{field}"}
    if route.method == "GET" and other.method == "GET":
        return _first_of_list(route, name)
    return None


def _first_of_list(route: Route, name: str) -> Mapping[str, str] | None:
    for field, shape in _lists(route.answers.get(200)):
        key = _field(shape, name)
        if key is not None:
            return {name: f"$response.body#/{field}/0/{key}"}
    return None


def _lists(shape: type[BaseModel] | None) -> Iterator[tuple[str, type[BaseModel]]]:
    """The fields of a shape that are lists of shapes."""
    for name, field in ({} if shape is None else shape.model_fields).items():
        for inner in getattr(field.annotation, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield field.alias or name, inner


def _field(shape: type[BaseModel] | None, name: str) -> str | None:
    """The field that has what this parameter takes: of its own name, or `nummer`."""
    known = {} if shape is None else {field.alias or own for own, field in shape.model_fields.items()}
    return next((one for one in (name, "nummer") if one in known), None)
