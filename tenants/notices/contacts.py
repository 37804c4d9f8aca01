"""A tenant's contacts, and what was told them. In the tenant's scope, for the role `koppelpunt_tenants`. Raises NotFound.

A webhook has a secret of its own, which is shown once: a new address, or a new secret asked for, is the next generation.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.listings import Listing
from tenants.notices.signing import NoticeKeys, webhook_secret

CONTACTEN: Final = Listing(
    "contact", "contact_id",
    "contact_id, kind, name, email, phone, webhook_url, webhook_key, webhook_generation, state, version",
    frozenset({"name", "email", "phone", "webhook_url", "webhook_key", "webhook_generation"}),
)  # fmt: skip
_UNSIGNED: Final = "Webhooks zijn bij dit koppelpunt niet ingericht: de operator heeft er geen sleutel voor."
_MELDING: Final = "SELECT melding_id, kind, object, threshold, subject, words, due_at, raised_at FROM registry.melding WHERE tenant_id = $1"


async def add_contact(
    connection: asyncpg.Connection, tenant_id: int, keys: NoticeKeys | None, kind: str, values: Mapping[str, str | None]
) -> tuple[int, str | None]:
    """Let a contact be told from now on; its number, and the secret of its webhook. Raises InputRefused without keys."""
    url = values.get("webhook_url")
    key = None if url is None else _current(keys)
    number: int = await connection.fetchval(
        "INSERT INTO registry.contact (tenant_id, kind, name, email, phone, webhook_url, webhook_key, webhook_generation) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING contact_id",
        tenant_id, kind, values["name"], values.get("email"), values.get("phone"), url, key, int(url is not None),
    )  # fmt: skip
    return number, _secret(keys, key, tenant_id, number, 1)


async def renew_webhook(
    connection: asyncpg.Connection, tenant_id: int, keys: NoticeKeys | None, contact_id: int, url: str | None = None
) -> str | None:
    """Give a contact's webhook the next secret, and another address if there is one. Raises InputRefused without a webhook."""
    key = _current(keys)
    generation: int | None = await connection.fetchval(
        "UPDATE registry.contact SET webhook_url = COALESCE($3, webhook_url), webhook_key = $4, webhook_generation = webhook_generation + 1 "
        "WHERE tenant_id = $1 AND contact_id = $2 AND state = 'active' AND ($3::text IS NOT NULL OR webhook_url IS NOT NULL) "
        "RETURNING webhook_generation",
        tenant_id, contact_id, url, key,
    )  # fmt: skip
    if generation is None:
        raise InputRefused(["Dit contact heeft geen webhook, of is beëindigd."])
    return _secret(keys, key, tenant_id, contact_id, generation)


async def end_contact(connection: asyncpg.Connection, tenant_id: int, contact_id: int) -> None:
    """Tell a contact nothing more; what was to go there lapses. Raises NotFound when it ended before."""
    status = await connection.execute(
        "UPDATE registry.contact SET state = 'ended' WHERE tenant_id = $1 AND contact_id = $2 AND state = 'active'",
        tenant_id, contact_id,
    )  # fmt: skip
    if status != "UPDATE 1":
        raise NotFound(f"There is no active contact {contact_id}.")


async def list_meldingen(
    connection: asyncpg.Connection, tenant_id: int, *, kind: str | None, before: int | None, limit: int
) -> Sequence[asyncpg.Record]:
    """Newest first."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        f"{_MELDING} AND ($2::text IS NULL OR kind = $2) AND ($3::bigint IS NULL OR melding_id < $3) "
        "ORDER BY melding_id DESC LIMIT $4",
        tenant_id, kind, before, limit,
    )  # fmt: skip
    return rows


async def find_melding(connection: asyncpg.Connection, tenant_id: int, number: int) -> asyncpg.Record:
    """One of them. Raises NotFound."""
    row = await connection.fetchrow(f"{_MELDING} AND melding_id = $2", tenant_id, number)
    if row is None:
        raise NotFound(f"There is no melding {number} here.")
    return row


async def list_deliveries(
    connection: asyncpg.Connection, tenant_id: int, meldingen: Sequence[int]
) -> Sequence[asyncpg.Record]:
    """How these meldingen were delivered, and to whom."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "SELECT melding_id, contact_id, way, state, attempts, ended_at, last_error FROM registry.bezorging "
        "WHERE tenant_id = $1 AND melding_id = ANY ($2::bigint[]) ORDER BY melding_id, bezorging_id",
        tenant_id, list(meldingen),
    )  # fmt: skip
    return rows


def _current(keys: NoticeKeys | None) -> str:
    if keys is None:
        raise InputRefused([_UNSIGNED])
    return keys.current


def _secret(keys: NoticeKeys | None, key: str | None, tenant_id: int, contact_id: int, generation: int) -> str | None:
    if keys is None or key is None:
        return None
    return webhook_secret(keys, key, tenant_id, contact_id, generation)
