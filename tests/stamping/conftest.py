"""A register of a few calls, sealed and signed, and a timestamp authority that listens."""

import pytest
from prometheus_client import CollectorRegistry

from tenants.sealer.stamping import StampMetrics, make_stamp_metrics
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
from tests.export.conftest import reader  # noqa: F401 - fixtures
from tests.export.stage import Stage
from tests.stamping.authority import Tsa, make_tsa, serving
from tests.trees.conftest import calls, sealing, signer  # noqa: F401 - fixtures


@pytest.fixture
async def stage(world, calls, sealing, signer, reader, admin) -> Stage:  # noqa: F811
    made = Stage(world, calls, sealing, signer, reader, admin)
    await made.fill(3)
    return made


@pytest.fixture(scope="session")
def made_tsa(tmp_path_factory) -> Tsa:
    return make_tsa(tmp_path_factory.mktemp("tsa") / "tsa")


@pytest.fixture
def tsa(made_tsa):
    made_tsa.asked.clear()
    made_tsa.says, made_tsa.status = None, 200
    with serving(made_tsa):
        yield made_tsa


@pytest.fixture
def shown() -> StampMetrics:
    return make_stamp_metrics(CollectorRegistry())
