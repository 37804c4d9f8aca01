"""The number of an afnemer that ended is free for whoever it goes to."""

from migrations.sql import read, run

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Hold an AfnemerID to one afnemer that has not ended, in place of one that ever was."""
    run("SET ROLE koppelpunt_owner")
    run(read("0040_nummers.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
