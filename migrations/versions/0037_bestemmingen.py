"""Only the tenant itself says where its checkpoints go."""

from migrations.sql import read, run

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a trigger. The release before this one tells whom it refuses that the registry refuses it."""
    run("SET ROLE koppelpunt_owner")
    run(read("0037_bestemmingen.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
