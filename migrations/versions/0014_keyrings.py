"""Rotation of keyrings, timestamps over checkpoints, and why the outcome of a call is not known."""

from migrations.sql import read, run

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the role of who rotates, then the rest as its owner."""
    run(read("0014_roles.sql"))
    run("SET ROLE koppelpunt_owner")
    run(read("0014_keyrings.sql"))
    run(read("0014_outcomes.sql"))
    run(read("0014_timestamps.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: timestamps prove what was, and are not taken back."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
