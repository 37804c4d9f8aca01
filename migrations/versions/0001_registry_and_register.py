"""Registry, register and the roles that may touch them."""

from migrations.sql import read, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# First half of the advisory lock of a writer's session; the writer number is the second half.
LOCK_CLASSES = {"register": 19_266, "proef": 19_267}


def upgrade() -> None:
    """Make the roles, then everything else as its owner. Forward only: a register is never taken down by a tool."""
    run(read("0001_roles.sql"))
    run("SET ROLE koppelpunt_owner")
    run(read("0001_registry.sql"))
    run(read("0001_register_types.sql"))
    register = read("0001_register.sql.template")
    for schema, kind in (("register", "productie"), ("proef", "proef")):
        filled = register.replace("{schema}", schema).replace("{kind}", kind)
        run(filled.replace("{lock_class}", str(LOCK_CLASSES[schema])))
    run(read("0001_partitions.sql"))
    run(read("0001_grants.sql"))
    run("SELECT register.ensure_partitions((now() + interval '3 months')::date)")
    run("RESET ROLE")
    run(read("0001_owners.sql"))


def downgrade() -> None:
    """Refuse: a register that must last twenty years has no way back."""
    raise RuntimeError("The first migration has no downgrade: restore a backup instead.")
