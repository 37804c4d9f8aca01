"""What the tenants process counts. Labels are names of this code and statuses; nothing that anybody sends is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Note = Callable[[str, int, str, float], None]
"""Hears of each request: the name of its route, the status, the code of a refusal (or nothing), and seconds."""


@dataclass(frozen=True, slots=True)
class TenantsMetrics:
    registry: CollectorRegistry
    requests: Counter
    refusals: Counter
    seconds: Histogram

    def note(self, route: str, status: int, code: str, seconds: float) -> None:
        """Count one request of the admin API."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        if code:
            self.refusals.labels(code).inc()

    def show_pools(self, pools: Mapping[str, asyncpg.Pool]) -> None:
        """Show how many connections are there, and how many of them are in use."""
        gauge = Gauge(
            "koppelpunt_database_connections", "Connections to PostgreSQL", ["pool", "state"], registry=self.registry
        )
        for name, pool in pools.items():
            gauge.labels(name, "idle").set_function(pool.get_idle_size)
            gauge.labels(name, "used").set_function(partial(_used, pool))
            gauge.labels(name, "most").set_function(pool.get_max_size)


def make_tenants_metrics() -> TenantsMetrics:
    """Metrics in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return TenantsMetrics(
        registry=registry,
        requests=Counter(
            "koppelpunt_admin_requests", "Requests of the admin API", ["route", "status"], registry=registry
        ),
        refusals=Counter("koppelpunt_admin_refusals", "Its refusals, by code", ["code"], registry=registry),
        seconds=Histogram(
            "koppelpunt_admin_seconds", "Time per request", ["route"], buckets=_SECONDS, registry=registry
        ),
    )


def _used(pool: asyncpg.Pool) -> float:
    return float(pool.get_size() - pool.get_idle_size())
