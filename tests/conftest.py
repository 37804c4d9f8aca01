"""Fixtures of all tests: a PostgreSQL (embedded, or that of DATABASE_URL) and a database per test."""

import os
from collections.abc import Iterator

import pytest

from tests.databases import Cluster, Database, cluster, fresh_database


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    with cluster(os.environ.get("DATABASE_URL")) as made:
        yield made


@pytest.fixture
def database(postgres_cluster: Cluster) -> Iterator[Database]:
    """A fresh, migrated database: `database.url("gateway")` is the DSN of a user in that role."""
    with fresh_database(postgres_cluster) as made:
        yield made
