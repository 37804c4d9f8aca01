"""Asks an authority outside for a timestamp over signed checkpoints, every so often per tenant (RFC 3161).

A loop and a session of its own: an authority that is slow, wrong or dead delays no sealing, signing or delivery; it rings.
What it answers is verified before it is kept. It is told a digest, and nothing about anyone.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.config import SealerConfig
from tenants.durable import DURABLE
from tenants.fetch import FetchError, FetchRules, ask, read_rules
from tenants.timestamps import BadTimestamp, make_request, read_answer, read_roots

LATE_SECONDS: Final = 900
"""How long beyond the interval a tenant may be without a new timestamp before that is late."""
_LEADER: Final = (19_272, 1)
_MOST: Final = 200
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_LONGEST_REST: Final = 900.0
_HEADERS: Final = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class Authority:
    """Whom is asked, over which ways, and whose roots its answers must lead to. `every` in seconds, per tenant."""

    url: str
    rules: FetchRules
    roots: tuple[x509.Certificate, ...]
    every: float


@dataclass(frozen=True, slots=True)
class StampMetrics:
    """What is shown of timestamps. Labels are numbers and codes only."""

    stamped: Counter
    failures: Counter
    late: Gauge


def make_stamp_metrics(registry: CollectorRegistry) -> StampMetrics:
    """Metrics in the sealer's registry."""
    return StampMetrics(
        stamped=Counter("koppelpunt_timestamps", "Timestamps over checkpoints that were kept", registry=registry),
        failures=Counter(
            "koppelpunt_timestamp_failures", "Timestamps that were not had, by code", ["code"], registry=registry
        ),
        late=Gauge(
            "koppelpunt_timestamp_late_seconds",
            "How late a tenant's timestamp is",
            ["tenant"],
            registry=registry,
        ),
    )


def authority_of(config: SealerConfig) -> Authority | None:
    """The authority that the operator has set up; None without one. Raises OSError, ValueError."""
    if config.timestamp_url is None:
        return None
    if config.timestamp_roots_file is None:
        raise ValueError("KOPPELPUNT_TIMESTAMP_ROOTS_FILE must name the roots of the timestamp authority.")
    rules = read_rules(config.delivery_hosts, config.delivery_internal, config.delivery_anchors_file, plain=True)
    roots = read_roots(config.timestamp_roots_file.read_bytes())
    return Authority(config.timestamp_url, rules, roots, config.timestamp_every)


async def keep_stamping(
    database_url: str, authority: Authority | None, shutdown: asyncio.Event, metrics: StampMetrics, *, every: float
) -> None:
    """Have checkpoints stamped until `shutdown`. Without an authority there is nothing to do."""
    if authority is None:
        await shutdown.wait()
        return
    while not shutdown.is_set():
        try:
            await _work_one_session(database_url, authority, shutdown, metrics, every)
        except _TROUBLE as error:
            log.warning("stamping_session_lost", error=type(error).__name__)
            await _pause(shutdown, min(every, 5.0))


async def _work_one_session(
    database_url: str, authority: Authority, shutdown: asyncio.Event, metrics: StampMetrics, every: float
) -> None:
    connection = await asyncpg.connect(
        database_url,
        timeout=10,
        command_timeout=30.0,
        server_settings={**DURABLE, "application_name": "koppelpunt-stamping"},
    )
    rest = every
    try:
        while not shutdown.is_set():
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LEADER):
                whole = await stamp_due(connection, authority, metrics)
                rest = every if whole else min(rest * 2, _LONGEST_REST)
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", *_LEADER)
            await _pause(shutdown, rest)
    finally:
        with suppress(*_TROUBLE):
            await connection.close(timeout=2)


async def stamp_due(connection: asyncpg.Connection, authority: Authority, metrics: StampMetrics) -> bool:
    """Have the newest checkpoint of every tenant stamped that waits for it; False when the authority did not do it."""
    due = await connection.fetch(
        "SELECT t.tenant_id, c.size, c.note FROM register.tree t "
        "JOIN LATERAL (SELECT k.size, k.note FROM register.checkpoint k WHERE k.tenant_id = t.tenant_id "
        "  ORDER BY k.size DESC LIMIT 1) c ON true "
        "LEFT JOIN LATERAL (SELECT s.size, s.kept_at FROM register.checkpoint_timestamp s WHERE s.tenant_id = t.tenant_id "
        "  ORDER BY s.size DESC LIMIT 1) s ON true "
        "WHERE s.size IS NULL OR (s.size < c.size AND s.kept_at <= clock_timestamp() - make_interval(secs => $1)) "
        "ORDER BY s.kept_at NULLS FIRST LIMIT $2",
        authority.every, _MOST,
    )  # fmt: skip
    code = None
    for row in due:
        try:
            stamped_at, token = await asyncio.to_thread(ask_timestamp, authority, row["note"])
        except FetchError as error:
            code = error.code
        except BadTimestamp as error:
            code = "ongeldig"
            log.warning("timestamp_refused", tenant=row["tenant_id"], reason=str(error))
        else:
            await connection.fetchval(
                "SELECT register.keep_timestamp($1, $2, $3, $4)", row["tenant_id"], row["size"], stamped_at, token
            )
            metrics.stamped.inc()
            continue
        # One authority serves all: who is next would get the same.
        metrics.failures.labels(code).inc()
        log.warning("timestamp_not_had", tenant=row["tenant_id"], code=code)
        break
    await _show_late(connection, authority, metrics)
    return code is None


def ask_timestamp(authority: Authority, note: str) -> tuple[datetime, bytes]:
    """Ask once; return the moment and the whole answer. Blocks: meant for a thread. Raises FetchError, BadTimestamp."""
    request = make_request(note)
    answer = ask(authority.rules, authority.url, request.as_bytes(), _HEADERS)
    stamped_at = read_answer(answer, request, note, authority.roots)
    if abs(datetime.now(UTC) - stamped_at) > _CLOCKS_DIFFER:
        raise BadTimestamp("The authority's clock and this one differ by more than five minutes.")
    return stamped_at, answer


async def _show_late(connection: asyncpg.Connection, authority: Authority, metrics: StampMetrics) -> None:
    """How long the oldest checkpoint behind the last timestamp waits, beyond the interval."""
    rows = await connection.fetch(
        "SELECT t.tenant_id, extract(epoch FROM clock_timestamp() - c.signed_at)::float - $1 AS seconds FROM register.tree t "
        "LEFT JOIN LATERAL (SELECT s.size FROM register.checkpoint_timestamp s WHERE s.tenant_id = t.tenant_id "
        "  ORDER BY s.size DESC LIMIT 1) s ON true "
        "JOIN LATERAL (SELECT k.signed_at FROM register.checkpoint k WHERE k.tenant_id = t.tenant_id "
        "  AND k.size > COALESCE(s.size, 0) ORDER BY k.size LIMIT 1) c ON true "
        "WHERE c.signed_at < clock_timestamp() - make_interval(secs => $1 + $2)",
        authority.every, float(LATE_SECONDS),
    )  # fmt: skip
    metrics.late.clear()
    for row in rows:
        metrics.late.labels(str(row["tenant_id"])).set(row["seconds"])


async def _pause(shutdown: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await shutdown.wait()
