"""The kept lists of the authorities that somebody holds in hand, each verified with the very certificate of its CA."""

from collections.abc import Iterable
from datetime import datetime

import asyncpg
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from tenants.revocation.lists import ListRefused, RevocationList, issuer_digest, read_list
from tenants.revocation.rows import list_lists


async def verified_lists(
    connection: asyncpg.Connection, authorities: Iterable[x509.Certificate], now: datetime
) -> dict[bytes, list[RevocationList]]:
    """Lists by issuer. What cannot be believed is left out, as if it were not there."""
    by_digest: dict[bytes, x509.Certificate] = {}
    for one in authorities:
        try:
            by_digest[issuer_digest(one)] = one
        except (ValueError, UnsupportedAlgorithm):
            continue
    found: dict[bytes, list[RevocationList]] = {}
    for issuer, der in await list_lists(connection, list(by_digest)):
        try:
            found.setdefault(issuer, []).append(read_list(der, by_digest[issuer], now))
        except ListRefused:
            continue
    return found
