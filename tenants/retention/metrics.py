"""What is shown of retention. Labels are numbers of tenants and names of this code."""

from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.retention.steps import Planned, Standing


@dataclass(frozen=True, slots=True)
class RetentionMetrics:
    rows: Gauge
    keys: Gauge
    in_backups: Gauge
    overdue: Gauge
    held: Gauge
    failures: Counter
    last_round: Gauge

    def show(self, standing: Iterable[Standing], late: Iterable[tuple[int, Planned]]) -> None:
        """Show how it stands now. `late`: what is past its term for a week, held or not."""
        for gauge in (self.rows, self.keys, self.in_backups, self.overdue, self.held):
            gauge.clear()
        for one in standing:
            tenant = str(one.tenant_id)
            self.rows.labels(tenant).set(one.rows)
            self.keys.labels(tenant).set(one.keys)
            self.in_backups.labels(tenant).set(one.in_backups)
        months: Tally[str] = Tally()
        held: Tally[str] = Tally()
        for tenant_id, planned in late:
            months[str(tenant_id)] += planned.held < planned.rows
            held[str(tenant_id)] += planned.held
        for tenant, count in months.items():
            self.overdue.labels(tenant).set(count)
        for tenant, count in held.items():
            self.held.labels(tenant).set(count)


def make_retention_metrics(registry: CollectorRegistry) -> RetentionMetrics:
    """Metrics in the sealer's registry."""
    tenant = ["tenant"]
    return RetentionMetrics(
        rows=Gauge(
            "koppelpunt_retention_rows_destroyed", "Rows that are gone, from backups too", tenant, registry=registry
        ),
        keys=Gauge(
            "koppelpunt_retention_keys_destroyed",
            "Keys of years that are gone, from backups too",
            tenant,
            registry=registry,
        ),
        in_backups=Gauge(
            "koppelpunt_retention_in_backups", "Destructions that a backup may still hold", tenant, registry=registry
        ),
        overdue=Gauge(
            "koppelpunt_retention_overdue_months",
            "Months, or keys, that are a week past their term and not held",
            tenant,
            registry=registry,
        ),
        held=Gauge(
            "koppelpunt_retention_held_rows", "Rows past their term that a stop holds", tenant, registry=registry
        ),
        failures=Counter("koppelpunt_retention_failures", "Destructions that failed", registry=registry),
        last_round=Gauge(
            "koppelpunt_retention_last_round_seconds", "Unix time of the last whole round", registry=registry
        ),
    )
