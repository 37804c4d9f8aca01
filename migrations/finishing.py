"""What a migration had to leave until no process of the release before this one runs. `koppelpunt migrate --finish`.

Everything here may be begun again when it was broken off, and does nothing when it was done. On a database in which
nothing ever ran, the migration does it itself.
"""

from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

_SCHEMAS: Final = ("register", "proef")
_PERSONS: Final = "person_of_tenant"
_SHAPES_KEPT: Final = (
    "CREATE OR REPLACE FUNCTION register.keeps_question_shapes() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE "
    "AS 'SELECT true'"
)
_UNINDEXED: Final = (
    "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = %s::regclass "
    "AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_inherits x ON x.inhrelid = i.indexrelid AND x.inhparent = %s::regclass "
    "  WHERE i.indrelid = c.oid) ORDER BY 1"
)
_BROKEN_OFF: Final = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indexrelid = to_regclass(%s) AND NOT i.indisvalid"
)
_HAS_KEY: Final = "SELECT 1 FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"

Connection = psycopg.Connection[tuple[Any, ...]]


class UnfinishedError(Exception):
    """Something long stands in the way of a short lock. Nothing is broken, and it can be tried again."""


def finish(url: str, most_wait: float = 5) -> None:
    """Finish what the newest migration left. Calls go on meanwhile: indexes are built beside them.

    `url` is that of `migrate`. Only when every process is of this release: one of before reads an opening that names
    what it asked as if it had asked nothing. `most_wait`: seconds for each short lock that calls need too; to ask again
    is better than a queue of calls. Raises UnfinishedError, psycopg.OperationalError.
    """
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(scheme="postgresql")), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(19265, 0)")
        connection.execute("SET ROLE koppelpunt_owner")
        try:
            connection.execute(_SHAPES_KEPT)
            for schema in _SCHEMAS:
                _index_persons(connection, schema, most_wait)
        except psycopg.errors.LockNotAvailable as error:
            raise UnfinishedError("A long transaction uses the register: try again when it has ended.") from error


def _index_persons(connection: Connection, schema: str, most_wait: float) -> None:
    """Put the index of persons alone in the place of the key with everything in it, partition by partition."""
    table, index = f"{schema}.person", f"{schema}.{_PERSONS}"
    if connection.execute(_HAS_KEY, (table,)).fetchone() is None:
        return
    parent = sql.Identifier(schema, "person")
    _wait(connection, most_wait)
    # Partitions that are made from here on have it of themselves.
    connection.execute(
        sql.SQL("CREATE INDEX IF NOT EXISTS {} ON ONLY {} (tenant_id, person)").format(sql.Identifier(_PERSONS), parent)
    )
    for (partition,) in connection.execute(_UNINDEXED, (table, index)).fetchall():
        own = f"{partition}_of_tenant"
        name = sql.Identifier(schema, own)
        if connection.execute(_BROKEN_OFF, (f"{schema}.{own}",)).fetchone():
            connection.execute(sql.SQL("DROP INDEX {}").format(name))
        # Nobody waits for this one, however long it waits itself.
        _wait(connection, 0)
        connection.execute(
            sql.SQL("CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} (tenant_id, person)").format(
                sql.Identifier(own), sql.Identifier(schema, partition)
            )
        )
        _wait(connection, most_wait)
        connection.execute(sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(sql.Identifier(schema, _PERSONS), name))
    connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT person_pkey").format(parent))


def _wait(connection: Connection, seconds: float) -> None:
    """How long a lock may be waited for; 0 is for ever."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(seconds * 1000)}ms",))
