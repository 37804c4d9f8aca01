"""The verbindingstest, asked through the database; and that RvIG has shut an aansluiting out, shared between replicas."""

from migrations.sql import read, run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry as its owner, whose functions the gateway calls."""
    run("SET ROLE koppelpunt_owner")
    run(read("0013_verbindingstest.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what was tried, and when RvIG shut whom out, is part of the tenant's history."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
