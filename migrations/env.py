"""Alembic's environment: one connection, one transaction, SQL only (there are no models to compare with)."""

from alembic import context
from sqlalchemy import create_engine, pool


def run() -> None:
    """Run the migrations on the URL that `koppelpunt migrate` set, under a lock so that two never run at once."""
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(19265, 0)")
        context.configure(
            connection=connection, target_metadata=None, version_table="koppelpunt_migration", transactional_ddl=True
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()
