"""How far the sealer's round over rows of long ago is, and what it asks."""

from migrations.sql import read, run

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and functions. The release before this one knows nothing of them."""
    run("SET ROLE koppelpunt_owner")
    run(read("0039_patrol.sql"))
    run("RESET ROLE")
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0039_proofs.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")


def downgrade() -> None:
    """Refuse: a backup is restored instead."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
