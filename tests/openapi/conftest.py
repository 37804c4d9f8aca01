"""The OpenAPI document, and a tenants process behind the server of production, with one of everything in its registry."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.serve_tenants import serve_strictly
from tenants.api.openapi import make_openapi
from tenants.api.routes import ROUTES
from tests.admin.conftest import (  # noqa: F401 - fixtures
    Api,
    Furnished,
    admin,
    config,
    database,
    furnished,
    keyrings,
    keys,
    other,
    pki,
    recorder,
    registrar,
    running,
    world,
)
from tests.admin.regels import Recorder
from tests.admin.resources import KINDS
from tests.worlds import World


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return make_openapi(ROUTES, {"name": "Beheer", "url": "https://example.nl", "email": "beheer@example.nl"})


@pytest.fixture
async def api(config, keys) -> AsyncIterator[Api]:  # noqa: F811
    """As `koppelpunt tenants` serves it: by the strict server."""
    async with running(config, serve_api=serve_strictly) as (port, observed), aiohttp.ClientSession() as session:
        yield Api(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observed}", keys, session)


@pytest.fixture
async def rich(api: Api, world: World, other: World, recorder: Recorder, registrar: asyncpg.Connection) -> Api:  # noqa: F811
    """One of every resource, and calls in the register, so that what is generated has something to be about."""
    for kind in KINDS.values():
        by = "operator" if kind.field == "snelheidslimieten" else "beheerder"
        headers = {"Koppelpunt-Tenant": str(world.tenant_id)} if by == "operator" else {}
        made = await api.ask("POST", kind.all(world), by=by, headers=headers, json=kind.made(world, other))
        assert made.status == 201, made.text
    for bsn in ("999990019", "999990020"):
        await recorder.record(world, bsn)
    return api
