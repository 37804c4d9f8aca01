"""An afnemer that is another organisation than its tenant is confirmed before productie."""

from migrations.sql import read, run

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and triggers. The release before this one is refused productie of what nobody confirmed, and nothing else."""
    run("SET ROLE koppelpunt_owner")
    run(read("0033_bevestiging.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what waits for a confirmation would be let through."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
