"""Who administers: persons by tokens, scoped keys, voorstellen, and mandates to administer for a tenant."""

from migrations.sql import read, run

revision = "0011"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry, as its owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0011_beheerders.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who proposed and who accepted is part of what the registry says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
