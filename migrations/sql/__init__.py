"""The SQL of the migrations, as files that a database administrator can read."""

from importlib.resources import files

from alembic import op


def read(name: str) -> str:
    """Return the text of one file of this package."""
    return (files(__name__) / name).read_text(encoding="utf-8")


def run(sql: str) -> None:
    """Run many statements as they stand: past SQLAlchemy, which would read a colon as the start of a parameter."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("A migration needs a live connection; offline mode is not supported.")
    connection.execute(sql)
