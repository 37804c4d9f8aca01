"""A simulator that runs in the test's own process."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from gateway.pki import Pki, make_pki
from gateway.simulator.app import build_simulator
from gateway.simulator.serve import serving
from gateway.simulator.settings import SimulatorSettings
from tests.simulator.stage import GEMEENTE, WATERSCHAP, Caller, Clock, Stage


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def server_files(pki, tmp_path_factory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("server")
    certificate, key = pki.issue_server(["127.0.0.1", "localhost"]).save(directory, "server")
    anchors = directory / "anchors.pem"
    anchors.write_bytes(pki.root_pem)
    return {"certificate_file": certificate, "key_file": key, "trust_anchors_file": anchors}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_stage(pki, server_files, clock, tmp_path):
    """Start simulators with settings of the test, for instance `token_seconds=5`."""

    @contextlib.asynccontextmanager
    async def start(control_port: int | None = None, **settings: Any):
        given = {"afnemers": (GEMEENTE, WATERSCHAP), "clock": clock} | settings
        simulator = build_simulator(SimulatorSettings(**given))
        async with (
            serving(simulator, control_port=control_port, **server_files) as address,
            Stage(simulator, address, pki, tmp_path) as stage,
        ):
            yield stage

    return start


@pytest.fixture
async def stage(make_stage):
    async with make_stage() as running:
        yield running


@pytest.fixture
async def gemeente(stage: Stage) -> Caller:
    return await stage.caller(GEMEENTE)


@pytest.fixture
async def waterschap(stage: Stage) -> Caller:
    return await stage.caller(WATERSCHAP)
