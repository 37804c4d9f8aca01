"""What an afnemer may ask by its autorisatiebesluit."""

from migrations.sql import read, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table to the registry, as its owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0003_autorisatiebesluit.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what was allowed when is part of what the register says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
