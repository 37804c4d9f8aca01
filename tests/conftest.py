"""Fixtures of all tests: a PostgreSQL (embedded, or that of DATABASE_URL) and a database per test."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import Cluster, Database, cluster, fresh_database

# The suite asks every rule the same questions each time, so that it says something about the change and not about luck;
# `make search` asks new ones. How long one example takes on a busy machine says nothing.
for name, chosen in {"suite": settings(derandomize=True), "search": settings(max_examples=2_000)}.items():
    settings.register_profile(name, chosen, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    with cluster(os.environ.get("DATABASE_URL")) as made:
        yield made


@pytest.fixture
def database(postgres_cluster: Cluster) -> Iterator[Database]:
    """A fresh, migrated database: `database.url("gateway")` is the DSN of a user in that role."""
    with fresh_database(postgres_cluster) as made:
        yield made
