"""One infrastructure and keyring for all these tests; a server and wires for each."""

import asyncio

import pytest
import uvloop

from gateway.mtls import Identities
from gateway.pki import make_pki
from gateway.upstream import Upstream
from gateway.wire.pools import Wires
from tenants.keyring import make_keyring
from tests.upstream import stage


def pytest_asyncio_loop_factories(config, item):
    """The gateway runs on uvloop, whose transports and clock differ from asyncio's; both must keep the promises."""
    if item.module.__name__.endswith(("test_wire", "test_ways")):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def pki():
    return make_pki()


@pytest.fixture(scope="session")
def keyring():
    return make_keyring("identity")


@pytest.fixture(scope="session")
def first(pki, keyring):
    return stage.make_aansluiting(pki, keyring, 1)


@pytest.fixture(scope="session")
def second(pki, keyring):
    return stage.make_aansluiting(pki, keyring, 2)


@pytest.fixture
async def server(pki, tmp_path):
    async with stage.serving(pki, tmp_path) as running:
        yield running


@pytest.fixture
def environment(server):
    return stage.make_environment(server.url)


@pytest.fixture
def identities(pki, keyring):
    return Identities(keyring, {"proef": pki.root_pem.decode()})


@pytest.fixture
async def wires(identities):
    made = Wires(identities)
    yield made
    await made.close()


@pytest.fixture
def upstream(wires):
    return Upstream(wires)
