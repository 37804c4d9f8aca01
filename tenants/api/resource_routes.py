"""The five operations of a resource of a tenant, each as a Route with what all of them have in common.

All are about one tenant; the operator names it, and what it changes is the tenant's to accept. Making one takes an
Idempotency-Key, seeing one gives its ETag, changing and ending one demands it.
"""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from tenants.admins import Role
from tenants.api.resources import CHANGERS, READERS, Bladzijde
from tenants.api.routing import Answer, Asked, Route

Endpoint = Callable[[Asked], Awaitable[Answer]]


def listed(
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    page: type[BaseModel],
    *,
    query: type[BaseModel] = Bladzijde,
    roles: frozenset[Role] = READERS,
) -> Route:
    """GET of a page."""
    return Route(
        "GET", path, name, summary, roles, endpoint, {200: page}, query=query, of_tenant=True,
        refusals=frozenset({404}) if "{" in path else frozenset(),
    )  # fmt: skip


def shown(
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    shape: type[BaseModel],
    *,
    roles: frozenset[Role] = READERS,
) -> Route:
    """GET of one, with its ETag."""
    return Route(
        "GET", path, name, summary, roles, endpoint, {200: shape}, refusals=frozenset({404}), of_tenant=True,
        versioned=True,
    )  # fmt: skip


def made(
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    body: type[BaseModel],
    shape: type[BaseModel],
    *,
    roles: frozenset[Role] = CHANGERS,
) -> Route:
    """POST of a new one. Without the operator among its roles it is no voorstel either."""
    return Route(
        "POST", path, name, summary, roles, endpoint, {201: shape}, refusals=frozenset({404, 409}), body=body,
        of_tenant=True, idempotent=True, voorstelbaar="operator" in roles,
    )  # fmt: skip


def changed(
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    body: type[BaseModel],
    shape: type[BaseModel],
    *,
    roles: frozenset[Role] = CHANGERS,
    method: str = "PATCH",
) -> Route:
    """PATCH (or PUT) of one, held to the version that was seen."""
    return Route(
        method, path, name, summary, roles, endpoint, {200: shape}, refusals=frozenset({404, 409}), body=body,
        of_tenant=True, versioned=True, voorstelbaar="operator" in roles,
    )  # fmt: skip


def ended(
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    *,
    roles: frozenset[Role] = CHANGERS,
) -> Route:
    """DELETE of one: it counts no more, and stays in the history."""
    return Route(
        "DELETE", path, name, summary, roles, endpoint, {204: None}, refusals=frozenset({404, 409}), of_tenant=True,
        versioned=True, voorstelbaar="operator" in roles,
    )  # fmt: skip
