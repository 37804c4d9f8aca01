"""What is shown of notices. Labels are kinds and ways of this code."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(frozen=True, slots=True)
class NoticeMetrics:
    raised: Counter
    deliveries: Counter
    waiting: Gauge


def make_notice_metrics(registry: CollectorRegistry) -> NoticeMetrics:
    """Metrics in the sealer's registry."""
    return NoticeMetrics(
        raised=Counter("koppelpunt_notices", "Notices that were raised", ["kind"], registry=registry),
        deliveries=Counter(
            "koppelpunt_notice_deliveries", "Tries to deliver a notice, by way", ["kind", "outcome"], registry=registry
        ),
        waiting=Gauge(
            "koppelpunt_notice_waiting_seconds",
            "Age of the oldest notice that is not delivered",
            ["kind"],
            registry=registry,
        ),
    )
