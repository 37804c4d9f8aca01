"""One gateway and one tenants process for all attacks of a module: what one attack breaks, the next one feels."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from tenants.admins import make_admin_key
from tenants.keyring import public_half
from tests.databases import Cluster, fresh_database
from tests.hardening.listeners import Listener, gateway_process, tenants_process
from tests.world import World, world


@dataclass(frozen=True, slots=True)
class Ground:
    """A world with one member, and the key of an operator."""

    world: World
    admin_key: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(postgres_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    with fresh_database(postgres_cluster) as database:
        async with world(database, tmp_path_factory.mktemp("hardening")) as here:
            await here.add_member()
            _, key = await make_admin_key(
                here.tenants, public_half(here.ground.identity), role="operator", tenant_id=None, name="Machine",
                valid_for=timedelta(days=1),
            )  # fmt: skip
            yield Ground(here, key)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listeners(ground: Ground) -> AsyncIterator[dict[str, Listener]]:
    """Both, without TLS: what is attacked is the reading."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_process(ground.world))
        tenants = await stack.enter_async_context(tenants_process(ground.world, ground.admin_key))
        yield {"gateway": gateway, "tenants": tenants}


@pytest.fixture(params=["gateway", "tenants"])
def listener(request: pytest.FixtureRequest, listeners: dict[str, Listener]) -> Listener:
    return listeners[request.param]
