"""Merkle trees over the register, signed checkpoints, and the places that tenants want them delivered to."""

from migrations.sql import read, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry and register, as their owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0006_trees.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what was sealed stays sealed."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
