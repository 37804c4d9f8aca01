"""What workers and replicas share: tokens of RvIG, and rate limits."""

from migrations.sql import read, run

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry as its owner, whose functions the gateway calls."""
    run("SET ROLE koppelpunt_owner")
    run(read("0017_shared.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: which limit held when is part of the tenant's history."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
