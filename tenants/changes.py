"""Changes to what the registry holds: states and rotations. Scope, role and errors as in `tenants.registry`.

A change raises the row's version by trigger, so that a gateway whose snapshot is older gets *gewijzigd* and looks again.
"""

import asyncpg

from tenants.faults import NotFound
from tenants.pattern_rows import check_patterns


async def set_tenant_state(connection: asyncpg.Connection, tenant_id: int, state: str) -> None:
    """The state is active or ended. An ended tenant's calls stop at once. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.tenant SET state = $2 WHERE tenant_id = $1 RETURNING tenant_id", tenant_id, state
    )
    _found(found, "tenant", tenant_id)


async def set_aansluiting_state(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, state: str
) -> None:
    """The state is concept, proef, productie, geblokkeerd or beeindigd (which is for ever). Raises NotFound.

    To put it to use it must be as its aansluitpatroon wants it: raises InputRefused with everything that is not.
    """
    found = await connection.fetchval(
        "UPDATE registry.aansluiting SET state = $3 "
        "WHERE tenant_id = $1 AND aansluiting_id = $2 AND (state <> 'beeindigd' OR $3 = 'beeindigd') "
        "RETURNING aansluiting_id",
        tenant_id, aansluiting_id, state,
    )  # fmt: skip
    _found(found, "aansluiting", aansluiting_id)
    if state in {"proef", "productie"}:
        await check_patterns(connection, tenant_id, [aansluiting_id])


async def set_certificate_state(
    connection: asyncpg.Connection, tenant_id: int, certificate_id: int, state: str
) -> None:
    """The state is staged, active, retiring, retired or revoked. A retired or revoked one never comes back. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.certificate SET state = $3 "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND (state NOT IN ('retired', 'revoked') OR state = $3) "
        "RETURNING certificate_id",
        tenant_id, certificate_id, state,
    )  # fmt: skip
    _found(found, "certificate", certificate_id)


async def set_credential_state(connection: asyncpg.Connection, tenant_id: int, credential_id: int, state: str) -> None:
    """The state is staged, active, retiring or retired (which is for ever). Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.credential SET state = $3 "
        "WHERE tenant_id = $1 AND credential_id = $2 AND (state <> 'retired' OR state = $3) RETURNING credential_id",
        tenant_id, credential_id, state,
    )  # fmt: skip
    _found(found, "credential", credential_id)


async def rotate_certificate(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, certificate_id: int
) -> None:
    """Let an aansluiting use another certificate of its organisation from the next call on. Raises NotFound.

    The new one becomes active. The old one becomes retiring when no other aansluiting uses it, which lets calls end
    that were opened with it.
    """
    found = await connection.fetchval(
        "UPDATE registry.certificate SET state = 'active' "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND state IN ('staged', 'active', 'retiring') "
        "RETURNING certificate_id",
        tenant_id, certificate_id,
    )  # fmt: skip
    _found(found, "certificate", certificate_id)
    old = await connection.fetchval(
        "WITH old AS (SELECT certificate_id FROM registry.aansluiting "
        "  WHERE tenant_id = $1 AND aansluiting_id = $2 AND state <> 'beeindigd' FOR UPDATE) "
        "UPDATE registry.aansluiting a SET certificate_id = $3 FROM old "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2 RETURNING COALESCE(old.certificate_id, $3)",
        tenant_id, aansluiting_id, certificate_id,
    )  # fmt: skip
    _found(old, "aansluiting", aansluiting_id)
    await connection.execute(
        "UPDATE registry.certificate c SET state = 'retiring' "
        "WHERE c.tenant_id = $1 AND c.certificate_id = $2 AND c.certificate_id <> $3 AND c.state = 'active' "
        "  AND NOT EXISTS (SELECT 1 FROM registry.aansluiting a WHERE a.tenant_id = c.tenant_id "
        "    AND a.certificate_id = c.certificate_id AND a.state <> 'beeindigd')",
        tenant_id, old, certificate_id,
    )  # fmt: skip


async def rotate_credential(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, credential_id: int
) -> None:
    """Let an aansluiting use another credential of its afnemer and environment. As `rotate_certificate`."""
    found = await connection.fetchval(
        "UPDATE registry.credential SET state = 'active' "
        "WHERE tenant_id = $1 AND credential_id = $2 AND state IN ('staged', 'active', 'retiring') "
        "RETURNING credential_id",
        tenant_id, credential_id,
    )  # fmt: skip
    _found(found, "credential", credential_id)
    old = await connection.fetchval(
        "WITH old AS (SELECT credential_id FROM registry.aansluiting "
        "  WHERE tenant_id = $1 AND aansluiting_id = $2 AND state <> 'beeindigd' FOR UPDATE) "
        "UPDATE registry.aansluiting a SET credential_id = $3 FROM old "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2 RETURNING COALESCE(old.credential_id, $3)",
        tenant_id, aansluiting_id, credential_id,
    )  # fmt: skip
    _found(old, "aansluiting", aansluiting_id)
    await connection.execute(
        "UPDATE registry.credential c SET state = 'retiring' "
        "WHERE c.tenant_id = $1 AND c.credential_id = $2 AND c.credential_id <> $3 AND c.state = 'active' "
        "  AND NOT EXISTS (SELECT 1 FROM registry.aansluiting a WHERE a.tenant_id = c.tenant_id "
        "    AND a.credential_id = c.credential_id AND a.state <> 'beeindigd')",
        tenant_id, old, credential_id,
    )  # fmt: skip


def _found(number: int | None, noun: str, asked: int) -> None:
    if number is None:
        raise NotFound(f"There is no {noun} {asked} here that this can be done to.")
