"""IDPs, client certificates, signed assertions, and which proofs a taaksysteem must give together."""

from migrations.sql import read, run

revision = "0004"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry, and the schema of used assertions, as their owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0004_callers.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who could call, and how, is part of what the register says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
