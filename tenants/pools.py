"""Connections to PostgreSQL for a process of the admin side: of one role, and of no other.

Refuses a user that row-level security does not bind (superuser, BYPASSRLS), or that is in more roles than its own: the
isolation of tenants leans on it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import asyncpg
import structlog

from tenants.durable import DURABLE

Role = Literal["tenants", "inzage"]
_ROLES = [
    f"koppelpunt_{role}"
    for role in ("owner", "writer", "gateway", "tenants", "inzage", "sealer", "keys", "vernietiger")
]
log = structlog.get_logger("koppelpunt.pools")


class WrongRole(Exception):
    """The database user is more, or other, than the role that is needed. The operator must act."""


@asynccontextmanager
async def pool_of(url: str, role: Role, *, size: int) -> AsyncIterator[asyncpg.Pool]:
    """Connections of one role, made when needed. Plans are made for each search: which partitions it needs differs."""
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=5,
        command_timeout=30,
        init=partial(must_have_role, role=f"koppelpunt_{role}"),
        server_settings={
            **DURABLE,
            "application_name": f"koppelpunt-{role}",
            "plan_cache_mode": "force_custom_plan",
            "timezone": "UTC",
        },
    )
    async with pool:
        yield pool


async def must_have_role(connection: asyncpg.Connection, *, role: str) -> None:
    """Refuse a user that row-level security does not bind, or that is more than its role. Raises WrongRole."""
    bound = await connection.fetchval(
        "SELECT NOT r.rolsuper AND NOT r.rolbypassrls AND ARRAY(SELECT x.rolname::text FROM pg_roles x "
        "  WHERE x.rolname = ANY($1) AND pg_has_role(r.oid, x.oid, 'MEMBER')) = ARRAY[$2::text] "
        "FROM pg_roles r WHERE r.rolname = session_user",
        _ROLES, role,
    )  # fmt: skip
    if not bound:
        log.error("wrong_role", needed=role)
        raise WrongRole(f"The database user must be a member of {role} and of no other role of the product.")
