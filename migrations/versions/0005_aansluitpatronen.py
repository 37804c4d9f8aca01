"""Agreements, exceptions to the certificate rule, header profiles: what makes aansluitpatronen rules."""

from migrations.sql import read, run

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the registry as its owner; replace the writing functions as theirs."""
    run("SET ROLE koppelpunt_owner")
    run(read("0005_aansluitpatronen.sql"))
    # A function is replaced by its owner, who may make nothing else there, before or after.
    run("GRANT CREATE ON SCHEMA register, proef TO koppelpunt_writer")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_writer")
    write = read("0005_write.sql.template")
    for schema, kind in (("register", "productie"), ("proef", "proef")):
        run(write.replace("{schema}", schema).replace("{kind}", kind))
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run("REVOKE CREATE ON SCHEMA register, proef FROM koppelpunt_writer")
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: which certificate served whom, and by which exception, is part of what the register says."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
