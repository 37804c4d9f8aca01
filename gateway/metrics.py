"""What the gateway counts. Labels are bounded, and none of them holds personal data.

Tenant and API come from the registry and the catalogue, outcome and code from this code; nothing that a caller sends
becomes a label. `docs/operations/metrics.md` says what each one means; a test compares.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

STEPS = ("queue", "token", "open", "send", "close")
"""What a call spends its time on: waiting for a place at RvIG, its token, its opening, RvIG, its closing."""
NO_ANSWER: Final = "geen"
_TOLD_APART: Final = frozenset({401, 403, 429})
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
TOKEN_OUTCOMES: Final[Mapping[str, str]] = {"tokenIssued": "gelukt", "tokenFailed": "mislukt"}
"""What the token cache tells, and how it is counted; everything else that it tells is a security event."""

Read = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one gateway process. A child is looked up once, not at each call."""

    registry: CollectorRegistry
    call: Callable[[int, str, str], Counter]
    step: Mapping[str, Histogram]
    whole: Callable[[str], Histogram]
    answer: Callable[[str, str, str], Counter]
    refusal: Callable[[str], Counter]
    security: Callable[[str], Counter]
    observed: Callable[[str, str], Counter]
    token: Callable[[int, str], Counter]
    own_token: Callable[[int, str], Counter]
    batch_rows: Histogram
    batch_seconds: Histogram

    def show(self, name: str, text: str, read: Read) -> None:
        """Show a value that something else keeps; it is read at each scrape."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def show_each(self, name: str, text: str, label: str, reads: Mapping[str, Read]) -> None:
        """Show a value for each of a fixed set of names."""
        gauge = Gauge(name, text, [label], registry=self.registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(read)

    def show_by(self, name: str, text: str, label: str, read: Callable[[], Mapping[int, int]]) -> None:
        """Show a value for each number that is there at the scrape; what is not there has none."""
        self.registry.register(_Numbered(name, text, label, read))

    def count_each(self, name: str, text: str, label: str, reads: Mapping[str, Read]) -> None:
        """Show counts that something else keeps, for each of a fixed set of names."""
        self.registry.register(_Counts(name, text, label, reads))

    def note_answer(self, kind: str, api: str, status: int | None) -> None:
        """Count what RvIG's API said to a call of a kind of environment; None where it gave no answer."""
        self.answer(kind, api, class_of(status)).inc()

    def note_token(self, event: str, tenant_id: int) -> None:
        """Count what the token cache tells."""
        if (outcome := TOKEN_OUTCOMES.get(event)) is None:
            self.security(event).inc()
        else:
            self.token(tenant_id, outcome).inc()

    def note_batch(self, register: str, rows: int, seconds: float) -> None:
        """Note one statement of a register's writer."""
        self.batch_rows.labels(register).observe(rows)
        self.batch_seconds.labels(register).observe(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts(Collector):
    """Counters whose values are kept elsewhere."""

    name: str
    text: str
    label: str
    reads: Mapping[str, Read]

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.text, labels=[self.label])
        for value, read in self.reads.items():
            family.add_metric([value], read())
        return [family]


@dataclass(frozen=True, slots=True, eq=False)
class _Numbered(Collector):
    """Values by a number of the registry, kept elsewhere."""

    name: str
    text: str
    label: str
    read: Callable[[], Mapping[int, int]]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.text, labels=[self.label])
        for number, value in self.read().items():
            family.add_metric([str(number)], value)
        return [family]


def class_of(status: int | None) -> str:
    """The word under which a status of RvIG is counted: its class, itself where it says something of its own, or *geen*."""
    if status is None:
        return NO_ANSWER
    return str(status) if status in _TOLD_APART else f"{status // 100}xx"


def make_metrics() -> Metrics:
    """Metrics in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    calls = Counter(
        "koppelpunt_calls", "Calls by tenant, API and outcome", ["tenant", "api", "outcome"], registry=registry
    )
    seconds = Histogram(
        "koppelpunt_step_seconds", "Time per step of a call", ["step"], buckets=_SECONDS, registry=registry
    )
    whole = Histogram(
        "koppelpunt_call_seconds",
        "Time of a whole call, by its outcome",
        ["outcome"],
        buckets=_SECONDS,
        registry=registry,
    )
    answers = Counter(
        "koppelpunt_rvig_answers",
        "What RvIG's APIs said to calls that were let through",
        ["kind", "api", "status"],
        registry=registry,
    )
    refusals = Counter("koppelpunt_refusals", "Calls that did not leave, by code", ["code"], registry=registry)
    security = Counter("koppelpunt_security_events", "Events of the security log", ["event"], registry=registry)
    observed = Counter(
        "koppelpunt_observed",
        "Calls let through that RvIG would refuse, by environment and code",
        ["environment", "code"],
        registry=registry,
    )
    tokens = Counter(
        "koppelpunt_token_requests", "Requests to RvIG's token endpoint", ["tenant", "outcome"], registry=registry
    )
    own_tokens = Counter(
        "koppelpunt_own_tokens",
        "Requests to the gateway's own token endpoint",
        ["tenant", "outcome"],
        registry=registry,
    )
    return Metrics(
        registry=registry,
        call=lru_cache(maxsize=65_536)(lambda tenant, api, outcome: calls.labels(str(tenant), api, outcome)),
        step={name: seconds.labels(name) for name in STEPS},
        whole=lru_cache(maxsize=16)(whole.labels),
        answer=lru_cache(maxsize=4_096)(answers.labels),
        refusal=lru_cache(maxsize=1_024)(refusals.labels),
        security=lru_cache(maxsize=1_024)(security.labels),
        observed=lru_cache(maxsize=1_024)(observed.labels),
        token=lru_cache(maxsize=65_536)(lambda tenant, outcome: tokens.labels(str(tenant), outcome)),
        own_token=lru_cache(maxsize=65_536)(lambda tenant, outcome: own_tokens.labels(str(tenant), outcome)),
        batch_rows=Histogram(
            "koppelpunt_register_batch_rows",
            "Rows per statement of a register's writer",
            ["register"],
            buckets=_ROWS,
            registry=registry,
        ),
        batch_seconds=Histogram(
            "koppelpunt_register_batch_seconds",
            "Time per statement of a register's writer",
            ["register"],
            buckets=_SECONDS,
            registry=registry,
        ),
    )
