"""A register with calls about persons, a collector, and the part that brings the one to the other."""

from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.pki import Pki
from tenants.fetch import FetchRules
from tenants.logboek.metrics import make_logboek_metrics
from tenants.logboek.rounds import Export
from tenants.pools import pool_of
from tests.databases import Database
from tests.db.conftest import (  # noqa: F401 - fixtures
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
from tests.export.conftest import reader  # noqa: F401 - fixture
from tests.logboek.collector import Collector, collecting
from tests.logboek.stage import OPEN_AFTER, Stage
from tests.retention.conftest import past  # noqa: F401 - fixture
from tests.trees.conftest import calls, sealing, signer  # noqa: F401 - fixtures


@pytest.fixture
def collector(pki: Pki, tmp_path: Path) -> Iterator[Collector]:  # noqa: F811
    with collecting(pki, tmp_path) as made:
        yield made


@pytest.fixture
async def stage(
    world, calls, sealing, registrar, admin, keyrings, database: Database, pki, tmp_path: Path, collector  # noqa: F811
) -> AsyncIterator[Stage]:  # fmt: skip
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    rules = FetchRules(
        frozenset({f"localhost:{collector.port}"}), (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        tmp_path / "root.pem", 1.0,
    )  # fmt: skip
    async with pool_of(database.url("inzage"), "inzage", size=4) as pool:
        export = Export(pool, keyrings.register, rules, make_logboek_metrics(CollectorRegistry()), OPEN_AFTER)
        yield Stage(world, calls, sealing, registrar, admin, keyrings, export, collector)
        export.threads.shutdown(wait=True)
