"""What is shown of the export. Labels are numbers of tenants and codes of this code."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.logboek.rows import Lag


@dataclass(frozen=True, slots=True)
class LogboekMetrics:
    spans: Counter
    requests: Counter
    gone: Counter
    late: Gauge
    waiting: Gauge
    failures: Counter

    def show(self, lags: Iterable[Lag]) -> None:
        """Show how every destination stands now; one that ended disappears."""
        self.late.clear()
        self.waiting.clear()
        for one in lags:
            self.late.labels(str(one.tenant_id)).set(one.seconds)
            self.waiting.labels(str(one.tenant_id)).set(one.leaves)


def make_logboek_metrics(registry: CollectorRegistry) -> LogboekMetrics:
    """Metrics in the registry of the tenants process."""
    tenant = ["tenant"]
    return LogboekMetrics(
        spans=Counter("koppelpunt_logboek_spans", "Spans that a collector took", tenant, registry=registry),
        requests=Counter(
            "koppelpunt_logboek_requests",
            "Requests to collectors, by how they ended",
            [*tenant, "code"],
            registry=registry,
        ),
        gone=Counter(
            "koppelpunt_logboek_rows_gone", "Rows that were destroyed before they were sent", tenant, registry=registry
        ),
        late=Gauge(
            "koppelpunt_logboek_late_seconds", "Age of the oldest row that was not sent", tenant, registry=registry
        ),
        waiting=Gauge("koppelpunt_logboek_waiting_leaves", "Leaves that were not sent", tenant, registry=registry),
        failures=Counter("koppelpunt_logboek_failures", "Sessions of the export that were lost", registry=registry),
    )
