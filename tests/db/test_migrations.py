"""Migrations bring a database from nothing to the newest revision, and running them again changes nothing."""

import psycopg

from migrations.command import current_revision, migrate, newest_revision
from tests.databases import Cluster, Database


def dump(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT n.nspname, c.relname, c.relkind, c.relacl::text, c.xmin::text FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname IN ('registry', 'register', 'proef') ORDER BY 1, 2"
        ).fetchall()


def test_a_migrated_database_is_left_alone(database: Database):
    url = database.url("admin")
    before = dump(url)
    migrate(url)
    assert dump(url) == before
    assert current_revision(url) == newest_revision()


def test_a_database_that_was_never_migrated_has_no_revision(postgres_cluster: Cluster):
    assert current_revision(postgres_cluster.postgres.url("postgres")) is None


def test_a_user_that_is_no_superuser_can_migrate_its_own_database(postgres_cluster: Cluster):
    server = postgres_cluster.postgres
    name = f"{postgres_cluster.template}_own"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret'")
        admin.execute(f"GRANT koppelpunt_owner, koppelpunt_writer, koppelpunt_vernietiger TO {name}")
        admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            migrate(server.url(name, name, "secret"))
            assert current_revision(server.url(name, name, "secret")) == newest_revision()
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            admin.execute(f"DROP ROLE {name}")
