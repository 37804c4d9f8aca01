"""An afnemer and a header profile can be ended."""

from migrations.sql import read, run

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a state to both. The release before this one makes what is active, and ends nothing."""
    run("SET ROLE koppelpunt_owner")
    run(read("0036_einden.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
