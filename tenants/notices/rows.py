"""The sealer's queries about notices: facts of all tenants, what was told already, and deliveries. One function per query."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from tenants.notices.rules import Fact, Notice

_LATE = (
    "SELECT d.tenant_id, d.destination_id, COALESCE(v.size, 0) AS size, c.signed_at + make_interval(secs => d.every_seconds) AS since "
    "FROM registry.checkpoint_destination d LEFT JOIN register.delivery v ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
    "JOIN LATERAL (SELECT k.signed_at FROM register.checkpoint k WHERE k.tenant_id = d.tenant_id AND k.size > COALESCE(v.size, 0) "
    "  ORDER BY k.size LIMIT 1) c ON true WHERE d.state = 'active' AND c.signed_at < $1::timestamptz - make_interval(secs => d.every_seconds + $2)"
)
_WITHOUT = (
    "SELECT DISTINCT a.tenant_id FROM registry.aansluiting a JOIN registry.tenant t ON t.tenant_id = a.tenant_id AND t.state = 'active' "
    "WHERE a.state = 'productie' AND NOT EXISTS (SELECT 1 FROM registry.checkpoint_destination d "
    "  WHERE d.tenant_id = a.tenant_id AND d.state = 'active')"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery that was taken. Without a contact it is the operator's, whose addresses are settings."""

    tenant_id: int
    bezorging_id: int
    melding_id: int
    way: str
    attempts: int
    contact_id: int | None
    email: str | None = field(repr=False)
    webhook_url: str | None = field(repr=False)
    webhook_key: str | None
    webhook_generation: int | None
    oin: str
    tenant_name: str
    kind: str
    object: str
    threshold: str
    subject: str
    words: str
    due_at: datetime | None
    raised_at: datetime


async def read_facts(connection: asyncpg.Connection, now: datetime) -> list[Fact]:
    """What ends soon, what happened lately and what is the case, of all tenants."""
    ends = await connection.fetch("SELECT * FROM registry.meldingsfeiten_einde($1)", now)
    here = await connection.fetch("SELECT * FROM registry.meldingsfeiten_nu($1)", now)
    former = await connection.fetch("SELECT * FROM registry.meldingsfeiten_contact()")
    return [_fact(row) for row in (*ends, *here, *former)]


async def read_late_checkpoints(connection: asyncpg.Connection, now: datetime, late_after: timedelta) -> list[Fact]:
    """Destinations that are late beyond their interval by more than `late_after`, since when, and tenants in productie without one (told anew each month)."""
    late = await connection.fetch(_LATE, now, late_after.total_seconds())
    found = [
        Fact(
            row["tenant_id"], "controlepunt_te_laat", str(row["destination_id"]), str(row["size"]), row["since"],
            facts={"nummer": row["destination_id"]},
        )
        for row in late
    ]  # fmt: skip
    without = await connection.fetch(_WITHOUT)
    found += [Fact(row["tenant_id"], "controlepunt_ontbreekt", "", f"{now:%Y-%m}") for row in without]
    return found


async def read_seal_faults(connection: asyncpg.Connection) -> list[Fact]:
    """Faults of trees that nobody answered for, or of the last week; what was answered to them, and what waits for a word."""
    rows = await connection.fetch(
        "SELECT tenant_id, number, code, found_at FROM register.seal_fault "
        "WHERE resolved_at IS NULL OR found_at > now() - interval '7 days'"
    )
    answered = await connection.fetch(
        "SELECT tenant_id, number, code, resolved_at FROM register.seal_fault WHERE resolved_at > now() - interval '7 days'"
    )
    waiting = await connection.fetch(
        "SELECT tenant_id, antwoord_id, at, cardinality(faults) AS count FROM register.fout_antwoord WHERE state = 'open'"
    )
    return [
        Fact(
            row["tenant_id"], "register_fout", str(row["number"]), "", row["found_at"],
            facts={"nummer": row["number"], "code": row["code"]},
        )
        for row in rows
    ] + [
        Fact(
            row["tenant_id"], "register_fout_beantwoord", str(row["number"]), "", row["resolved_at"],
            facts={"nummer": row["number"], "code": row["code"]},
        )
        for row in answered
    ] + [
        Fact(
            row["tenant_id"], "foutantwoord_wacht", str(row["antwoord_id"]), "", row["at"],
            facts={"nummer": row["antwoord_id"], "aantal": row["count"]},
        )
        for row in waiting
    ]  # fmt: skip


