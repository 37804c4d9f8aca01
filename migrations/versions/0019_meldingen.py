"""Contacts, notices and their delivery; the end of a client-secret; who took a step of the stappenplan."""

from migrations.sql import read, run

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables as their owner; what looks into retention is granted by the role that owns it."""
    run("SET ROLE koppelpunt_vernietiger")
    run("GRANT EXECUTE ON FUNCTION register.months_to_destroy, register.plan_vernietiging TO koppelpunt_owner")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run(read("0019_contacten.sql"))
    run(read("0019_feiten.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what was told to whom is a record."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
