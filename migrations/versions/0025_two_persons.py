"""Two persons for what weakens a register, and no destruction beyond the archive that was confirmed."""

from migrations.sql import read, run

revision = "0025"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what holds a tenant's row and its stops: as the owner what names persons, as the vernietiger what looks at the register."""
    run("SET ROLE koppelpunt_owner")
    run(read("0025_owner.sql"))
    run("RESET ROLE")
    run("GRANT CREATE ON SCHEMA register TO koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_vernietiger")
    run(read("0025_vernietiger.sql"))
    run("RESET ROLE")
    run("REVOKE CREATE ON SCHEMA register FROM koppelpunt_vernietiger")
    run("SET ROLE koppelpunt_owner")
    run(
        "CREATE TRIGGER hold_tenant BEFORE UPDATE ON registry.tenant FOR EACH ROW EXECUTE FUNCTION register.hold_tenant()"
    )
    run("RESET ROLE")


def downgrade() -> None:
    """Refuse: what two persons decided would be one person's again."""
    raise RuntimeError("This migration has no downgrade: restore a backup instead.")
