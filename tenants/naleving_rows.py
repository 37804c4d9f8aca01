"""Reads from the registry how a tenant stands: its aansluitingen with their certificates, and the tenant as a whole.

For the role `koppelpunt_tenants`, inside the tenant's scope. Of a certificate that another tenant keeps it learns state and
end, as far as an aansluiting of this tenant leaves with it. Nothing of the register is read but how many months are overdue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tenants.certificates_checks import WRONG_HOST, remarks_of_chain
from tenants.faults import NotFound
from tenants.naleving import Naleving, Standing, naleving
from tenants.naleving_tenant import TenantStanding, tenant_findings
from tenants.pattern_facts import Finding, PatternFacts
from tenants.pattern_rows import read_pattern_facts

_AANSLUITINGEN = (
    "SELECT a.aansluiting_id, a.state, c.certificate_id, c.borrowed, c.oin AS certificate_oin, c.state AS certificate_state, "
    "  c.not_after, c.revocation, r.secret_valid_until "
    "FROM registry.aansluiting a LEFT JOIN registry.certificate_standings() c ON c.aansluiting_id = a.aansluiting_id "
    "LEFT JOIN registry.credential r ON r.tenant_id = a.tenant_id AND r.credential_id = a.credential_id "
    "WHERE a.tenant_id = $1 AND a.state <> 'beeindigd'"
)
_TENANT = (
    "SELECT EXISTS (SELECT 1 FROM registry.aansluiting a JOIN registry.environment e ON e.name = a.environment AND e.kind = 'productie' "
    "    WHERE a.tenant_id = $1 AND a.state = 'productie') AS in_productie, "
    "  ARRAY(SELECT DISTINCT c.kind FROM registry.contact c WHERE c.tenant_id = $1 AND c.state = 'active') AS contacts, "
    "  (SELECT count(*) FROM registry.checkpoint_destination d WHERE d.tenant_id = $1 AND d.state = 'active') AS places, "
    "  (SELECT count(*) FROM registry.checkpoint_destination d LEFT JOIN register.delivery v "
    "      ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
    "    JOIN LATERAL (SELECT k.signed_at FROM register.checkpoint k WHERE k.tenant_id = d.tenant_id AND k.size > COALESCE(v.size, 0) "
    "      ORDER BY k.size LIMIT 1) k ON true "
    "    WHERE d.tenant_id = $1 AND d.state = 'active' AND k.signed_at < now() - make_interval(secs => d.every_seconds + 300)) AS late, "
    "  (SELECT count(*) FROM register.own_achterstand()) AS overdue"
)
_MANDATES = (
    "SELECT CASE WHEN m.tenant_id = $1 THEN 'Het mandaat aan ' ELSE 'Het mandaat van ' END || t.name AS name, m.valid_until "
    "FROM registry.mandate m JOIN registry.tenant t ON t.tenant_id = CASE WHEN m.tenant_id = $1 THEN m.to_tenant_id ELSE m.tenant_id END "
    "WHERE (m.tenant_id = $1 OR m.to_tenant_id = $1) AND m.withdrawn_at IS NULL AND isfinite(m.valid_until)"
)
_FOREIGN_AUDITORS = (
    "SELECT key_id, valid_until FROM registry.admin_key WHERE tenant_id = $1 AND role = 'auditor' AND person IS NULL "
    "AND withdrawn_at IS NULL AND now() < valid_until ORDER BY key_id"
)
_BY_HEADER = (
    "SELECT t.name FROM registry.mandate m JOIN registry.tenant t ON t.tenant_id = m.to_tenant_id WHERE m.tenant_id = $1 "
    "AND m.header_choice AND m.withdrawn_at IS NULL AND m.valid_from <= $2 AND $2 < m.valid_until ORDER BY t.name"
)
_BEHEER = (
    "SELECT COALESCE(t.name, 'De operator') AS name, b.valid_until FROM registry.beheermandaat b "
    "LEFT JOIN registry.tenant t ON t.tenant_id = b.to_tenant_id WHERE b.tenant_id = $1 AND b.withdrawn_at IS NULL "
    "AND b.valid_from <= $2 AND $2 < b.valid_until ORDER BY 2"
)


@dataclass(frozen=True, slots=True)
class AansluitingStanding:
    """One aansluiting as naleving shows it. `own` is None as long as there is no certificate."""

    facts: PatternFacts
    state: str
    certificate_id: int | None
    own: bool | None
    certificate_state: str | None
    not_after: datetime | None
    revocation: str | None
    secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class TenantNaleving:
    """A tenant: who it is, what is not as it should be, and how its afnemers stand with their aansluitingen."""

    tenant: Mapping[str, Any]
    at: datetime
    findings: tuple[Finding, ...]
    afnemers: tuple[Naleving, ...]
    names: Mapping[str, str]
    aansluitingen: Mapping[str, Sequence[AansluitingStanding]]

    @property
    def is_good(self) -> bool:
        return not self.findings and all(one.is_good for one in self.afnemers)


async def read_naleving(
    connection: asyncpg.Connection, tenant_id: int, now: datetime, host_names: frozenset[str] = frozenset()
) -> TenantNaleving:
    """How a tenant stands at this moment; `host_names` are those of the egress. Raises NotFound."""
    tenant = await connection.fetchrow(
        "SELECT tenant_id, oin, name, kind FROM registry.tenant WHERE tenant_id = $1", tenant_id
    )
    if tenant is None:
        raise NotFound(f"There is no tenant {tenant_id} here.")
    facts = (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())
    rows = {row["aansluiting_id"]: row for row in await connection.fetch(_AANSLUITINGEN, tenant_id)}
    by_header = tuple(row["name"] for row in await connection.fetch(_BY_HEADER, tenant_id, now))
    beheer = tuple((row["name"], row["valid_until"]) for row in await connection.fetch(_BEHEER, tenant_id, now))
    names = await connection.fetch("SELECT afnemer_id, name FROM registry.afnemer WHERE tenant_id = $1", tenant_id)
    remarks = await _remarks(connection, tenant_id, host_names, now)
    aansluitingen: dict[str, list[AansluitingStanding]] = {}
    standings = []
    for one in facts:
        row = rows.get(one.aansluiting_id)
        if row is None:
            continue  # ended while this was read
        aansluitingen.setdefault(one.afnemer_id, []).append(_shown(one, row))
        standings.append(
            Standing(
                one, row["state"], row["not_after"], by_header, beheer, row["certificate_state"],
                row["secret_valid_until"], () if row["borrowed"] else remarks.get(row["certificate_id"], ()),
            )
        )  # fmt: skip
    return TenantNaleving(
        dict(tenant), now, tenant_findings(await _tenant(connection, tenant_id), now), naleving(standings, now),
        {row["afnemer_id"]: row["name"] for row in names}, aansluitingen,
    )  # fmt: skip


async def _remarks(
    connection: asyncpg.Connection, tenant_id: int, host_names: frozenset[str], now: datetime
) -> Mapping[int, tuple[tuple[str, str], ...]]:
    """By certificate of the tenant that is in use: what is wrong with its host name. One that is borrowed its holder hears of."""
    rows = await connection.fetch(
        "SELECT certificate_id, chain_pem FROM registry.certificate WHERE tenant_id = $1 AND chain_pem IS NOT NULL "
        "AND state IN ('staged', 'active', 'retiring')",
        tenant_id,
    )
    return {
        row["certificate_id"]: tuple(
            (one.code, one.text)
            for one in remarks_of_chain(row["chain_pem"], host_names, now)
            if one.code in WRONG_HOST
        )
        for row in rows
    }


async def _tenant(connection: asyncpg.Connection, tenant_id: int) -> TenantStanding:
    row = await connection.fetchrow(_TENANT, tenant_id)
    mandates = await connection.fetch(_MANDATES, tenant_id)
    keys = await connection.fetch(_FOREIGN_AUDITORS, tenant_id)
    return TenantStanding(
        row["in_productie"], frozenset(row["contacts"]), row["places"], row["late"], row["overdue"],
        tuple((one["name"], one["valid_until"]) for one in mandates),
        tuple((one["key_id"], one["valid_until"]) for one in keys),
    )  # fmt: skip


def _shown(facts: PatternFacts, row: asyncpg.Record) -> AansluitingStanding:
    own = None
    if row["certificate_id"] is not None:
        own = row["certificate_oin"] == facts.organisation_oin and not row["borrowed"]
    return AansluitingStanding(
        facts, row["state"], row["certificate_id"], own, row["certificate_state"], row["not_after"], row["revocation"],
        row["secret_valid_until"],
    )  # fmt: skip
