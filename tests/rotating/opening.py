"""Everything that is sealed in a database, opened with what a keyring holds."""

from collections import Counter

import asyncpg

from tenants.keyring import Keyring
from tenants.sealing import open_sealed, version_of

_ALL = "SELECT name, keyring, tenant_id, number, purpose, context, sealed FROM registry.sealed_value ORDER BY 1, 3, 4"


async def open_all(admin: asyncpg.Connection, *keyrings: Keyring) -> dict[tuple[str, int, int], bytes]:
    """What stands where, in the clear. Raises SealingError for a value that does not open."""
    rings = {one.name: one for one in keyrings}
    return {
        (row["name"], row["tenant_id"], row["number"]): open_sealed(
            rings[row["keyring"]], row["sealed"], purpose=row["purpose"], context=row["context"]
        )
        for row in await admin.fetch(_ALL)
        if row["keyring"] in rings
    }


async def versions(admin: asyncpg.Connection, keyring: str) -> Counter[int]:
    """How many values of a keyring are on which version, by what the values say themselves."""
    return Counter(version_of(row["sealed"]) for row in await admin.fetch(_ALL) if row["keyring"] == keyring)
