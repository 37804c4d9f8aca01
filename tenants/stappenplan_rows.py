"""Reads the stappenplan of aansluitingen from the registry and its history, and ticks what only the beheerder knows.

For the role `koppelpunt_tenants`, inside the tenant's scope. When and by whom something was registered says the history.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.pattern_rows import read_pattern_facts
from tenants.stappenplan import STAPPEN, Gezet, Stap, applying, plan

_DAY: Final = "AT TIME ZONE 'Europe/Amsterdam')::date"
# What stands now, by aansluiting and step, with the object of the history that made it: a row for each that says the step is taken.
_FACTS: Final = f"""
WITH one AS (
  SELECT a.* FROM registry.aansluiting a WHERE a.tenant_id = $1 AND a.aansluiting_id = ANY ($2::bigint[])
), fact (aansluiting_id, step, object, key, number, day, actor) AS (
  SELECT one.aansluiting_id, 'autorisatiebesluit', 'autorisatiebesluit', 'besluit_id', b.besluit_id, b.start_date, NULL::text
  FROM one, registry.autorisatiebesluit b
  WHERE b.tenant_id = one.tenant_id AND b.afnemer_id = one.afnemer_id AND b.start_date <= (now() {_DAY}
    AND (b.end_date IS NULL OR b.end_date > (now() {_DAY})
  UNION ALL
  SELECT one.aansluiting_id, g.kind, 'agreement', 'agreement_id', g.agreement_id, g.signed_on, NULL FROM one, registry.agreement g
  WHERE g.tenant_id = one.tenant_id AND (g.afnemer_id IS NULL OR g.afnemer_id = one.afnemer_id) AND g.withdrawn_at IS NULL
    AND g.kind IN ('contract', 'verwerkersovereenkomst', 'convenant') AND g.signed_on <= (now() {_DAY}
    AND (g.valid_until IS NULL OR COALESCE(g.grace_until, g.valid_until) > (now() {_DAY})
  UNION ALL
  SELECT one.aansluiting_id, 'certificaat', 'aansluiting', 'certificate_id', one.certificate_id, NULL, NULL FROM one WHERE one.certificate_id IS NOT NULL
  UNION ALL
  SELECT one.aansluiting_id, 'inloggegevens_ontvangen', 'credential', 'credential_id', one.credential_id, NULL, NULL FROM one
  WHERE one.credential_id IS NOT NULL
  UNION ALL
  SELECT one.aansluiting_id, 'proef_getest', NULL, NULL, t.verbindingstest_id, (t.ended_at {_DAY}, t.asked_by FROM one
  JOIN registry.aansluiting p ON p.tenant_id = one.tenant_id AND p.afnemer_id = one.afnemer_id
  JOIN registry.environment e ON e.name = p.environment AND e.kind = 'proef'
  JOIN registry.verbindingstest t ON t.tenant_id = p.tenant_id AND t.aansluiting_id = p.aansluiting_id AND t.state = 'geslaagd'
  UNION ALL
  SELECT one.aansluiting_id, 'controlebestemming', 'checkpoint_destination', 'destination_id', d.destination_id, NULL, NULL
  FROM one, registry.checkpoint_destination d WHERE d.tenant_id = one.tenant_id AND d.state = 'active'
  UNION ALL
  SELECT one.aansluiting_id, 'contacten', 'contact', 'contact_id', c.last, NULL, NULL FROM one, (
    SELECT max(c.contact_id) AS last FROM registry.contact c
    WHERE c.tenant_id = $1 AND c.state = 'active' HAVING count(DISTINCT c.kind) = 3) c
)
"""  # noqa: S608 - the one piece is above
_DERIVED: Final = f"""{_FACTS}
SELECT DISTINCT ON (f.step) f.step, COALESCE(f.day, (w.at {_DAY}) AS day, COALESCE(f.actor, w.actor) AS actor FROM fact f
LEFT JOIN LATERAL (SELECT h.at, h.actor FROM registry.wijziging h WHERE h.tenant_id = $1 AND h.object = f.object
  AND h.after ->> f.key = f.number::text AND (f.object <> 'aansluiting' OR h.after ->> 'aansluiting_id' = f.aansluiting_id::text)
  ORDER BY h.number LIMIT 1) w ON f.object IS NOT NULL
ORDER BY f.step, 2, f.number
"""  # noqa: S608
_TAKEN: Final = f"""{_FACTS}
SELECT f.aansluiting_id, f.step FROM fact f
UNION SELECT s.aansluiting_id, s.step FROM registry.aansluiting_stap s WHERE s.tenant_id = $1 AND s.aansluiting_id = ANY ($2::bigint[])
"""  # noqa: S608


async def read_stappenplan(connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int) -> tuple[Stap, ...]:
    """The steps of an aansluiting, in their order; an ended one has none. Raises NotFound."""
    kind = await connection.fetchval(
        "SELECT e.kind FROM registry.aansluiting a JOIN registry.environment e ON e.name = a.environment "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2",
        tenant_id, aansluiting_id,
    )  # fmt: skip
    if kind is None:
        raise NotFound(f"There is no aansluiting {aansluiting_id} here.")
    found = (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())
    facts = next((one for one in found if one.aansluiting_id == aansluiting_id), None)
    if facts is None:
        return ()
    derived = {
        row["step"]: Gezet(row["day"], row["actor"], derived=True)
        for row in await connection.fetch(_DERIVED, tenant_id, [aansluiting_id])
        if row["day"] is not None
    }
    ticked = {
        row["step"]: Gezet(row["done_on"], row["done_by"], derived=False, note=row["note"])
        for row in await connection.fetch(
            "SELECT step, done_on, done_by, note FROM registry.aansluiting_stap WHERE tenant_id = $1 AND aansluiting_id = $2",
            tenant_id, aansluiting_id,
        )
    }  # fmt: skip
    return plan(applying(facts, kind), derived, ticked)


async def read_missing(
    connection: asyncpg.Connection, tenant_id: int, applicable: Mapping[int, Collection[str]]
) -> dict[int, tuple[Stap, ...]]:
    """The steps that are not taken yet, of many at once: of each aansluiting among those that apply to it, in their order."""
    taken: dict[int, set[str]] = {number: set() for number in applicable}
    for row in await connection.fetch(_TAKEN, tenant_id, list(applicable)):
        taken[row["aansluiting_id"]].add(row["step"])
    return {number: plan(set(names) - taken[number], {}, {}) for number, names in applicable.items()}


async def tick_step(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, step: str, done_on: date, note: str | None
) -> None:
    """Say that a step was taken on a day; what was said before stays in the history. The aansluiting gets a new version.

    Raises InputRefused for a step that the registry itself knows, or that this aansluiting does not take, and for a day to come.
    """
    steps = {one.name for one in await read_stappenplan(connection, tenant_id, aansluiting_id)}
    faults = []
    if not STAPPEN[step].ticked:
        faults.append(f"De stap {step} volgt uit wat er is vastgelegd, en wordt niet afgevinkt.")
    elif step not in steps:
        faults.append(f"De stap {step} hoort niet bij deze aansluiting.")
    if await connection.fetchval(f"SELECT $1::date > (now() {_DAY}", done_on):
        faults.append("Een stap is gezet op een dag die er al is geweest.")
    if faults:
        raise InputRefused(faults)
    await connection.execute(
        "UPDATE registry.aansluiting SET version = version WHERE tenant_id = $1 AND aansluiting_id = $2",
        tenant_id, aansluiting_id,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO registry.aansluiting_stap (tenant_id, aansluiting_id, step, done_on, note) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant_id, aansluiting_id, step) DO UPDATE SET done_on = EXCLUDED.done_on, note = EXCLUDED.note",
        tenant_id, aansluiting_id, step, done_on, note,
    )  # fmt: skip


async def were_in_productie(
    connection: asyncpg.Connection, tenant_id: int, aansluitingen: Collection[int]
) -> frozenset[int]:
    """Which of these have been in productie before: putting those back waits for no step."""
    rows = await connection.fetch(
        "SELECT DISTINCT (w.after ->> 'aansluiting_id')::bigint AS number FROM registry.wijziging w WHERE w.tenant_id = $1 "
        "AND w.object = 'aansluiting' AND w.after ->> 'state' = 'productie' AND w.after ->> 'aansluiting_id' = ANY ($2::text[])",
        tenant_id, [str(one) for one in aansluitingen],
    )  # fmt: skip
    return frozenset(row["number"] for row in rows)
