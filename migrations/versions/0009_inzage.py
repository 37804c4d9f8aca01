"""Inzage: what was searched for, requests of citizens, samples of the auditor, words for purposes."""

from migrations.sql import read, run

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry and register, as their owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0009_inzage.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who asked for inzage, and what was answered, is as much a record as the register."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
