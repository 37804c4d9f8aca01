"""Brings a database to the newest revision, and tells where it stands. What `koppelpunt migrate` does."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import DBAPIError

VERSION_TABLE = "koppelpunt_migration"
REFUSED: Final = (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege)
"""What an operator can mend: the server is away, the login is wrong, or the user may not do this."""


def migrate(url: str) -> None:
    """Run every migration that has not run yet, each as one transaction. Running twice changes nothing.

    `url` is postgresql://… of a superuser, or of a user with CREATEROLE who owns the database. Two at once wait for
    each other. Raises REFUSED, and ValueError for another kind of URL.
    """
    try:
        command.upgrade(_configuration(url), "head")
    except DBAPIError as error:
        if isinstance(error.orig, REFUSED):
            raise error.orig from None
        raise


def current_revision(url: str) -> str | None:
    """Return the revision that a database is at; None for one that was never migrated."""
    engine = create_engine(_with_driver(url), poolclass=pool.NullPool)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            return context.get_current_revision()
    finally:
        engine.dispose()


def newest_revision() -> str | None:
    """Return the revision that `migrate` brings a database to."""
    return ScriptDirectory.from_config(_scripts()).get_current_head()


def _scripts() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "migrations:")
    return configuration


def _configuration(url: str) -> Config:
    configuration = _scripts()
    # Percent signs of a quoted password are taken for interpolation otherwise.
    configuration.set_main_option("sqlalchemy.url", _with_driver(url).replace("%", "%%"))
    return configuration


def _with_driver(url: str) -> str:
    """Name the driver, which SQLAlchemy would otherwise choose to be one that is not installed."""
    parts = urlsplit(url)
    if parts.scheme.split("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("A migration needs a URL of PostgreSQL: postgresql://user:password@host:port/database.")
    return urlunsplit(parts._replace(scheme="postgresql+psycopg"))
