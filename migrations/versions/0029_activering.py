"""Why a certificate was activated untried."""

from migrations.sql import read, run

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that the release before this one does not know."""
    run("SET ROLE koppelpunt_owner")
    run(read("0029_activering.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: the reasons would be lost."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
