"""Everything stands: database, simulator, tenants, sealer and gateway, each as the process that it is in productie.

Owns the order of starting and ending. At the end the processes stop first, then the database goes, then the files: also
when starting fails half-way, or is interrupted.
"""

import asyncio
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import asyncpg
from rich.console import Console

from gateway.demo.asking import Control
from gateway.demo.calls import Stage
from gateway.demo.database import DemoDatabase, demo_database
from gateway.demo.ground import HOST, Ground, free_port, lay_ground
from gateway.demo.processes import Child, Command, running
from gateway.demo.samples import ENVIRONMENT, SampleAfnemer, Samples, make_afnemers, register_samples
from gateway.demo.show import step
from tenants.admins import make_admin_key
from tenants.keyring import public_half

T = TypeVar("T")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each process listens on the loopback address: for callers, and for whoever watches it."""

    gateway: int
    gateway_watch: int
    tenants: int
    tenants_watch: int
    sealer_watch: int
    control: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The stage of the calls, and the processes that carry it."""

    stage: Stage
    ports: Ports
    children: tuple[Child, ...]


@asynccontextmanager
async def standing(console: Console, database_url: str | None) -> AsyncIterator[Standing]:
    """Start everything. Raises DatabaseUnavailable, ProcessEnded, OSError and the errors of PostgreSQL."""
    async with AsyncExitStack() as stack:
        with step(console, "Keyrings, token signing keys and a test PKI"):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="koppelpunt-demo-")))
            ground, afnemers = lay_ground(directory), make_afnemers()
        server = "the server of DATABASE_URL" if database_url else "an embedded server"
        with step(console, f"PostgreSQL on {server}, migrated, with a login user per role"):
            database = await stack.enter_async_context(_in_thread(demo_database(database_url)))
        ports = Ports(*(free_port() for _ in Ports.__dataclass_fields__))
        with step(console, f"Processes: simulator of RvIG, gateway, tenants, sealer (PostgreSQL {database.version})"):
            children = await stack.enter_async_context(running(_commands(ground, database, ports, afnemers), directory))
        with step(console, "Sample tenants: a gemeente, a SaaS customer, a samenwerkingsverband with two members"):
            connection = await _connected(stack, database.url("tenants"))
            samples = await register_samples(connection, ground, afnemers)
            stage = await _make_stage(stack, ground, database, ports, samples, connection)
        yield Standing(stage, ports, children)


def _commands(
    ground: Ground, database: DemoDatabase, ports: Ports, afnemers: Mapping[str, SampleAfnemer]
) -> list[Command]:
    """Per process its command, its settings, and where it says that it is ready."""
    accounts = ground.file("afnemers.json")
    accounts.touch(mode=0o600)
    accounts.write_text(json.dumps([one.account() for one in afnemers.values()]), encoding="utf-8")
    simulator = [
        "simulator", "--host", HOST, "--port", ground.upstream.rpartition(":")[2], "--environment", ENVIRONMENT,
        "--certificate", str(ground.file("upstream.pem")), "--key", str(ground.file("upstream.key")),
        "--trust-anchors", str(ground.trust_anchors), "--afnemers", str(accounts), "--control-port", str(ports.control),
    ]  # fmt: skip
    served = {
        "KOPPELPUNT_CERTIFICATE_FILE": str(ground.file("gateway.pem")),
        "KOPPELPUNT_KEY_FILE": str(ground.file("gateway.key")),
    }
    gateway = ground.gateway_environment(
        database.url("gateway"),
        bind=f"127.0.0.1:{ports.gateway}",
        metrics_bind=f"127.0.0.1:{ports.gateway_watch}",
        issuer=f"https://{HOST}:{ports.gateway}/nidp/oauth/nam",
        instance="demo",
    )
    tenants = {
        "KOPPELPUNT_DATABASE_URL": database.url("tenants"),
        "KOPPELPUNT_INZAGE_URL": database.url("inzage"),
        "KOPPELPUNT_IDENTITY_PUBLIC_FILE": str(ground.file("identity.public")),
        "KOPPELPUNT_REGISTER_KEYRING_FILE": str(ground.file("register.keyring")),
        "KOPPELPUNT_BIND": f"127.0.0.1:{ports.tenants}",
        "KOPPELPUNT_METRICS_BIND": f"127.0.0.1:{ports.tenants_watch}",
    }
    sealer = {
        "KOPPELPUNT_DATABASE_URL": database.url("sealer"),
        "KOPPELPUNT_METRICS_BIND": f"127.0.0.1:{ports.sealer_watch}",
    }
    return [
        Command(simulator, f"http://127.0.0.1:{ports.control}/_control/ready"),
        Command(["gateway"], f"http://127.0.0.1:{ports.gateway_watch}/ready", gateway | served),
        Command(["tenants"], f"http://127.0.0.1:{ports.tenants_watch}/ready", tenants | served),
        Command(["sealer"], f"http://127.0.0.1:{ports.sealer_watch}/ready", sealer),
    ]


async def _make_stage(
    stack: AsyncExitStack,
    ground: Ground,
    database: DemoDatabase,
    ports: Ports,
    samples: Samples,
    connection: asyncpg.Connection,
) -> Stage:
    identity = public_half(ground.identity)
    _, operator_key = await make_admin_key(
        connection, identity, role="operator", tenant_id=None, name="Demo", valid_for=_DAY
    )
    _, auditor_key = await make_admin_key(
        connection, identity, role="auditor", tenant_id=samples.duinwijk.tenant_id, name="Demo", valid_for=_DAY
    )
    return Stage(
        ground=ground,
        database=database,
        samples=samples,
        gateway_url=f"https://{HOST}:{ports.gateway}",
        tenants_url=f"https://{HOST}:{ports.tenants}",
        control=Control(f"http://127.0.0.1:{ports.control}"),
        context=ssl.create_default_context(cafile=str(ground.trust_anchors)),
        tenants=connection,
        inzage=await _connected(stack, database.url("inzage")),
        operator_key=operator_key,
        auditor_key=auditor_key,
    )


async def _connected(stack: AsyncExitStack, url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(url, timeout=10, command_timeout=30)
    stack.push_async_callback(connection.close, timeout=5)
    return connection


@asynccontextmanager
async def _in_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave what blocks without stopping the loop. Interrupted on the way in, it is left again all the same."""
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        value = await asyncio.shield(entering)
    except asyncio.CancelledError:
        await entering
        await asyncio.to_thread(manager.__exit__, None, None, None)
        raise
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
