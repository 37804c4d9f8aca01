"""What is shown of trees, checkpoints and their delivery, and the queries behind it. Labels are numbers and codes only."""

from dataclasses import dataclass

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

LATE_SECONDS = 300
"""How long beyond its own interval a destination may be without a new checkpoint before it is late."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How trees stand: faults by (tenant, code), what is late by (tenant, destination), and who should have one."""

    faults: tuple[tuple[int, str, int], ...]
    halted: tuple[int, ...]
    unsigned_seconds: float
    late: tuple[tuple[int, int, str, float], ...]
    without_destination: tuple[int, ...]


async def read_standing(connection: asyncpg.Connection) -> Standing:
    """Look how everything stands, for all tenants."""
    faults = await connection.fetch(
        "SELECT tenant_id, code, count(*) AS count FROM register.seal_fault WHERE resolved_at IS NULL GROUP BY 1, 2"
    )
    halted = await connection.fetch("SELECT tenant_id FROM register.tree WHERE halted_at IS NOT NULL ORDER BY 1")
    unsigned = await connection.fetchval(
        "SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - r.sealed_at)), 0)::float FROM register.tree t "
        "LEFT JOIN LATERAL (SELECT c.size FROM register.checkpoint c WHERE c.tenant_id = t.tenant_id ORDER BY c.size DESC LIMIT 1) c ON true "
        "JOIN LATERAL (SELECT x.sealed_at FROM register.leaf_run x WHERE x.tenant_id = t.tenant_id AND x.first >= COALESCE(c.size, 0) "
        "  ORDER BY x.first LIMIT 1) r ON true WHERE t.size > COALESCE(c.size, 0)"
    )
    # Age of the oldest checkpoint that a destination does not have, beyond the interval that the tenant chose.
    late = await connection.fetch(
        "SELECT d.tenant_id, d.destination_id, d.kind, extract(epoch FROM clock_timestamp() - c.signed_at)::float - d.every_seconds AS seconds "
        "FROM registry.checkpoint_destination d LEFT JOIN register.delivery v ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
        "JOIN LATERAL (SELECT k.signed_at FROM register.checkpoint k WHERE k.tenant_id = d.tenant_id AND k.size > COALESCE(v.size, 0) "
        "  ORDER BY k.size LIMIT 1) c ON true WHERE d.state = 'active' AND c.signed_at < clock_timestamp() - make_interval(secs => d.every_seconds + $1)",
        float(LATE_SECONDS),
    )
    without = await connection.fetch(
        "SELECT DISTINCT a.tenant_id FROM registry.aansluiting a JOIN registry.tenant t ON t.tenant_id = a.tenant_id AND t.state = 'active' "
        "WHERE a.state = 'productie' AND NOT EXISTS (SELECT 1 FROM registry.checkpoint_destination d "
        "  WHERE d.tenant_id = a.tenant_id AND d.state = 'active') ORDER BY 1"
    )
    return Standing(
        faults=tuple((row["tenant_id"], row["code"], row["count"]) for row in faults),
        halted=tuple(row["tenant_id"] for row in halted),
        unsigned_seconds=unsigned,
        late=tuple((row["tenant_id"], row["destination_id"], row["kind"], row["seconds"]) for row in late),
        without_destination=tuple(row["tenant_id"] for row in without),
    )


@dataclass(frozen=True, slots=True)
class TreeMetrics:
    leads: Gauge
    last_round: Gauge
    leaves: Counter
    missing: Counter
    signed: Counter
    refused: Counter
    failures: Counter
    faults: Gauge
    halted: Gauge
    unsigned: Gauge
    late: Gauge
    without_destination: Gauge
    deliveries: Counter
    contradicted: Gauge

    def show(self, standing: Standing) -> None:
        """Show how it stands now; what is right again disappears."""
        for gauge in (self.faults, self.halted, self.late, self.without_destination):
            gauge.clear()
        for tenant_id, code, count in standing.faults:
            self.faults.labels(str(tenant_id), code).set(count)
        for tenant_id in standing.halted:
            self.halted.labels(str(tenant_id)).set(1)
        for tenant_id, destination_id, kind, seconds in standing.late:
            self.late.labels(str(tenant_id), str(destination_id), kind).set(seconds)
        for tenant_id in standing.without_destination:
            self.without_destination.labels(str(tenant_id)).set(1)
        self.unsigned.set(standing.unsigned_seconds)


def make_tree_metrics(registry: CollectorRegistry) -> TreeMetrics:
    """Metrics in the sealer's registry."""
    tenant = ["tenant"]
    return TreeMetrics(
        leads=Gauge("koppelpunt_sealing_leader", "1 in the one sealer that seals", registry=registry),
        last_round=Gauge(
            "koppelpunt_sealing_last_round_seconds", "Unix time of the last round of sealing", registry=registry
        ),
        leaves=Counter("koppelpunt_sealed_leaves", "Rows that were sealed into a tree", registry=registry),
        missing=Counter("koppelpunt_sealing_rows_missing", "Numbers of writers that were not there", registry=registry),
        signed=Counter("koppelpunt_checkpoints_signed", "Checkpoints that were signed", registry=registry),
        refused=Counter("koppelpunt_checkpoints_refused", "Trees that were not signed", registry=registry),
        failures=Counter("koppelpunt_sealing_failures", "Sessions of sealing that were lost", registry=registry),
        faults=Gauge(
            "koppelpunt_register_faults", "Faults that nobody answered for", [*tenant, "code"], registry=registry
        ),
        halted=Gauge("koppelpunt_tree_halted", "Trees whose signing is halted", tenant, registry=registry),
        unsigned=Gauge(
            "koppelpunt_unsigned_leaves_seconds", "Age of the oldest leaf without checkpoint", registry=registry
        ),
        late=Gauge(
            "koppelpunt_checkpoint_late_seconds",
            "How late a destination is",
            [*tenant, "destination", "kind"],
            registry=registry,
        ),
        without_destination=Gauge(
            "koppelpunt_checkpoint_destination_missing", "In productie without a destination", tenant, registry=registry
        ),
        deliveries=Counter(
            "koppelpunt_checkpoint_deliveries", "Deliveries of checkpoints", ["kind", "outcome"], registry=registry
        ),
        contradicted=Gauge(
            "koppelpunt_checkpoint_memory_contradicted",
            "Tenants of which PostgreSQL has not what the sealer remembers that it signed",
            registry=registry,
        ),
    )
