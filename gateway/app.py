"""The gateway put together, by hand, in one screen; and taken apart again at the end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.awaiting import Front, database_answers, make_awaiting
from gateway.catalogue import Catalogue, read_catalogue
from gateway.config import GatewayConfig
from gateway.edge import Edge, Limits, answer_unreadable, check_shape, make_edge
from gateway.entrance import Entrance
from gateway.exchange import Gate, Register, exchange
from gateway.issued import TokenMint, read_signing_keys
from gateway.keeping import check_keeping
from gateway.metrics import Metrics, make_metrics
from gateway.mtls import Identities
from gateway.places import Places
from gateway.postbus import Postbus
from gateway.quota import Quotas
from gateway.rations import Attempts, Rations
from gateway.recognising import make_recognition
from gateway.records import RecordSealer, SealedRecord
from gateway.register import Opening, Patience, RegisterWriter, Server, WriterSettings
from gateway.registry_reader import RegistryReader
from gateway.revocations import Revocations
from gateway.serve import ServeSettings, serve
from gateway.servers import Timelines, connect
from gateway.showing import note_stand, show_calls, show_entrance, show_readiness, show_registers, show_registry
from gateway.snapshot import Snapshot
from gateway.stands import Stands
from gateway.stands_store import TROUBLE, StandsStore
from gateway.telemetry import configure_logging
from gateway.together import make_together, say_what_is_unlimited
from gateway.token_request import Secrets
from gateway.token_rules import TokenTimes
from gateway.tokens import Tokens
from gateway.upstream import Upstream
from gateway.verbindingstest.running import Bench
from gateway.verbindingstest.taking import TestTaker
from gateway.watching import make_watching
from gateway.wire.pools import WireLimits, Wires
from gateway.wire.routes import make_ways
from tenants.keyring import Keyring, read_keyring
from tenants.server_certificate import show_server_certificate

SCHEMAS = {"productie": "register", "proef": "proef"}
WATCHERS_DRAIN_SECONDS = 2.0
"""A scrape that hangs holds up nobody's closing row."""

TOLD = frozenset({"register proef"})
"""Without it calls to proef get 503; that takes no productie out of service."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway without its server: the ASGI application, and what its watchers ask."""

    edge: Edge
    metrics: Metrics
    checks: dict[str, Callable[[], bool]]
    reasons: dict[str, Callable[[], str]]


@asynccontextmanager
async def gateway_of(config: GatewayConfig) -> AsyncIterator[Gateway]:
    """Put a gateway together; at the end let the register finish, then close everything."""
    catalogue = read_catalogue(config.catalogue_file)
    check_keeping(config.durability, catalogue)
    say_what_is_unlimited(config, catalogue)
    identity = read_keyring(config.identity_keyring_file, name="identity", private=True)
    metrics, snapshot, timelines = make_metrics(), Snapshot(), Timelines()
    connecting = partial(connect, config.database_url, timelines, command_timeout=60)
    revocations = Revocations(config.client_revocation)
    reader = RegistryReader(connecting, snapshot, revocations=revocations)
    ways = make_ways(catalogue)
    wires = Wires(Identities(identity, _anchors(catalogue)), WireLimits(answer=config.answer_limit), ways=ways)
    store = StandsStore(connecting)
    postbus = Postbus((kept := StandsStore(connecting)).note_postbus)
    stands = Stands(snapshot.rvig_stands.get, store, notice=partial(note_stand, metrics), trouble=TROUBLE)
    together = make_together(config, identity, connecting, snapshot.rate_limits.get)
    tokens = Tokens(
        wires,
        Secrets(identity),
        # That an account is blocked is remembered by the stands, for all replicas, and ends there.
        times=TokenTimes(blocked=5.0),
        notice=lambda event, one: metrics.note_token(event, one.tenant_id),
        heard=lambda one, environment, answered: stands.hear(one, environment, "token", answered, careful=False),
        sharing=together.sharing,
    )
    testing = TestTaker(
        connecting,
        Bench(catalogue, identity, _anchors(catalogue), ways),
        config.instance,
        lambda one, environment, place, answered: stands.hear(one, environment, place, answered, careful=True),
    )
    upstream = Upstream(wires, places := Places())
    registers = {
        kind: _register(config, schema, snapshot, identity, timelines, partial(metrics.note_batch, kind))
        for kind, schema in SCHEMAS.items()
    }
    mint = TokenMint(read_signing_keys(config.token_keys_file), config.issuer)
    recognition = make_recognition(
        config, snapshot, identity, mint, metrics, connecting, revocations, limit=together.limits.take
    )
    quotas = Quotas(config.database_url, timelines=timelines)
    rations = Rations(config.calls_per_tenant, config.calls_at_once, config.answer_memory_per_tenant)
    gate = Gate(
        authenticate=recognition.authenticate,
        check_shape=check_shape,
        snapshot=snapshot,
        refresh=reader.refresh,
        tokens=tokens,
        upstream=upstream,
        registers=registers,
        kinds={name: environment.kind for name, environment in catalogue.environments.items()},
        quotas=quotas,
        limits=together.limits,
        stands=stands,
        postbus=postbus,
        rations=rations,
        attempts=Attempts(),
        metrics=metrics,
        permission_seconds=config.permission_seconds,
    )
    of_calls = Limits(body=config.body_limit, body_seconds=config.body_deadline)
    edge = make_edge(
        partial(exchange, gate=gate),
        catalogue,
        routes=recognition.routes,
        limits=of_calls,
        arrivals=recognition.arrivals,
    )
    checks: dict[str, Callable[[], bool]] = {
        f"register {kind}": partial(_is_ready, r.writer) for kind, r in registers.items()
    }
    show_registers(metrics, registers)
    show_calls(metrics, rations, places, wires, tokens, together.sharing)
    show_registry(metrics, reader, snapshot)
    show_server_certificate(metrics.registry, config.certificate_file)
    checks["klok"] = lambda: together.clock.is_right
    metrics.show("koppelpunt_clock_offset_seconds", "The database's clock less ours", lambda: together.clock.offset)
    show_readiness(metrics, checks)
    await reader.start()
    await together.start()
    recognition.start()
    testing.start()
    keeper = asyncio.create_task(_keep_identities(snapshot, wires))
    try:
        for register in registers.values():
            await register.writer.start()
        reasons: dict[str, Callable[[], str]] = {
            f"register {kind}": partial(_trouble, r.writer) for kind, r in registers.items()
        } | {"klok": lambda: "klokWijktAf"}
        yield Gateway(edge, metrics, checks, reasons)
    finally:
        # The order matters: calls have ended, so first their rows, both registers' at once, then what they left from.
        await asyncio.gather(*(register.writer.drain(config.close_timeout) for register in registers.values()))
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        for part in (testing, recognition, tokens, together, postbus, stands, store, kept, wires, quotas, reader):
            await part.close()


