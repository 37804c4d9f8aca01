"""A request for inzage takes an Idempotency-Key, and nothing of a person is kept for it."""

from migrations.sql import read, run

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add policies and grants. The release before this one uses none of them."""
    run("SET ROLE koppelpunt_owner")
    run(read("0034_herhaling.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
