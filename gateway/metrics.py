"""What the gateway counts. Labels are bounded, and none of them holds personal data.

Tenant and API come from the registry and the catalogue, outcome and code from this code; nothing that a caller sends
becomes a label.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STEPS = ("token", "open", "send", "close")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one gateway process. A child is looked up once, not at each call."""

    registry: CollectorRegistry
    call: Callable[[int, str, str], Counter]
    step: Mapping[str, Histogram]
    refusal: Callable[[str], Counter]
    security: Callable[[str], Counter]
    observed: Callable[[str, str], Counter]

    def show(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a value that something else keeps; it is read at each scrape."""
        Gauge(name, text, registry=self.registry).set_function(read)


def make_metrics() -> Metrics:
    """Metrics in a registry of their own."""
    registry = CollectorRegistry()
    calls = Counter(
        "koppelpunt_calls", "Calls by tenant, API and outcome", ["tenant", "api", "outcome"], registry=registry
    )
    seconds = Histogram(
        "koppelpunt_step_seconds", "Time per step of a call", ["step"], buckets=_SECONDS, registry=registry
    )
    refusals = Counter("koppelpunt_refusals", "Calls that did not leave, by code", ["code"], registry=registry)
    security = Counter("koppelpunt_security_events", "Events of the security log", ["event"], registry=registry)
    observed = Counter(
        "koppelpunt_observed",
        "Calls let through that RvIG would refuse, by environment and code",
        ["environment", "code"],
        registry=registry,
    )
    return Metrics(
        registry=registry,
        call=lru_cache(maxsize=65_536)(lambda tenant, api, outcome: calls.labels(str(tenant), api, outcome)),
        step={name: seconds.labels(name) for name in STEPS},
        refusal=lru_cache(maxsize=1_024)(refusals.labels),
        security=lru_cache(maxsize=1_024)(security.labels),
        observed=lru_cache(maxsize=1_024)(observed.labels),
    )
