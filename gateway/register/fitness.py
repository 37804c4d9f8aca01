"""Whether a server, and a user on it, may be trusted with the register: asked at the start of a session and again.

Owns the reasons, each with a code of its own that the log and /ready show. Refuses (RegisterUnavailable) whatever would
make a permission or a record worth less than it says:

- a standby, a server that takes no writes, and one that a fail-over has left behind;
- one that loses what it has confirmed. `durability` says what must survive: with `standby` the loss of a whole server
  (some synchronous standby has flushed each commit), with `disk` a power cut (fsync), with `none` nothing;
- a user that is more than the gateway.

That a standby is *named* is a setting; that one is *there* needs no right over other sessions to see, because the
session's first commit has waited for it. While commits of this user hang on a standby that is gone, no new ones are begun:
each would leave another session that hangs, until PostgreSQL has none left.
"""

from collections.abc import Mapping
from typing import Any, Literal

import asyncpg

from gateway.errors import RegisterUnavailable
from gateway.servers import Timelines, timeline_of

Durability = Literal["standby", "disk", "none"]
NOT_HERE = frozenset({"registerNietDeHoofdserver", "registerAchtergelaten"})
"""Codes that say: ask another server."""
PASSING = frozenset({*NOT_HERE, "registerWachtOpReplica"})
"""Codes of what passes without anybody changing a setting."""

_ROLES = [
    f"koppelpunt_{role}"
    for role in ("owner", "writer", "gateway", "tenants", "inzage", "sealer", "keys", "vernietiger")
]
_FACTS = (
    "SELECT pg_is_in_recovery() AS recovering, current_setting('transaction_read_only') AS read_only,"
    " current_setting('transaction_isolation') AS isolation, current_setting('synchronous_commit') AS synchronous,"
    " btrim(current_setting('synchronous_standby_names')) AS standbys, current_setting('fsync') AS fsync"
)
_HANGING = (
    "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND wait_event = 'SyncRep'"
    " AND clock_timestamp() - query_start > interval '1 second'"
)


async def check_server(connection: asyncpg.Connection, durability: Durability, timelines: Timelines) -> None:
    """Check a server before a session is begun on it. Raises RegisterUnavailable, or what asyncpg raises."""
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
    )
    await check_again(connection, durability)
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    _demand(
        {
            "registerTeOud": version >= 160_000,
            # Behind a pooler the number of a writer would not be one session's.
            "registerAchterPooler": backend == connection.get_server_pid(),
            "registerAchtergelaten": timelines.admit(await timeline_of(connection), connection),
        }
    )


async def check_commits(connection: asyncpg.Connection) -> None:
    """Check that commits of this user do not hang on a standby. Raises RegisterUnavailable, or what asyncpg raises."""
    _demand({"registerWachtOpReplica": not await connection.fetchval(_HANGING)})


async def check_again(connection: asyncpg.Connection, durability: Durability) -> None:
    """Check what can change under a session. Raises RegisterUnavailable, or what asyncpg raises."""
    facts = await connection.fetchrow(_FACTS)
    _demand(
        {
            "registerNietDeHoofdserver": not facts["recovering"] and facts["read_only"] == "off",
            "registerVerkeerdeIsolatie": facts["isolation"] == "read committed",
            "registerNietDuurzaam": facts["synchronous"] in {"on", "remote_apply"}
            and (facts["fsync"] == "on" or durability == "none"),
            "registerZonderReplica": bool(facts["standbys"]) or durability != "standby",
        }
    )


async def check_user(connection: asyncpg.Connection) -> None:
    """Check that the user is the gateway and no more. Raises RegisterUnavailable, or what asyncpg raises."""
    user: Mapping[str, Any] = await connection.fetchrow(
        "SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, session_user = current_user AS itself,"
        " (SELECT array_agg(g.rolname::text) FROM pg_roles g WHERE g.rolname = ANY ($1)"
        "   AND pg_has_role(r.oid, g.oid, 'MEMBER')) AS roles"
        " FROM pg_roles r WHERE r.rolname = current_user",
        _ROLES,
    )
    more = user["rolsuper"] or user["rolbypassrls"] or user["rolcreaterole"]
    _demand({"registerVerkeerdeRol": user["itself"] and not more and user["roles"] == ["koppelpunt_gateway"]})


def _demand(demands: Mapping[str, bool]) -> None:
    for code, holds in demands.items():
        if not holds:
            raise RegisterUnavailable(
                code, "Het register of de databasegebruiker van de gateway is niet goed ingericht."
            )
