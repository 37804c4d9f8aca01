"""What the admin API stands on: answers for repeated requests, mandates that are asked for, steps of an aansluiting."""

from migrations.sql import read, run

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry, as its owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0010_admin_api.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who asked for a mandate and who granted it is part of what the registry says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
