"""What a transaction changed, as the history says it, in words for who reads a diff."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "afnemer": ("afnemer_id",),
    "agreement": ("kind", "party"),
    "aansluiting": ("afnemer_id", "environment", "pattern"),
    "autorisatiebesluit": ("afnemer_id", "start_date"),
    "certificate": ("oin", "fingerprint"),
    "certificate_exception": ("afnemer_id", "holder_oin"),
    "certificate_lending": ("to_tenant_id",),
    "checkpoint_destination": ("kind", "target"),
    "credential": ("environment", "client_id"),
    "doelbinding": ("doelbinding",),
    "machtiging": ("aansluiting_id", "taaksysteem_id", "doelbinding"),
    "mandate": ("to_tenant_id",),
    "taaksysteem": ("environment", "name"),
    "taaksysteem_key": ("taaksysteem_id", "kind", "client_id"),
}
_LEFT_OUT: Final = frozenset({"version", "tenant_id"})
_NO_DIFFERENCE: Final = frozenset({"voorstel", "tenant_key"})


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was made, changed or taken away: what it was and what it is, {} for none. Secrets are in neither."""

    tenant_oin: str
    action: str
    object: str
    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """What differs, by its name."""
        before, after = self.before, self.after
        return {
            one: (before.get(one), after.get(one))
            for one in sorted(before.keys() | after.keys())
            if one not in _LEFT_OUT and before.get(one) != after.get(one)
        }


async def read_changes(connection: asyncpg.Connection, oin: str, tenant_id: int) -> list[Change]:
    """What this transaction changed of a tenant until now, in order. In the tenant's scope."""
    rows = await connection.fetch(
        "SELECT action, object, before, after FROM registry.wijziging "
        "WHERE tx = pg_current_xact_id() AND tenant_id = $1 AND NOT object = ANY ($2) ORDER BY number",
        tenant_id, list(_NO_DIFFERENCE),
    )  # fmt: skip
    return [_change(oin, row) for row in rows]


def _change(oin: str, row: Mapping[str, Any]) -> Change:
    before = {} if row["before"] is None else orjson.loads(row["before"])
    after = {} if row["after"] is None else orjson.loads(row["after"])
    shown = after or before
    names = _NAMES.get(row["object"], ("name",))
    name = " ".join(str(shown[one]).removeprefix("\\x")[:60] for one in names if shown.get(one) is not None)
    return Change(oin, row["action"], row["object"], name or oin, before, after)
