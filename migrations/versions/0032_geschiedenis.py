"""A history that holds nobody's data, and one of what the operator does."""

from migrations.sql import read, run

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace a trigger's function and add tables. What stands in the history stays as it is: it is sealed."""
    run("SET ROLE koppelpunt_owner")
    run(read("0032_geschiedenis.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: the operator's history would be lost."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
