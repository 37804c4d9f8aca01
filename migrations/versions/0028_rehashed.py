"""What a row hashes to is made again from what it says: by the sealer, and before a row is destroyed."""

from migrations.sql import read, run

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add functions, and let a destruction look at what it proves; the release before this one calls it as it did."""
    run("SET ROLE koppelpunt_owner")
    run(read("0028_owner.sql"))
    run("RESET ROLE")
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0028_hashes.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")


def downgrade() -> None:
    """Refuse: an altered row would be destroyed with a proof again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
