"""The writing function begins only the steps that have rows: a single row costs half."""

from migrations.sql import read, run

revision = "0008"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the writing functions as their owner, who may make nothing else there, before or after."""
    run("SET ROLE koppelpunt_owner")
    run("GRANT CREATE ON SCHEMA register, proef TO koppelpunt_writer")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_writer")
    write = read("0008_write.sql.template")
    for schema, kind in (("register", "productie"), ("proef", "proef")):
        run(write.replace("{schema}", schema).replace("{kind}", kind))
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run("REVOKE CREATE ON SCHEMA register, proef FROM koppelpunt_writer")
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse, as the migrations before it do."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
