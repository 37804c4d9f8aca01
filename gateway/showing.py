"""What the gateway shows of what it keeps anyway: read at each scrape, and never on the way of a call."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from gateway.entrance import Entrance
from gateway.exchange import Register
from gateway.metrics import Metrics, Read
from gateway.places import Places
from gateway.rations import Rations
from gateway.registry_reader import RegistryReader
from gateway.sharing import Figures, Sharing
from gateway.snapshot import Snapshot
from gateway.telemetry import note_security
from gateway.tokens import Tokens
from gateway.wire.pools import Wires
from tenants.model import Aansluiting

STAND_KINDS = ("accountGeblokkeerd", "toegangGeweigerd")
BLOCK_KINDS = ("tenant", "afnemer", "oin", "certificate", "taaksysteem")
_COUNTED = {
    "lost_sessions": ("koppelpunt_register_sessions_lost", "Sessions that a register's writer lost"),
    "refused_rows": ("koppelpunt_register_rows_refused", "Rows that PostgreSQL refuses, alone as they are"),
    "rewritten": ("koppelpunt_register_closings_rewritten", "Closings that were written again after a lost session"),
    "unsent": ("koppelpunt_register_unsent", "Calls that were let through and then closed as niet verzonden"),
}


def show_registers(metrics: Metrics, registers: Mapping[str, Register]) -> None:
    """Show how the writers of the registers stand, and what became of their rows."""
    metrics.show_each(
        "koppelpunt_register_waiting",
        "Rows whose fate is not known yet: waiting, in flight or lost",
        "register",
        {kind: partial(getattr, one.writer, "unsettled") for kind, one in registers.items()},
    )
    for attribute, (name, text) in _COUNTED.items():
        reads: dict[str, Read] = {
            kind: partial(getattr, one.writer.figures, attribute) for kind, one in registers.items()
        }
        metrics.count_each(name, text, "register", reads)


def show_calls(
    metrics: Metrics, rations: Rations, places: Places, wires: Wires, tokens: Tokens, sharing: Sharing | None = None
) -> None:
    """Show how busy this process is, and how it came by the tokens of RvIG where they are shared."""
    metrics.show("koppelpunt_calls_running", "Calls under way in this process", lambda: rations.running)
    metrics.show("koppelpunt_calls_at_once", "Calls that may be under way in it", lambda: rations.calls_at_once)
    metrics.show_each(
        "koppelpunt_places",
        "Calls in the concurrency limits of their aansluitingen, and aansluitingen that are interrupted",
        "state",
        {state: partial(_standing, places, state) for state in ("running", "waiting", "interrupted")},
    )
    metrics.show("koppelpunt_pools", "Connection pools, one per certificate and environment", lambda: len(wires))
    metrics.show("koppelpunt_tokens", "Tokens of RvIG in the cache", lambda: len(tokens))
    metrics.show_by(
        "koppelpunt_aansluitingen_without_token",
        "Aansluitingen that got no token when it was last asked for, by tenant",
        "tenant",
        tokens.failing_by_tenant,
    )
    figures = Figures() if sharing is None else sharing.figures
    metrics.count_each(
        "koppelpunt_tokens_shared",
        "Tokens that replicas share: asked of RvIG here, read from another, and waited for",
        "outcome",
        {how: partial(getattr, figures, how) for how in ("asked", "read", "waited")},
    )


def show_entrance(metrics: Metrics, entrance: Entrance) -> None:
    """Show how many connections have not done their handshake yet, and how many were closed unheard."""
    metrics.show("koppelpunt_handshakes", "Connections before the end of their handshake", lambda: entrance.pending)
    metrics.count_each(
        "koppelpunt_connections_refused",
        "Connections that were closed unheard",
        "cause",
        {"handshakes": lambda: entrance.refused},
    )


def show_registry(
    metrics: Metrics,
    reader: RegistryReader,
    snapshot: Snapshot,
    today: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Show how fresh the registry in memory is, what is blocked, and whose register cannot be written."""
    metrics.show("koppelpunt_snapshot_age_seconds", "Since the registry was last read whole", reader.age)
    metrics.show("koppelpunt_clock_seconds", "The clock of this process, as Unix time", time.time)
    metrics.show("koppelpunt_aansluitingen", "Registered aansluitingen", lambda: len(snapshot.aansluitingen))
    metrics.show_each(
        "koppelpunt_blocks", "Blocks in force, by kind", "kind", {k: partial(_blocks, snapshot, k) for k in BLOCK_KINDS}
    )
    metrics.show_each(
        "koppelpunt_rvig_stands",
        "Aansluitingen that RvIG has shut out, by how",
        "kind",
        {kind: partial(_stands, snapshot, kind) for kind in STAND_KINDS},
    )
    years = {"current": 0, "next": 1}
    metrics.show_each(
        "koppelpunt_tenants_without_key",
        "Active tenants without the key that their register is sealed to, for this year and the next",
        "year",
        {name: lambda more=more: _keyless(snapshot, today().year + more) for name, more in years.items()},  # type: ignore[misc]
    )


def note_stand(metrics: Metrics, event: str, aansluiting: Aansluiting) -> None:
    """Count and log that RvIG shut an aansluiting out, or lets it in again."""
    metrics.security(event).inc()
    target = f"aansluiting/{aansluiting.tenant_id}/{aansluiting.aansluiting_id}"
    note_security("rvigStand", target=target, result=event, actor="rvig")


def show_readiness(metrics: Metrics, checks: Mapping[str, Callable[[], bool]]) -> None:
    """Show each thing that readiness asks, as 1 or 0."""
    metrics.show_each("koppelpunt_ready", "Whether this part of the process is ready", "check", checks)


def _standing(places: Places, state: str) -> float:
    return places.standing()[state]


def _stands(snapshot: Snapshot, kind: str) -> float:
    return sum(one.kind == kind for one in snapshot.rvig_stands.values())


def _blocks(snapshot: Snapshot, kind: str) -> float:
    return sum(one.kind == kind for one in snapshot.blokkades)


def _keyless(snapshot: Snapshot, year: int) -> float:
    return sum(
        part.tenant.state == "active" and (tenant_id, year) not in snapshot.tenant_keys
        for tenant_id, part in snapshot.parts.items()
    )
