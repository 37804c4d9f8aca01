"""Mandates that another tenant asks for: asked by one side, granted by the other. Who does it stands in the row by trigger.

For the role `koppelpunt_tenants`. Asking and taking back happen in the scope of who asks; granting and refusing in that of
the afnemer's tenant, with whom the request lies and in whose history it stands.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tenants.agreements import set_header_choice
from tenants.callers import create_mandate
from tenants.faults import InputRefused
from tenants.versions import hold_version


@dataclass(frozen=True, slots=True)
class NewRequest:
    """`header_choice`: whether a header alone may choose the other tenant. `valid_until` None asks it without an end."""

    reason: str
    header_choice: bool = False
    valid_until: datetime | None = None


async def find_tenant(connection: asyncpg.Connection, oin: str) -> int:
    """The number of the active tenant with this OIN. Raises InputRefused."""
    found: int | None = await connection.fetchval(
        "SELECT tenant_id FROM registry.tenant WHERE oin = $1 AND state = 'active'", oin
    )
    if found is None:
        raise InputRefused(["Er is geen tenant met deze OIN."])
    return found


async def ask_mandate(connection: asyncpg.Connection, asker: int, of_tenant_id: int, wanted: NewRequest) -> int:
    """Ask another tenant for a mandate; return the request's number. In the scope of who asks."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.mandate_request (tenant_id, to_tenant_id, reason, header_choice, valid_until, asked_by) "
        "VALUES ($1, $2, $3, $4, $5, current_setting('koppelpunt.actor')) RETURNING request_id",
        of_tenant_id, asker, wanted.reason, wanted.header_choice, wanted.valid_until,
    )  # fmt: skip
    return number


async def grant_mandate(connection: asyncpg.Connection, tenant_id: int, request_id: int, version: int | None) -> int:
    """Give the mandate that was asked, as it was asked; return its number. Raises NotFound, Changed."""
    await hold_version(connection, "mandate_request", tenant_id, request_id, version)
    row = await connection.fetchrow(
        "SELECT to_tenant_id, reason, header_choice, valid_until FROM registry.mandate_request "
        "WHERE tenant_id = $1 AND request_id = $2",
        tenant_id, request_id,
    )  # fmt: skip
    number = await create_mandate(
        connection, tenant_id, to_tenant_id=row["to_tenant_id"], reason=row["reason"], valid_until=row["valid_until"]
    )
    if row["header_choice"]:
        await set_header_choice(connection, tenant_id, number, allowed=True)
    # The trigger refuses a request that was decided on: then the mandate above is not made either.
    await connection.execute(
        "UPDATE registry.mandate_request SET state = 'granted', mandate_id = $3 WHERE tenant_id = $1 AND request_id = $2",
        tenant_id, request_id, number,
    )  # fmt: skip
    return number


async def refuse_mandate(connection: asyncpg.Connection, tenant_id: int, request_id: int, version: int | None) -> None:
    """Give no mandate. Raises NotFound, Changed."""
    await hold_version(connection, "mandate_request", tenant_id, request_id, version)
    await connection.execute(
        "UPDATE registry.mandate_request SET state = 'refused' WHERE tenant_id = $1 AND request_id = $2",
        tenant_id, request_id,
    )  # fmt: skip


async def withdraw_request(
    connection: asyncpg.Connection, of_tenant_id: int, request_id: int, version: int | None
) -> None:
    """Take a request back. In the scope of who asked. Raises NotFound, Changed."""
    await hold_version(connection, "mandate_request", of_tenant_id, request_id, version)
    await connection.execute(
        "UPDATE registry.mandate_request SET state = 'withdrawn' WHERE tenant_id = $1 AND request_id = $2",
        of_tenant_id, request_id,
    )  # fmt: skip
