"""Readings of the register are recorded before they start; whose a block is; when certificates end."""

from migrations.sql import read, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry and register, as their owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0002_readings.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who read the register is as much a record as the register."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
