"""The whole life of a certificate: requests, dates of its states, roll-back, revocation, destruction of its key."""

from migrations.sql import read, run

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry, as its owner."""
    run("SET ROLE koppelpunt_owner")
    run(read("0012_certificates.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: which key was destroyed when, and what was revoked, is not forgotten."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
