"""Fixtures of the faults: a rack of servers of each test's own, and a caller with its ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import _memory
from tests.e2e.conftest import caller as caller  # noqa: PLC0414 - the same caller, with its ledger
from tests.faults.clusters import Rack, fill_stock, rack


@pytest.fixture(scope="session")
def stock() -> Iterator[Path]:
    """The data directory that nodes are copied from."""
    with rack(_memory()) as made:
        yield fill_stock(made)


@pytest.fixture
def servers() -> Iterator[Rack]:
    """A rack whose nodes are gone after the test."""
    with rack(_memory()) as made:
        yield made
