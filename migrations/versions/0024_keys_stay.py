"""What the tenants process may change of callers' proofs and of tenants' keys: no more than it does."""

from migrations.sql import read, run

revision = "0024"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Narrow two grants to the columns that the versions before this one write too."""
    run("SET ROLE koppelpunt_owner")
    run(read("0024_keys_stay.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: keys would be exchangeable again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
