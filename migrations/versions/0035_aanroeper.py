"""The span of whoever asked for a call, kept beside its opening for the tenant's log."""

from migrations.sql import read, run

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and functions. The release before this one writes and reads as it did."""
    run("SET ROLE koppelpunt_owner")
    run(read("0035_aanroeper.sql"))
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_writer")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_writer")
    run(read("0035_write.sql"))
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_writer")
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
