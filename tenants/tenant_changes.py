"""Changes a tenant itself: its name and state, and how its register is kept. In the tenant's scope."""

import asyncpg

from tenants.versions import hold_version


async def change_tenant(
    connection: asyncpg.Connection,
    tenant_id: int,
    version: int | None,
    *,
    name: str | None = None,
    state: str | None = None,
    record_content: str | None = None,
    retention_years: int | None = None,
) -> None:
    """Change what is not None. An ended tenant's calls stop at once. Raises NotFound, Changed."""
    await hold_version(connection, "tenant", tenant_id, tenant_id, version)
    await connection.execute(
        "UPDATE registry.tenant SET name = COALESCE($2, name), state = COALESCE($3, state), "
        "  record_content = COALESCE($4, record_content), retention_years = COALESCE($5, retention_years) "
        "WHERE tenant_id = $1",
        tenant_id, name, state, record_content, retention_years,
    )  # fmt: skip