async def read_terms(connection: asyncpg.Connection, now: datetime) -> list[Fact]:
    """Requests for inzage whose four weeks end soon or ended, and that nobody closed."""
    rows = await connection.fetch("SELECT tenant_id, inzageverzoek_id, due_at FROM register.inzagetermijnen($1)", now)
    return [
        Fact(
            row["tenant_id"], "inzagetermijn", str(row["inzageverzoek_id"]), "", None, row["due_at"],
            facts={"nummer": row["inzageverzoek_id"]},
        )
        for row in rows
    ]  # fmt: skip


async def read_orphans(connection: asyncpg.Connection, older_than: timedelta) -> list[Fact]:
    """Calls without closing: once per tenant, kind of register and day."""
    rows = await connection.fetch(
        "SELECT tenant_id, kind, (opened_at AT TIME ZONE 'Europe/Amsterdam')::date AS day, count(*) AS count "
        "FROM register.calls_without_closing($1) GROUP BY 1, 2, 3",
        older_than,
    )
    return [
        Fact(
            row["tenant_id"], "uitkomst_onbekend", row["kind"], row["day"].isoformat(),
            facts={"aantal": row["count"], "register": row["kind"], "dag": f"{row['day']:%d-%m-%Y}"},
        )
        for row in rows
    ]  # fmt: skip


async def count_readings(connection: asyncpg.Connection) -> Mapping[int, Mapping[date, int]]:
    """Readings of registers, by tenant and day in the Netherlands."""
    counts: dict[int, dict[date, int]] = defaultdict(dict)
    for row in await connection.fetch("SELECT tenant_id, dag, aantal FROM register.lezingen_per_dag()"):
        counts[row["tenant_id"]][row["dag"]] = row["aantal"]
    return counts


async def read_overdue(connection: asyncpg.Connection, now: datetime) -> list[Fact]:
    """Tenants of whose register something is a week past its term and not held (told anew each month)."""
    rows = await connection.fetch("SELECT tenant_id, count(*) AS count FROM register.achterstanden() GROUP BY 1")
    return [
        Fact(row["tenant_id"], "vernietiging_te_laat", "", f"{now:%Y-%m}", facts={"aantal": row["count"]})
        for row in rows
    ]


async def untold(connection: asyncpg.Connection, notices: Sequence[Notice]) -> list[Notice]:
    """Those of the notices that do not stand yet."""
    columns = list(zip(*(notice.key for notice in notices), strict=True)) or [()] * 5
    rows = await connection.fetch(
        "SELECT m.tenant_id, m.kind, m.object, m.occasion, m.threshold FROM registry.melding m "
        "JOIN unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) AS w (tenant_id, kind, object, occasion, threshold) "
        "USING (tenant_id, kind, object, occasion, threshold)",
        *columns,
    )
    told = {tuple(row.values()) for row in rows}
    return [notice for notice in notices if notice.key not in told]


async def raise_notice(connection: asyncpg.Connection, notice: Notice, *, reachable: bool) -> bool:
    """Let a notice stand with its deliveries; False when it stood. `reachable`: the operator has an address."""
    number = await connection.fetchval(
        "SELECT registry.raise_melding($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        *notice.key, notice.subject[:200], notice.words, notice.due_at, list(notice.contacts), notice.operator, reachable,
    )  # fmt: skip
    return number is not None


async def take_deliveries(connection: asyncpg.Connection, way: str, most: int) -> list[Delivery]:
    """Deliveries that are due, for two minutes; nobody else gets them meanwhile."""
    return [
        Delivery(**dict(row)) for row in await connection.fetch("SELECT * FROM registry.take_bezorgingen($1, $2)", way, most)
    ]  # fmt: skip


async def end_delivery(connection: asyncpg.Connection, delivery: Delivery, error: str | None) -> None:
    """Record how it went; a code, or None for delivered."""
    await connection.execute(
        "SELECT registry.end_bezorging($1, $2, $3)", delivery.tenant_id, delivery.bezorging_id, error
    )


async def read_waiting(connection: asyncpg.Connection) -> dict[str, float]:
    """The age in seconds of the oldest notice that waits, by way."""
    return {
        row["way"]: row["seconds"] for row in await connection.fetch("SELECT * FROM registry.waiting_bezorgingen()")
    }


def _fact(row: Mapping[str, Any]) -> Fact:
    # An end without a moment of its own has no `at`.
    named = dict(row)
    return Fact(
        named["tenant_id"], named["kind"], named["object"], named["occasion"], named.get("at"), named["due_at"],
        json.loads(named["facts"]),
    )  # fmt: skip
