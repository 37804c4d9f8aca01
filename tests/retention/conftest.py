"""A register with a past, and those who fill, seal, destroy and read it."""

import pytest

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
from tests.retention.stage import Past
from tests.trees.conftest import calls, sealing, signer  # noqa: F401 - fixtures


@pytest.fixture
async def past(world, calls, sealing, signer, reader, admin) -> Past:  # noqa: F811
    """A register of a body that is no gemeente and keeps its calls for two years."""
    made = Past(world, calls, sealing, signer, reader, admin)
    await made.keeps(2)
    return made
