"""Retention: destruction with proof, stops, the end of a contract."""

from migrations.sql import read, run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the role that may destroy, the tables as their owner, and the functions as that role."""
    run(read("0015_roles.sql"))
    run("SET ROLE koppelpunt_owner")
    run(read("0015_tables.sql"))
    run("RESET ROLE")
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0015_rules.sql"))
    run(read("0015_vernietiging.sql"))
    run(read("0015_overige.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")


def downgrade() -> None:
    """Refuse: the proofs of what was destroyed are as much a record as what was not."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
