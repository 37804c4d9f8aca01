"""What a tenant calls its doelbindingen in letters to citizens. For the role `koppelpunt_tenants`, in the tenant's scope."""

import asyncpg


async def describe_doelbinding(connection: asyncpg.Connection, tenant_id: int, doelbinding: str, words: str) -> None:
    """Give a doelbinding its words, or other ones. How machtigingen name it stays as it is."""
    await connection.execute(
        "INSERT INTO registry.doelbinding AS d (tenant_id, doelbinding, words) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, doelbinding) DO UPDATE SET words = excluded.words WHERE d.words <> excluded.words",
        tenant_id, doelbinding, words,
    )  # fmt: skip


async def list_doelbindingen(connection: asyncpg.Connection, tenant_id: int) -> dict[str, str | None]:
    """Every doelbinding that the tenant's machtigingen name or that has words, with its words or None."""
    rows = await connection.fetch(
        "SELECT COALESCE(d.doelbinding, m.doelbinding) AS doelbinding, d.words "
        "FROM (SELECT DISTINCT doelbinding::text AS doelbinding FROM registry.machtiging WHERE tenant_id = $1) m "
        "FULL JOIN (SELECT doelbinding::text AS doelbinding, words FROM registry.doelbinding WHERE tenant_id = $1) d "
        "  ON d.doelbinding = m.doelbinding ORDER BY 1",
        tenant_id,
    )
    return {row["doelbinding"]: row["words"] for row in rows}
