"""The history of the registry: append-only, with blokkades in it, written per statement; and digests of client-secrets."""

from migrations.sql import read, run

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the triggers of the tables that are written in bulk. The version before goes on working."""
    run("SET ROLE koppelpunt_owner")
    run(read("0020_geschiedenis.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: history would be writable again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
