"""Databases for tests: real PostgreSQL, one fresh database per test, one login user per role of the product."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from gateway.embedded import Postgres, postgres_server
from migrations.command import migrate

_MEMORY_BYTES = 2 << 30
ROLES = ("gateway", "tenants", "inzage", "sealer", "owner", "keys")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server with a migrated template database, and a login user per role, each in exactly that role."""

    postgres: Postgres
    template: str
    users: Mapping[str, str]
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the cluster, migrated and empty."""

    cluster: Cluster
    name: str

    def url(self, role: str) -> str:
        """Return a DSN for `gateway`, `tenants`, `inzage`, `sealer`, `keys`, `owner` (of the tables), or `admin`."""
        if role == "admin":
            return self.cluster.postgres.url(self.name)
        return self.cluster.postgres.url(self.name, self.cluster.users[role], self.cluster.password)


@contextmanager
def cluster(database_url: str | None = None) -> Iterator[Cluster]:
    """Start (or take) a server, migrate the template, make the users; take away again what was made."""
    # Nothing here must survive a power cut; synchronous_commit stays on, as the order of things depends on it.
    settings = {"fsync": "off", "full_page_writes": "off"}
    with postgres_server(database_url, settings, parent=_memory()) as postgres:
        suffix = secrets.token_hex(4)
        users = {role: f"test_{role}_{suffix}" for role in ROLES}
        made = Cluster(postgres, f"test_template_{suffix}", users, secrets.token_hex(16))
        with _admin(postgres) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made.template)))
        migrate(postgres.url(made.template))
        with _admin(postgres) as admin:
            # Tests connect by the thousand, and stretching a password that is gone tomorrow is most of a connection.
            admin.execute("SET scram_iterations = 64")
            for role, user in users.items():
                admin.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                        sql.Identifier(user), sql.Literal(made.password), sql.Identifier(f"koppelpunt_{role}")
                    )
                )
        yield made
        if database_url:
            with _admin(postgres) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.template)))
                for user in users.values():
                    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


@contextmanager
def fresh_database(cluster: Cluster, like: Database | None = None) -> Iterator[Database]:
    """A database as the migrations leave it, or one `like` another to which nobody is connected; gone afterwards."""
    name = f"test_{secrets.token_hex(8)}"
    with _admin(cluster.postgres) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(cluster.template if like is None else like.name)
            )
        )
        # Rights on a database are not copied from its template.
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(name), sql.SQL(", ").join(sql.Identifier(f"koppelpunt_{role}") for role in ROLES)
            )
        )
        try:
            yield Database(cluster, name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _memory() -> str | None:
    """A file system in memory makes a new database twenty times as fast; one that is small is left to others."""
    path = "/dev/shm"  # noqa: S108
    try:
        room = os.statvfs(path)
    except FileNotFoundError:
        return None
    return path if room.f_bavail * room.f_frsize > _MEMORY_BYTES else None


def _admin(postgres: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(postgres.url("postgres"), autocommit=True)
