"""A register that was filled, sealed and signed; the auditor's connection; and everything wrong that one can do to it."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

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
from tests.export.stage import Stage
from tests.trees.conftest import calls, sealing, signer  # noqa: F401 - fixtures


@pytest.fixture
async def reader(connect: Callable[[str], Awaitable[asyncpg.Connection]]) -> asyncpg.Connection:  # noqa: F811
    """The auditor's connection."""
    return await connect("inzage")


@pytest.fixture
async def stage(world, calls, sealing, signer, reader, admin) -> Stage:  # noqa: F811
    """A register of 130 calls, sealed and signed at three moments."""
    made = Stage(world, calls, sealing, signer, reader, admin)
    await made.fill(40, 30, 60)
    return made
