"""Readings of the register stand in its tree, terms of requests can be told of, and stops hold what may be about a person."""

from migrations.sql import read, run

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a trigger, indexes and functions; the release before this one reads and writes as it did."""
    run("SET ROLE koppelpunt_owner")
    run(read("0027_lezingen.sql"))
    run("RESET ROLE")
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0027_held_calls.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")


def downgrade() -> None:
    """Refuse: readings would leave the tree unseen."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
