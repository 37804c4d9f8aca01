"""What a machtiging demands of a call, what the register may leave out of it, and how often it may be used."""

from migrations.sql import read, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry as its owner; the function that counts is the writing role's, which reads machtigingen."""
    run("SET ROLE koppelpunt_owner")
    run(read("0007_doelbinding.sql"))
    run("GRANT CREATE ON SCHEMA registry TO koppelpunt_writer")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_writer")
    run(read("0007_take_quota.sql"))
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run("REVOKE CREATE ON SCHEMA registry FROM koppelpunt_writer")
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: who asked and who granted that a register keeps less is part of what the register says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