async def run_gateway(
    config: GatewayConfig,
    *,
    shutdown: asyncio.Event,
    ready: Callable[[int, int], None] | None = None,
    listen_fd: int | None = None,
) -> None:
    """Serve until `shutdown` is set. `ready` is told the callers' port and the watchers' port.

    A worker is given `listen_fd`, a socket of its parent's that listens already.
    """
    configure_logging()
    ports: dict[str, int] = {}

    def bound(name: str, port: int) -> None:
        ports[name] = port
        if len(ports) == 2 and ready is not None:
            ready(ports["callers"], ports["watchers"])

    front, calls_ended = make_awaiting(), asyncio.Event()
    watchers = asyncio.create_task(
        serve(
            front,
            ServeSettings(config.metrics_bind, drain_seconds=WATCHERS_DRAIN_SECONDS),
            shutdown=calls_ended,
            ready=partial(bound, "watchers"),
        )
    )
    try:
        if await database_answers(partial(connect, config.database_url, Timelines()), shutdown, watchers):
            await _serve_calls(config, shutdown, front, calls_ended, partial(bound, "callers"), listen_fd)
    finally:
        calls_ended.set()
        await watchers


async def _serve_calls(
    config: GatewayConfig,
    shutdown: asyncio.Event,
    front: Front,
    calls_ended: asyncio.Event,
    ready: Callable[[int], None],
    listen_fd: int | None,
) -> None:
    """Serve calls until `shutdown`, and tell the watchers of it; `calls_ended` is set before the last rows are written."""
    async with gateway_of(config) as gateway:
        # What was made at the start stays: looking through it again and again would only lengthen the tail.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        callers = ServeSettings(
            config.bind,
            config.certificate_file,
            config.key_file,
            drain_seconds=config.drain_seconds,
            drain_idle_seconds=config.drain_idle_seconds,
            client_ca_file=None if config.client_certificates == "off" else config.client_ca_file,
            client_required=config.client_certificates == "required",
            listen_fd=listen_fd,
        )
        show_entrance(gateway.metrics, entrance := Entrance(config.handshakes_at_once))
        front.application = make_watching(gateway.metrics.registry, gateway.checks, gateway.reasons, told=TOLD)
        try:
            await serve(
                gateway.edge,
                callers,
                shutdown=shutdown,
                ready=ready,
                unreadable=answer_unreadable,
                entrance=entrance,
            )
        finally:
            calls_ended.set()


def _register(
    config: GatewayConfig,
    schema: Any,
    snapshot: Snapshot,
    identity: Keyring,
    timelines: Timelines,
    on_batch: Callable[[int, float], None],
) -> Register:
    sealer = RecordSealer(lambda tenant_id, year: snapshot.tenant_keys.get((tenant_id, year)), identity)

    def seal_unsent(opening: Opening) -> SealedRecord:
        return sealer.seal_closing(opening.tenant_id, opening.id, persons=(), answer=None, headers={})

    # Proef is kept ninety days and proves nothing: it may stand where productie may not.
    durability = config.durability if schema == SCHEMAS["productie"] else "none"
    server = Server(config.database_url, schema, config.instance, durability=durability, timelines=timelines)
    patience = Patience(opening=config.open_timeout, closing=config.close_timeout)
    settings = WriterSettings(server, patience=patience)
    return Register(RegisterWriter(settings, seal_unsent, on_batch=on_batch), sealer)


def _anchors(catalogue: Catalogue) -> dict[str, str]:
    return {
        name: Path(environment.trust_anchors_file).read_text(encoding="ascii")
        for name, environment in catalogue.environments.items()
        if environment.trust_anchors_file is not None
    }


async def _keep_identities(snapshot: Snapshot, wires: Wires) -> None:
    """Drain the connections of certificates that no aansluiting uses any more, at most once a second."""
    while True:
        await snapshot.changed.wait()
        snapshot.changed.clear()
        wires.keep({aansluiting.certificate.fingerprint for aansluiting in snapshot.aansluitingen.values()})
        await asyncio.sleep(1.0)


def _is_ready(writer: RegisterWriter) -> bool:
    return writer.ready


def _trouble(writer: RegisterWriter) -> str:
    return writer.trouble
