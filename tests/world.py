"""A whole world for end-to-end tests: registry in PostgreSQL, simulator over mTLS, gateways as processes or in this one.

Everything is real but RvIG, which the product's own simulator stands in for.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from gateway.app import gateway_of
from gateway.config import GatewayConfig
from gateway.demo.ground import Ground, lay_ground
from gateway.pki import Issued
from gateway.serve import ServeSettings, serve
from gateway.simulator.app import Simulator, build_simulator
from gateway.simulator.seen import Seen
from gateway.simulator.settings import SimAfnemer, SimulatorSettings
from tenants.callers import (
    NewMachtiging,
    create_machtiging,
    create_taaksysteem,
    issue_api_key,
    issue_gateway_client,
    set_vaste_aansluiting,
)
from tenants.registry import (
    add_certificate,
    add_credential,
    create_aansluiting,
    create_afnemer,
    create_tenant,
    ensure_tenant_years,
)
from tenants.scope import operator_scope, tenant_scope
from tests.databases import Database
from tests.e2e.listening import listening
from tests.register.wire import Wire

RIGHTS: dict[str, Any] = {
    "personen": {},
    "bewoningen": {},
    "verblijfplaatshistorie": {},
    "reisdocumenten": {},
    "berichten": {},
}
ACTOR = "test"


@dataclass(slots=True)
class Member:
    """One gemeente as its own tenant: afnemer, certificate, credentials, one taaksysteem with a vaste aansluiting."""

    number: int
    tenant_id: int
    account: SimAfnemer
    issued: Issued
    certificate_id: int
    credential_id: int
    aansluiting_id: int
    taaksysteem_id: int
    machtiging_id: int
    api_key: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def scope(self) -> str:
        return f"{self.account.afnemer_id}-{self.account.oin}"


@dataclass(slots=True)
class GatewayProcess:
    """A gateway as an operating-system process."""

    process: asyncio.subprocess.Process
    output: Path
    port: int
    watch: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


@dataclass(slots=True)
class World:
    """Where everything is. `tenants` is a connection of role koppelpunt_tenants.

    `wire` lies between the gateways and the simulator, and can be held and cut, where the world was asked for one.
    """

    ground: Ground
    database: Database
    tenants: asyncpg.Connection
    simulator: Simulator
    environment: str = "productie"
    members: list[Member] = field(default_factory=list)
    upstream_wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        assert self.upstream_wire is not None
        return self.upstream_wire

    def seen(self) -> list[Seen]:
        """The API calls that the simulator saw."""
        return self.simulator.seen.api_calls()

    async def add_member(self, number: int | None = None, *, rights: dict[str, Any] | None = None) -> Member:
        """Register one gemeente, and its account at RvIG."""
        n = number if number is not None else len(self.members) + 1
        oin = f"00000001{n:09d}000"
        secret = f"geheim-{n}-{secrets.token_hex(8)}"
        account = SimAfnemer(
            afnemer_id=f"{n:06d}", oin=oin, gemeente_code=f"{n % 10_000:04d}", mailbox_id=f"{n:06d}0",
            client_id=f"rvig-{n}", client_secret=secret,
        )  # fmt: skip
        issued = self.ground.pki.issue_client(oin, f"Gemeente {n}")
        async with operator_scope(self.tenants, actor=ACTOR):
            tenant_id = await create_tenant(self.tenants, oin=oin, name=f"Gemeente {n}", kind="gemeente")
        member = await self._register(n, tenant_id, account, issued, rights)
        self.simulator.afnemers.put(account)
        self.members.append(member)
        return member

    async def add_beside(self, member: Member) -> Member:
        """One more aansluiting of that tenant, with an afnemer, certificate, account and taaksysteem of its own."""
        n = len(self.members) + 1
        account = dataclasses.replace(
            member.account,
            afnemer_id=f"{n:06d}",
            oin=f"00000001{n:09d}000",
            mailbox_id=f"{n:06d}0",
            client_id=f"rvig-{n}",
        )
        issued = self.ground.pki.issue_client(account.oin, f"Gemeente {n}")
        beside = await self._register(n, member.tenant_id, account, issued, None)
        self.simulator.afnemers.put(account)
        self.members.append(beside)
        return beside

    async def add_members(self, count: int) -> list[Member]:
        return [await self.add_member() for _ in range(count)]

    async def _register(
        self, n: int, tenant_id: int, account: SimAfnemer, issued: Issued, rights: dict[str, Any] | None
    ) -> Member:
        db, ground, environment = self.tenants, self.ground, self.environment
        year = datetime.now(UTC).year
        async with tenant_scope(db, tenant_id, actor=ACTOR):
            await ensure_tenant_years(db, tenant_id, ground.identity, ground.register, [year, year + 1])
            await create_afnemer(
                db, tenant_id, afnemer_id=account.afnemer_id, oin=account.oin, name=f"Gemeente {n}", kind="gemeente",
                gemeentecode=account.gemeente_code, mailbox_id=account.mailbox_id,
            )  # fmt: skip
            certificate_id = await add_certificate(
                db,
                tenant_id,
                ground.identity,
                organisation_oin=account.oin,
                chain_pem=issued.chain_pem,
                key_pem=issued.key_pem,
            )
            credential_id = await add_credential(
                db, tenant_id, ground.identity, afnemer_id=account.afnemer_id, environment=environment,
                client_id=account.client_id, secret=account.client_secret,
            )  # fmt: skip
            aansluiting_id = await create_aansluiting(
                db, tenant_id, afnemer_id=account.afnemer_id, organisation_oin=account.oin, environment=environment,
                certificate_id=certificate_id, credential_id=credential_id, state=environment,
            )  # fmt: skip
            taaksysteem_id = await create_taaksysteem(db, tenant_id, name=f"Burgerzaken {n}", environment=environment)
            await set_vaste_aansluiting(db, tenant_id, taaksysteem_id, (tenant_id, aansluiting_id))
            machtiging = NewMachtiging(
                aansluiting_id, (tenant_id, taaksysteem_id), "burgerzaken", "Wet BRP 3.5", "afdeling Burgerzaken",
                "https://example.org/verwerking/1", RIGHTS if rights is None else rights,
            )  # fmt: skip
            machtiging_id = await create_machtiging(db, tenant_id, machtiging)
            _, api_key = await issue_api_key(db, tenant_id, ground.identity, taaksysteem_id)
            client_id, client_secret = await issue_gateway_client(db, tenant_id, ground.identity, taaksysteem_id)
        return Member(
            n, tenant_id, account, issued, certificate_id, credential_id, aansluiting_id, taaksysteem_id, machtiging_id,
            api_key, client_id, client_secret,
        )  # fmt: skip

    def config(self, **settings: str) -> dict[str, str]:
        database_url = settings.pop("database_url", None) or self.database.url("gateway")
        return self.ground.gateway_environment(database_url, **settings)

    @contextlib.asynccontextmanager
    async def gateway(self, **settings: str) -> AsyncIterator[str]:
        """A gateway inside this process and event loop; yields its URL."""
        config = GatewayConfig.read(self.config(**settings))
        shutdown, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with gateway_of(config) as made:
            serving_calls = asyncio.create_task(
                serve(
                    made.edge, ServeSettings("127.0.0.1:0", drain_seconds=5), shutdown=shutdown, ready=bound.set_result
                )
            )
            try:
                await asyncio.wait({bound, serving_calls}, return_when=asyncio.FIRST_COMPLETED)
                yield f"http://127.0.0.1:{await bound}"
            finally:
                shutdown.set()
                await serving_calls

    @contextlib.asynccontextmanager
    async def gateways(self, count: int = 1, **settings: str) -> AsyncIterator[Sequence[GatewayProcess]]:
        """Gateways as processes, killed at the end if they still run."""
        made: list[GatewayProcess] = []
        try:
            for number in range(count):
                one = await self.start_gateway(f"gateway-{number}", **settings)
                made.append(one)
            yield made
        finally:
            for one in made:
                one.kill()
                await one.process.wait()

    async def start_gateway(self, name: str, **settings: str) -> GatewayProcess:
        """Start one gateway process and wait until it listens."""
        output = self.ground.directory / f"{name}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KOPPELPUNT_")}
        with output.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "gateway",
                env=environment | self.config(instance=name, **settings), stdout=stream, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        async with asyncio.timeout(60):
            while not (ready := _ready_line(output)):
                if process.returncode is not None:
                    raise RuntimeError(output.read_text())
                await asyncio.sleep(0.02)
        return GatewayProcess(process, output, *ready)


@contextlib.asynccontextmanager
async def world(
    database: Database,
    directory: Path,
    *,
    environment: str = "productie",
    catalogue: str | None = None,
    wired: bool = False,
    tls_versions: Sequence[ssl.TLSVersion] = (),
    **settings: Any,
) -> AsyncIterator[World]:
    """A world without members yet. `settings` are the simulator's.

    `wired` puts a wire before the simulator; `tls_versions` are those it speaks, in turn, one per connection.
    """
    ground = lay_ground(directory, catalogue=catalogue)
    made = SimulatorSettings(environment="productie" if environment == "productie" else "proef", **settings)
    simulator = build_simulator(made)
    port = int(ground.upstream.rpartition(":")[2])
    async with contextlib.AsyncExitStack() as stack:
        tenants = await asyncpg.connect(database.url("tenants"))
        stack.push_async_callback(tenants.close)
        bound = await stack.enter_async_context(listening(simulator, ground, 0 if wired else port, tls_versions))
        wire = None
        if wired:
            wire = Wire(f"tcp://simulator@127.0.0.1:{bound}")
            wire.port = port
            await wire.listen()
            stack.push_async_callback(wire.go_away)
        yield World(ground, database, tenants, simulator, environment, upstream_wire=wire)


def question(*bsns: str, fields: Sequence[str] = ("burgerservicenummer", "naam")) -> dict[str, Any]:
    """A question for persons by BSN."""
    return {
        "type": "RaadpleegMetBurgerservicenummer",
        "burgerservicenummer": list(bsns or ("999941112",)),
        "fields": list(fields),
    }


def _ready_line(output: Path) -> tuple[int, int] | None:
    for line in output.read_text(errors="replace").splitlines():
        if line.startswith("ready "):
            parts = dict(part.split("=") for part in line.split()[1:])
            return int(parts["port"]), int(parts["watch"])
    return None


def with_secret(account: SimAfnemer, secret: str) -> SimAfnemer:
    """The same account after a rotation: the old secret is accepted for a while."""
    return dataclasses.replace(account, client_secret=secret, previous_secrets=frozenset({account.client_secret}))
