"""A tenant's own auditor answers for its faults and, with another of its own, for the end of its register."""

from migrations.sql import read, run

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add who consents; what the release before this one asks for waits for the tenant."""
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0031_vernietiger.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_owner")
    run(read("0031_fouten.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what two answer for would be one person's again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
