"""Alembic migrations: SQL that a database administrator can read, with the roles and grants."""
