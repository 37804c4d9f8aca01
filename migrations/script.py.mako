"""${message}."""

from migrations.sql import read, run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say here what changes and why it runs beside the code of before and after."""
    run(read("NNNN.sql"))
