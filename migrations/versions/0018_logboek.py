"""Logboek Dataverwerkingen: where a tenant's log goes, and what is sent of the register."""

from migrations.sql import read, run

revision = "0018"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add destinations, and the functions that give what is exported, as the owner of both."""
    run("SET ROLE koppelpunt_owner")
    run(read("0018_logboek.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what went where is part of the tenant's history."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
