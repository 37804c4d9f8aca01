"""What a tenant calls with, sends by and is told by ends with its contract."""

from migrations.sql import read, run

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a trigger to the last confirmation, which the release before this one does not write."""
    run("SET ROLE koppelpunt_owner")
    run(read("0038_contracteinde.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
