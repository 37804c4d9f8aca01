"""Where a tenant's log goes, in the registry. In the tenant's scope, as its beheerder.

The key of the pseudonyms is made here with the destination, for it alone, and is gone with it. Key and secret are sealed to
the register keyring: the process that exports opens them, and no role of the database does. Raises NotFound, InputRefused.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tenants.faults import NotFound
from tenants.keyring import Keyring
from tenants.sealing import seal

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DestinationSeen:
    """A destination and how far it is: spans that were taken, rows that were gone before they could be sent, failures since."""

    destination_id: int
    url: str
    header: str
    has_secret: bool
    from_start: bool
    state: str
    version: int
    spans: int
    gone: int
    sent_at: datetime | None
    attempts: int
    last_error: str | None


def seal_secret(register: Keyring, tenant_id: int, secret: str | None) -> bytes | None:
    """What the collector knows this tenant by, sealed; None for none."""
    return None if secret is None else seal(register, secret.encode(), purpose="logboek-secret", context=str(tenant_id))


async def create_destination(
    connection: asyncpg.Connection,
    tenant_id: int,
    register: Keyring,
    *,
    url: str,
    header: str = "authorization",
    secret: str | None = None,
    from_start: bool = False,
) -> int:
    """Let the log go there: from now on, or with all that is in the register. Returns its number."""
    key = seal(register, secrets.token_bytes(_KEY_BYTES), purpose="logboek-key", context=str(tenant_id))
    made: int = await connection.fetchval(
        "INSERT INTO registry.logboek_destination (tenant_id, url, header, secret_sealed, key_sealed, from_start) "
        "VALUES ($1, $2, $3, $4, $5, $6) RETURNING destination_id",
        tenant_id, url, header, seal_secret(register, tenant_id, secret), key, from_start,
    )  # fmt: skip
    return made


async def end_destination(connection: asyncpg.Connection, tenant_id: int, destination_id: int) -> None:
    """Let nothing go there any more, and destroy its key and secret. Raises NotFound."""
    status = await connection.execute(
        "UPDATE registry.logboek_destination SET state = 'ended', key_sealed = NULL, secret_sealed = NULL "
        "WHERE tenant_id = $1 AND destination_id = $2 AND state = 'active'",
        tenant_id, destination_id,
    )  # fmt: skip
    if status != "UPDATE 1":
        raise NotFound(f"There is no active destination {destination_id}.")


async def list_destinations(
    connection: asyncpg.Connection, tenant_id: int, *, after: int, limit: int
) -> list[DestinationSeen]:
    """Destinations by number, ended ones too."""
    rows: list[Any] = await connection.fetch(
        "SELECT d.destination_id, d.url, d.header, d.has_secret, d.from_start, d.state, d.version, v.spans, v.gone, v.sent_at, "
        "  v.attempts, v.last_error FROM registry.logboek_destination d JOIN register.logboek_delivery v "
        "  ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
        "WHERE d.tenant_id = $1 AND d.destination_id > $2 ORDER BY d.destination_id LIMIT $3",
        tenant_id, after, limit,
    )  # fmt: skip
    return [DestinationSeen(**row) for row in rows]


async def find_destination(connection: asyncpg.Connection, tenant_id: int, destination_id: int) -> DestinationSeen:
    """One destination. Raises NotFound."""
    found = await list_destinations(connection, tenant_id, after=destination_id - 1, limit=1)
    if not found or found[0].destination_id != destination_id:
        raise NotFound(f"There is no destination {destination_id} here.")
    return found[0]
