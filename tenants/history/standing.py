"""The configuration of one tenant, now or at a past moment: every row as the history keeps it, without its secrets.

What stood at a moment is, of every row, the last wijziging until then: it holds the whole row. A wijziging counts from when
its statement was done, which lies before its transaction ends: of a change that took seconds, those seconds are its own.
Works in the tenant's scope. What is no configuration (tests, proofs, records) is not in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

Row = Mapping[str, Any]
Standing = Mapping[str, tuple[Row, ...]]
"""Rows by the name of their table, in the order of their keys."""

CONFIGURATION: Final[Mapping[str, tuple[str, ...]]] = {
    "tenant": ("tenant_id",),
    "tenant_key": ("year",),
    "afnemer": ("afnemer_id",),
    "autorisatiebesluit": ("besluit_id",),
    "agreement": ("agreement_id",),
    "certificate": ("certificate_id",),
    "certificate_lending": ("lending_id",),
    "certificate_exception": ("exception_id",),
    "credential": ("credential_id",),
    "aansluiting": ("aansluiting_id",),
    "aansluiting_stap": ("aansluiting_id", "step"),
    "idp": ("idp_id",),
    "header_profile": ("name",),
    "taaksysteem": ("taaksysteem_id",),
    "taaksysteem_key": ("key_id",),
    "mandate": ("mandate_id",),
    "mandate_request": ("request_id",),
    "machtiging": ("machtiging_id",),
    "rate_limit": ("rate_limit_id",),
    "doelbinding": ("doelbinding",),
    "checkpoint_destination": ("destination_id",),
    "logboek_destination": ("destination_id",),
    "contact": ("contact_id",),
    "admin_key": ("key_id",),
    "beheer_idp": ("beheer_idp_id",),
    "beheerder": ("beheerder_id",),
    "beheermandaat": ("mandaat_id",),
    "voorstel": ("voorstel_id",),
    "blokkade": ("kind", "value"),
}
"""Every table whose changes are history and whose rows say how the tenant is set up, and its key within the tenant."""

DIGEST: Final = "digest:"
"""What the history holds of a person begins so: a keyed digest in the place of a name, an address or a subject."""

NO_CONFIGURATION: Final = frozenset(
    {
        "environment", "verbindingstest", "rvig_stand", "vernietiging", "vernietigingsstop", "vernietigingsstop_stap",
        "contracteinde_stap", "seal_fault", "fout_antwoord",
    }
)  # fmt: skip
"""What stands in the history too: something that was done or seen."""

_AT = """
SELECT object, after FROM (
  SELECT DISTINCT ON (w.object, k.key) w.object, k.key, w.after FROM registry.wijziging w
  CROSS JOIN LATERAL (SELECT array_agg(COALESCE(w.after, w.before) -> c ORDER BY o) AS key
    FROM jsonb_array_elements_text($3::jsonb -> w.object) WITH ORDINALITY n (c, o)) k
  WHERE w.tenant_id = $1 AND w.at <= $2 AND $3::jsonb ? w.object
  ORDER BY w.object, k.key, w.number DESC) last
WHERE after IS NOT NULL ORDER BY object, key
"""


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last wijziging until a moment."""

    number: int
    at: datetime
    actor: str


async def standing_at(connection: asyncpg.Connection, tenant_id: int, moment: datetime) -> Standing:
    """The configuration as it stood at `moment`; empty before the tenant was there."""
    rows = await connection.fetch(_AT, tenant_id, moment, json.dumps(CONFIGURATION))
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["object"], []).append(json.loads(row["after"]))
    return {name: tuple(mine) for name, mine in found.items()}


async def standing_now(connection: asyncpg.Connection, tenant_id: int) -> Standing:
    """The configuration as the tables hold it now, in the very shape that the history gives.

    Persons stand there as the tables have them. Without blokkades, and without tables of which this role may not read whole
    rows, for there are secrets in them.
    """
    found: dict[str, tuple[Row, ...]] = {}
    rows = await connection.fetch(
        "SELECT t FROM unnest($1::text[]) t WHERE has_table_privilege('registry.' || t, 'SELECT')", list(CONFIGURATION)
    )
    whole = {row["t"] for row in rows} - {"blokkade"}
    for table, key in CONFIGURATION.items():
        if table not in whole:
            continue
        keys = ", ".join(f"to_jsonb(t) -> '{one}'" for one in key)
        rows = await connection.fetch(
            f"SELECT registry.without_secrets(to_jsonb(t)) FROM registry.{table} t WHERE t.tenant_id = $1 ORDER BY {keys}",  # noqa: S608
            tenant_id,
        )
        if rows:
            found[table] = tuple(json.loads(row[0]) for row in rows)
    return found


async def last_change(connection: asyncpg.Connection, tenant_id: int, moment: datetime) -> LastChange | None:
    """The last wijziging until `moment`; None when there was none."""
    row = await connection.fetchrow(
        "SELECT number, at, actor FROM registry.wijziging WHERE tenant_id = $1 AND at <= $2 ORDER BY number DESC LIMIT 1",
        tenant_id, moment,
    )  # fmt: skip
    return None if row is None else LastChange(row["number"], row["at"], row["actor"])
