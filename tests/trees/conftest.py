"""A register with rows in it, the sealer's connection, and a key to sign with."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenants.sealer.signing import Signer
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
from tests.trees.stage import Calls


@pytest.fixture
async def sealing(connect: Connect) -> asyncpg.Connection:  # noqa: F811
    """A connection of the sealer."""
    return await connect("sealer")


@pytest.fixture
def signer() -> Signer:
    return Signer((Ed25519PrivateKey.from_private_bytes(b"s" * 32),), "koppelpunt.example")


@pytest.fixture
async def calls(begin_writer: Callable[..., Awaitable[object]]) -> Calls:  # noqa: F811
    """A session of a gateway that records calls."""
    return Calls(await begin_writer())  # type: ignore[arg-type]
