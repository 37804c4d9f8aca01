"""Credentials at RvIG, their whole life: brought in, tried, activated, overlapping, rolled back, retired.

A secret comes in once and never goes out. A new one is tried before it is put to use: a token is asked with it over the
aansluiting's own identity, by a verbindingstest. The old one stays beside it (*retiring*) until it is retired, so that
calls end that were opened with it and one step leads back. For the role `koppelpunt_tenants`, in the tenant's scope.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tenants.changes import rotate_credential, set_credential_state
from tenants.faults import InputRefused, NotFound
from tenants.verbindingstesten import TRY_HOURS, was_tried

_UNTRIED = (
    f"Met deze credential is over deze aansluiting de laatste {TRY_HOURS} uur geen poging geslaagd. Probeer haar eerst "
    "(POST /v1/credentials/{nummer}/pogingen), of zeg waarom dat niet kan."
)


@dataclass(frozen=True, slots=True)
class CredentialSeen:
    """A credential without its secret. `aansluitingen` use it now; `tried_at` is when it last got a token.

    `secret_valid_until` is when RvIG said that the secret ends, if it did: nothing stops for it here, but it is told.
    """

    credential_id: int
    afnemer_id: str
    environment: str
    account: str
    client_id: str
    authentication: str
    state: str
    version: int
    aansluitingen: tuple[int, ...]
    tried_at: datetime | None
    secret_valid_until: datetime | None


_CREDENTIAL = (
    "SELECT r.credential_id, r.afnemer_id, r.environment, r.account, r.client_id, r.authentication, r.state, r.version, r.secret_valid_until, "
    "  ARRAY(SELECT a.aansluiting_id FROM registry.aansluiting a WHERE a.tenant_id = r.tenant_id "
    "    AND a.credential_id = r.credential_id AND a.state <> 'beeindigd' ORDER BY 1) AS aansluitingen, "
    "  (SELECT max(t.ended_at) FROM registry.verbindingstest t WHERE t.tenant_id = r.tenant_id "
    "    AND t.credential_id = r.credential_id AND t.state = 'geslaagd' AND t.secret_digest = sha256(r.secret_sealed)) AS tried_at "
    "FROM registry.credential r WHERE r.tenant_id = $1"
)


async def list_credentials(
    connection: asyncpg.Connection, tenant_id: int, *, after: int, limit: int
) -> list[CredentialSeen]:
    rows = await connection.fetch(
        f"{_CREDENTIAL} AND r.credential_id > $2 ORDER BY r.credential_id LIMIT $3", tenant_id, after, limit
    )
    return [_seen(row) for row in rows]


async def find_credential(connection: asyncpg.Connection, tenant_id: int, credential_id: int) -> CredentialSeen:
    """One credential. Raises NotFound."""
    row = await connection.fetchrow(f"{_CREDENTIAL} AND r.credential_id = $2", tenant_id, credential_id)
    if row is None:
        raise NotFound(f"There is no credential {credential_id} here.")
    return _seen(row)


async def activate(
    connection: asyncpg.Connection, tenant_id: int, credential_id: int, aansluiting_id: int, *, untried: str | None
) -> None:
    """Let an aansluiting use this credential from the next call on; the old one stays beside it.

    Raises InputRefused unless a test with it over this aansluiting succeeded in the last 24 hours, or `untried` says why
    that cannot be waited for, which the history keeps; NotFound.
    """
    if not await was_tried(connection, tenant_id, credential_id, aansluiting_id):
        if untried is None:
            raise InputRefused([_UNTRIED])
        await connection.execute(
            "UPDATE registry.credential SET untried_reason = $3 WHERE tenant_id = $1 AND credential_id = $2",
            tenant_id, credential_id, untried,
        )  # fmt: skip
    await rotate_credential(connection, tenant_id, aansluiting_id, credential_id)


async def roll_back(connection: asyncpg.Connection, tenant_id: int, credential_id: int, aansluiting_id: int) -> int:
    """Give an aansluiting back the credential that it had before this one; its number.

    Raises NotFound when the aansluiting does not use this one, or had none before it that still stands.
    """
    before: int | None = await connection.fetchval(
        "SELECT r.credential_id FROM registry.wijziging w "
        "JOIN registry.credential r ON r.tenant_id = w.tenant_id AND r.credential_id = (w.before ->> 'credential_id')::bigint "
        "JOIN registry.aansluiting a ON a.tenant_id = w.tenant_id AND a.aansluiting_id = $2 AND a.credential_id = $3 "
        "WHERE w.tenant_id = $1 AND w.object = 'aansluiting' AND (w.after ->> 'aansluiting_id')::bigint = $2 "
        "  AND (w.after ->> 'credential_id')::bigint = $3 AND w.before ->> 'credential_id' <> w.after ->> 'credential_id' "
        "  AND r.state IN ('active', 'retiring') ORDER BY w.number DESC LIMIT 1",
        tenant_id, aansluiting_id, credential_id,
    )  # fmt: skip
    if before is None:
        raise NotFound(f"Aansluiting {aansluiting_id} had no credential before {credential_id} that still stands.")
    await rotate_credential(connection, tenant_id, aansluiting_id, before)
    return before


async def set_secret_end(
    connection: asyncpg.Connection, tenant_id: int, credential_id: int, until: datetime | None
) -> None:
    """Record when RvIG said that the secret ends, so that it is told in time. Raises NotFound."""
    status = await connection.execute(
        "UPDATE registry.credential SET secret_valid_until = $3 "
        "WHERE tenant_id = $1 AND credential_id = $2 AND state <> 'retired'",
        tenant_id, credential_id, until,
    )  # fmt: skip
    if status != "UPDATE 1":
        raise NotFound(f"There is no credential {credential_id} here that still stands.")


async def retire(connection: asyncpg.Connection, tenant_id: int, credential_id: int) -> None:
    """End a credential for ever. Raises InputRefused while an aansluiting uses it, NotFound."""
    seen = await find_credential(connection, tenant_id, credential_id)
    if seen.aansluitingen:
        used = ", ".join(str(one) for one in seen.aansluitingen)
        raise InputRefused([f"De credential is nog in gebruik bij aansluiting {used}; activeer daar eerst een andere."])
    await set_credential_state(connection, tenant_id, credential_id, "retired")


def _seen(row: asyncpg.Record) -> CredentialSeen:
    return CredentialSeen(**{**row, "aansluitingen": tuple(row["aansluitingen"])})
