"""A registry with two tenants, and the connection of who rotates."""

import asyncpg
import pytest

from tests.db.conftest import (  # noqa: F401 - fixtures
    Connect,
    admin,
    connect,
    keyrings,
    other,
    pki,
    registrar,
    world,
)


@pytest.fixture
async def rotating(connect: Connect) -> asyncpg.Connection:  # noqa: F811
    """A connection of the role that rotates."""
    return await connect("keys")
