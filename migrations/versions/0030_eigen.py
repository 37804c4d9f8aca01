"""What only the tenant itself gives, and whom nobody silences unheard; what a block stops, and to whom its reason is told."""

from migrations.sql import read, run

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add triggers, functions and columns. The release before this one writes and reads as it did."""
    run("SET ROLE koppelpunt_owner")
    run(read("0030_eigen.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: an operator could give itself a mandate again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
