"""What a call asked is kept once per tenant, and the index of persons is of persons alone: both from `finish` on."""

from migrations.sql import read, run

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what an opening may point to, and write it where no release before this one reads."""
    run("SET ROLE koppelpunt_owner")
    run(read("0026_shapes.sql"))
    shapes = read("0026_shapes.sql.template")
    for schema in ("register", "proef"):
        run(shapes.replace("{schema}", schema))
    run(read("0026_reading.sql"))
    run("GRANT CREATE ON SCHEMA register, proef TO koppelpunt_writer")
    run("RESET ROLE")
    run("SET ROLE koppelpunt_writer")
    write = read("0026_write.sql.template")
    for schema, kind in (("register", "productie"), ("proef", "proef")):
        run(write.replace("{schema}", schema).replace("{kind}", kind))
    run("RESET ROLE")
    run("SET ROLE koppelpunt_owner")
    run("REVOKE CREATE ON SCHEMA register, proef FROM koppelpunt_writer")
    run(read("0026_nothing_ran.sql"))
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: openings that were written since say what they asked nowhere else."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
