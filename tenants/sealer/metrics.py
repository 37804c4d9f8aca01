"""What the sealer counts and shows. Labels are numbers of the registry and names of this code, nothing else."""

from collections import Counter as Tally
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.sealer.chores import Expiry, Orphan, SecretEnd

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SealerMetrics:
    registry: CollectorRegistry
    leader: Gauge
    last_round: Gauge
    failures: Counter
    partitions: Counter
    forgotten: Counter
    orphans: Gauge
    causes: Gauge
    days_left: Gauge
    secrets: Gauge

    def show_orphans(self, orphans: Iterable[Orphan]) -> None:
        """Show how many calls each tenant has without closing; a tenant without any disappears."""
        found = tuple(orphans)
        self.orphans.clear()
        for (kind, tenant_id), count in Tally((one.kind, one.tenant_id) for one in found).items():
            self.orphans.labels(kind, str(tenant_id)).set(count)
        self.causes.clear()
        for (kind, cause), count in Tally((one.kind, one.cause) for one in found).items():
            self.causes.labels(kind, cause).set(count)

    def show_expiries(self, expiries: Iterable[Expiry], now: datetime) -> None:
        """Show the days that each certificate has left; negative when it has ended."""
        self.days_left.clear()
        for one in expiries:
            left = (one.not_after - now).total_seconds() / _DAY
            self.days_left.labels(str(one.tenant_id), str(one.certificate_id), one.state).set(left)

    def show_secrets(self, ends: Iterable[SecretEnd], now: datetime) -> None:
        """Show the days that each secret of RvIG has left, as far as it is known when it ends."""
        self.secrets.clear()
        for one in ends:
            left = (one.ends_at - now).total_seconds() / _DAY
            self.secrets.labels(str(one.tenant_id), str(one.credential_id)).set(left)


def make_sealer_metrics() -> SealerMetrics:
    """Metrics in a registry of their own."""
    registry = CollectorRegistry()
    return SealerMetrics(
        registry=registry,
        leader=Gauge("koppelpunt_sealer_leader", "1 in the one sealer that works", registry=registry),
        last_round=Gauge(
            "koppelpunt_sealer_last_round_seconds", "Unix time of the last whole round", registry=registry
        ),
        failures=Counter("koppelpunt_sealer_failures", "Chores that failed, by name", ["chore"], registry=registry),
        partitions=Counter("koppelpunt_sealer_partitions_made", "Partitions made ahead", registry=registry),
        forgotten=Counter(
            "koppelpunt_sealer_messages_forgotten", "Fetched messages that RvIG no longer has", registry=registry
        ),
        orphans=Gauge(
            "koppelpunt_calls_without_closing",
            "Calls that were let through and never closed",
            ["kind", "tenant"],
            registry=registry,
        ),
        causes=Gauge(
            "koppelpunt_unknown_outcomes",
            "Calls that were let through and never closed, by cause",
            ["kind", "cause"],
            registry=registry,
        ),
        days_left=Gauge(
            "koppelpunt_certificate_days_left",
            "Days until a certificate ends",
            ["tenant", "certificate", "state"],
            registry=registry,
        ),
        secrets=Gauge(
            "koppelpunt_secret_days_left",
            "Days until the secret of a credential at RvIG ends",
            ["tenant", "credential"],
            registry=registry,
        ),
    )
