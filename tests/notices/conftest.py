"""A registry with two tenants, contacts, the sealer's connection, and a clock that the test sets."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from tenants.notices.metrics import NoticeMetrics, make_notice_metrics
from tenants.notices.raising import Raiser
from tenants.scope import tenant_scope
from tests.db.conftest import (  # noqa: F401 - fixtures
    Connect,
    admin,
    begin_writer,
    connect,
    keyrings,
    other,
    pki,
    registrar,
    world,
    writer,
)
from tests.trees.conftest import calls, signer  # noqa: F401 - fixtures
from tests.worlds import World

AddContact = Callable[..., Awaitable[int]]


@pytest.fixture
async def sealer(connect: Connect) -> asyncpg.Connection:  # noqa: F811
    return await connect("sealer")


@pytest.fixture
def metrics() -> NoticeMetrics:
    return make_notice_metrics(CollectorRegistry())


@pytest.fixture
def raiser(metrics: NoticeMetrics) -> Raiser:
    return Raiser(metrics, reachable=True, orphan_after=timedelta(0), late_after=timedelta(minutes=5))


@pytest.fixture
def contact(registrar: asyncpg.Connection) -> AddContact:  # noqa: F811
    """Give a tenant a contact, as its beheerder; return its number."""

    async def add(world: World, kind: str, **given: Any) -> int:  # noqa: F811
        columns = {"name": "Meldpunt", "email": f"{kind}@gemeente.example"} | given
        async with tenant_scope(registrar, world.tenant_id, actor="beheerder/1"):
            number: int = await registrar.fetchval(
                # The columns are the test's own.
                f"INSERT INTO registry.contact (tenant_id, kind, {', '.join(columns)}) "  # noqa: S608
                f"VALUES ($1, $2, {', '.join(f'${at}' for at in range(3, 3 + len(columns)))}) RETURNING contact_id",
                world.tenant_id, kind, *columns.values(),
            )  # fmt: skip
        return number

    return add


async def told(admin: asyncpg.Connection, kind: str | None = None) -> list[asyncpg.Record]:  # noqa: F811
    """Meldingen that stand, oldest first; that the worlds have no place for checkpoints is left out unless asked for."""
    rows: list[asyncpg.Record] = await admin.fetch(
        "SELECT * FROM registry.melding WHERE kind = $1 OR ($1::text IS NULL AND kind <> 'controlepunt_ontbreekt') ORDER BY melding_id",
        kind,
    )
    return rows


def soon(**distance: float) -> datetime:
    return datetime.now(UTC) + timedelta(**distance)
