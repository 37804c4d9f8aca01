"""The demo's own database on a server: made, migrated, and taken away again, with a login user per role.

On a given server only a database and users with the demo's own random name are made. The roles `koppelpunt_…` belong
to the server and stay. The database can be made read-only and writable again: that is how a register that cannot be
written is shown, without harm to whatever else the server holds.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from gateway.embedded import DatabaseUnavailable, Postgres, postgres_server
from migrations.command import migrate

ROLES = ("gateway", "tenants", "inzage", "sealer")


@dataclass(frozen=True, slots=True)
class DemoDatabase:
    """A migrated database. `version` is PostgreSQL's own, `embedded` says whose server it is."""

    postgres: Postgres
    maintenance_url: str = field(repr=False)
    name: str
    version: str
    embedded: bool
    password: str = field(repr=False)

    def user(self, role: str) -> str:
        """The login user that is in the role `koppelpunt_<role>` and in no other."""
        return f"{self.name}_{role}"

    def url(self, role: str) -> str:
        """A DSN for `gateway`, `tenants`, `inzage` or `sealer`."""
        return self.postgres.url(self.name, self.user(role), self.password)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nothing be written to this database, by the gateway first of all, until the block ends."""
        name = sql.Identifier(self.name)
        with psycopg.connect(self.maintenance_url, autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
            try:
                self._end_sessions_of_gateway()
                yield
            finally:
                admin.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))

    def _end_sessions_of_gateway(self) -> None:
        """The setting is read when a session begins. A user may end its own sessions, so no power is needed for it."""
        with psycopg.connect(self.url("gateway"), autocommit=True) as session:
            ended = session.execute(
                "SELECT pid, pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        if not ended or not all(gone for _, gone in ended):
            raise DatabaseUnavailable("The sessions of the gateway could not be ended.")


@contextmanager
def demo_database(database_url: str | None) -> Iterator[DemoDatabase]:
    """Make the database on an embedded server, or on the one that is given. Raises DatabaseUnavailable."""
    # Nothing of the demo must survive a power cut; synchronous_commit stays on, as the order of things depends on it.
    with postgres_server(database_url, {"fsync": "off", "full_page_writes": "off"}) as postgres:
        maintenance = database_url or postgres.url("postgres")
        name = f"koppelpunt_demo_{secrets.token_hex(4)}"
        with psycopg.connect(maintenance, autocommit=True) as admin:
            version = admin.info.parameter_status("server_version") or "unknown"
            made = DemoDatabase(postgres, maintenance, name, version, database_url is None, secrets.token_urlsafe(24))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            migrate(postgres.url(name))
            _make_users(made)
            yield made
        finally:
            if database_url is not None:
                _remove(made)


def _make_users(made: DemoDatabase) -> None:
    with psycopg.connect(made.maintenance_url, autocommit=True) as admin:
        for role in ROLES:
            admin.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                    sql.Identifier(made.user(role)), sql.Literal(made.password), sql.Identifier(f"koppelpunt_{role}")
                )
            )


def _remove(made: DemoDatabase) -> None:
    with psycopg.connect(made.maintenance_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(made.name)))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(made.user(role))))
