"""Holds a row of the registry to the version that somebody saw, until the transaction ends.

Two who saw the same version and change at once: the second waits for the first, and then finds another version.
"""

from typing import Final, Literal

import asyncpg

from tenants.faults import Changed, NotFound

Versioned = Literal[
    "tenant", "afnemer", "aansluiting", "taaksysteem", "taaksysteem_key", "idp", "machtiging", "mandate",
    "mandate_request", "header_profile", "agreement", "certificate", "certificate_exception", "certificate_lending",
    "credential", "autorisatiebesluit", "checkpoint_destination", "doelbinding", "beheer_idp", "beheerder", "admin_key",
    "beheermandaat", "voorstel", "contact", "logboek_destination",
    "rate_limit",
]  # fmt: skip
_KEYS: Final[dict[str, str]] = {
    "tenant": "tenant_id",
    "afnemer": "afnemer_id",
    "aansluiting": "aansluiting_id",
    "taaksysteem": "taaksysteem_id",
    "taaksysteem_key": "key_id",
    "idp": "idp_id",
    "machtiging": "machtiging_id",
    "mandate": "mandate_id",
    "mandate_request": "request_id",
    "header_profile": "name",
    "agreement": "agreement_id",
    "certificate": "certificate_id",
    "certificate_exception": "exception_id",
    "certificate_lending": "lending_id",
    "credential": "credential_id",
    "autorisatiebesluit": "besluit_id",
    "checkpoint_destination": "destination_id",
    "logboek_destination": "destination_id",
    "doelbinding": "doelbinding",
    "beheer_idp": "beheer_idp_id",
    "beheerder": "beheerder_id",
    "admin_key": "key_id",
    "beheermandaat": "mandaat_id",
    "voorstel": "voorstel_id",
    "contact": "contact_id",
    "rate_limit": "rate_limit_id",
}


async def hold_version(
    connection: asyncpg.Connection, table: Versioned, tenant_id: int | None, key: int | str, version: int | None
) -> int:
    """Lock the row until the transaction ends, and return its version. Raises NotFound, and Changed for another version.

    `version` None holds whatever stands there: for what is safe whatever somebody else did. `tenant_id` None is the
    operator, where the table has rows of its own.
    """
    found: int | None = await connection.fetchval(
        # Both names are of the table above.
        f"SELECT version FROM registry.{table} WHERE (tenant_id = $1 OR ($1::bigint IS NULL AND tenant_id IS NULL)) "  # noqa: S608
        f"AND {_KEYS[table]} = $2 FOR UPDATE",
        tenant_id, key,
    )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no {table} {key} here.")
    if version is not None and found != version:
        raise Changed(f"The {table} {key} was changed meanwhile.")
    return found
