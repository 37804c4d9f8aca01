"""A whole installation: two database servers, gateways, admin API, sealers, and what stands around them.

Owns which processes run and which gateways are in service, as a balancer in front of them would.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import aiohttp

from gateway.simulator.seen import SeenLog
from tenants.admins import Role, make_admin_key
from tenants.checkpoints import VerifierKey, make_signing_key, origin_of, read_signing_keys
from tenants.keyring import public_half
from tests.callers.issuers import OidcServer, oidc_server
from tests.faults.clusters import Rack, url_of
from tests.faults.nodes import NAME, PASSWORD, Node
from tests.faults.pair import Pair, make_pair
from tests.register.wire import Wire, wire_to
from tests.soak.clients import KEPT_SECONDS, Client, make_clients
from tests.soak.past import OldTenant, make_old_tenant
from tests.soak.processes import Process, start_at_last
from tests.trees.receiving import Inbox, https_server
from tests.world import World, world

ORIGIN = "koppelpunt.example"
_SEEN = 1_000_000
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Installation:
    """`name` is what tenants and sealers call the database by; it follows the main server. `keys` are admin keys."""

    world: World
    pair: Pair
    name: Wire
    idp: OidcServer
    inbox: Inbox
    clients: list[Client]
    old: OldTenant
    keys: dict[tuple[str, int | None], str] = field(repr=False)
    session: aiohttp.ClientSession
    gateway_url: str = field(repr=False)
    serving: list[Process] = field(default_factory=list)
    tenants: list[Process] = field(default_factory=list)
    sealers: list[Process] = field(default_factory=list)
    all: list[Process] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def directory(self) -> Path:
        return self.world.ground.directory

    @property
    def share(self) -> Path:
        return self.directory / "share"

    def url(self, role: str) -> str:
        """The database by its name, as one of the roles."""
        return f"postgresql://test_{role}:{PASSWORD}@127.0.0.1:{self.name.port}/{NAME}"

    def trusted(self, oin: str) -> list[VerifierKey]:
        """The keys that checkpoints of a tenant are verified with."""
        keys = read_signing_keys((self.directory / "checkpoint.key").read_bytes())
        return [VerifierKey(origin_of(ORIGIN, oin), key.public_key().public_bytes_raw()) for key in keys]

    async def start_gateway(self, workers: int) -> Process:
        """Start one more and put it in service."""
        ground, files = self.world.ground, self.directory
        name = f"gateway-{next(self._numbers)}"
        settings = ground.gateway_environment(
            self.gateway_url, instance=name, durability="standby", workers=str(workers), drain_seconds="20",
            drain_idle_seconds=str(2 * KEPT_SECONDS),
            certificate_file=str(files / "gateway.pem"), key_file=str(files / "gateway.key"),
            client_ca_file=str(ground.trust_anchors), client_certificates="optional",
            fetch_hosts=self.idp.url.removeprefix("https://"), fetch_internal_networks="127.0.0.0/8, ::1/128",
            fetch_ca_file=str(ground.trust_anchors), idp_keys_interval="1", idp_keys_refresh="5",
        )  # fmt: skip
        made = await start_at_last("gateway", name, ["gateway"], settings, files, workers=workers)
        self.all.append(made)
        self.serving.append(made)
        return made

    async def start_tenants(self) -> Process:
        settings = {
            "KOPPELPUNT_DATABASE_URL": self.url("tenants"),
            "KOPPELPUNT_INZAGE_URL": self.url("inzage"),
            "KOPPELPUNT_IDENTITY_PUBLIC_FILE": str(self.directory / "identity.public"),
            "KOPPELPUNT_REGISTER_KEYRING_FILE": str(self.directory / "register.keyring"),
            "KOPPELPUNT_BIND": "127.0.0.1:0",
            "KOPPELPUNT_METRICS_BIND": "127.0.0.1:0",
            "KOPPELPUNT_CERTIFICATE_ANCHORS_DIRECTORY": str(self.directory / "anchors"),
        }
        made = await start_at_last("tenants", f"tenants-{next(self._numbers)}", ["tenants"], settings, self.directory)
        self.all.append(made)
        self.tenants.append(made)
        return made

    async def start_sealer(self) -> Process:
        settings = {
            "DATABASE_URL": self.url("sealer"), "METRICS_BIND": "127.0.0.1:0", "EVERY": "2", "ORPHAN_AFTER": "10",
            "RETENTION_EVERY": "5", "SEAL_EVERY": "2", "CHECKPOINT_KEY_FILE": str(self.directory / "checkpoint.key"),
            "CHECKPOINT_ORIGIN": ORIGIN, "CHECKPOINT_DIRECTORY": str(self.directory / "checkpoints"),
            "DELIVERY_SHARE": str(self.share), "DELIVERY_HOSTS": f"localhost:{self.inbox.port}",
            "DELIVERY_INTERNAL": "127.0.0.0/8,::1/128", "DELIVERY_ANCHORS_FILE": str(self.world.ground.trust_anchors),
        }  # fmt: skip
        settings = {f"KOPPELPUNT_{name}": value for name, value in settings.items()}
        made = await start_at_last("sealer", f"sealer-{next(self._numbers)}", ["sealer"], settings, self.directory)
        self.all.append(made)
        self.sealers.append(made)
        return made

    async def metrics(self, process: Process) -> str:
        """What a process tells of itself."""
        async with self.session.get(f"http://127.0.0.1:{process.watch}/metrics") as answer:
            return await answer.text()

    async def is_ready(self, process: Process) -> bool:
        try:
            async with self.session.get(f"http://127.0.0.1:{process.watch}/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def follow(self, node: Node) -> None:
        """Let the database's name lead to a node, and the tests look there."""
        self.world.database = node.database
        await self.name.lead_to(node.database.url("tenants"))


@contextlib.asynccontextmanager
async def installation(
    servers: Rack, stock: Path, directory: Path, tenants: int, *, longest: float
) -> AsyncIterator[Installation]:
    """Everything, running. Faults of the database last `longest` seconds at most."""
    async with contextlib.AsyncExitStack() as stack:
        north = servers.migrated("north", stock)
        here = await stack.enter_async_context(world(north.database, directory, wired=True))
        here.simulator.seen = SeenLog(_SEEN)
        files = here.ground.directory
        idp = await stack.enter_async_context(oidc_server(files / "gateway.pem", files / "gateway.key"))
        inbox = stack.enter_context(https_server(here.ground.pki, files))
        _lay_files(here)
        clients = await make_clients(here, tenants, idp, inbox.port, stack)
        old = await make_old_tenant(here)
        keys = await _make_keys(here, clients)
        pair = Pair(servers, *make_pair(servers, north), longest)
        name = await stack.enter_async_context(wire_to(north.database.url("tenants")))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        url = url_of("gateway", pair.main, pair.standby)
        made = Installation(here, pair, name, idp, inbox, clients, old, keys, session, url)
        pair.promoted = made.follow
        try:
            async with asyncio.TaskGroup() as starting:
                for process in (made.start_gateway(1), made.start_gateway(2), made.start_tenants()):
                    starting.create_task(process)
                for _ in range(2):
                    starting.create_task(made.start_sealer())
            yield made
        finally:
            for one in made.all:
                if one.process.returncode is None:
                    await one.kill()


def _lay_files(here: World) -> None:
    files = here.ground.directory
    for name in ("anchors", "checkpoints", "share"):
        (files / name).mkdir()
    (files / "anchors" / "productie.pem").write_bytes(here.ground.pki.root_pem)
    key = files / "checkpoint.key"
    key.touch(mode=0o600)
    key.write_bytes(make_signing_key())


async def _make_keys(here: World, clients: list[Client]) -> dict[tuple[str, int | None], str]:
    """A key of the operator; of every tenant one of a beheerder and one of an auditor."""
    identity = public_half(here.ground.identity)
    wanted: list[tuple[Role, int | None]] = [("operator", None)]
    wanted += [(role, one.member.tenant_id) for one in clients for role in ("beheerder", "auditor")]
    made: dict[tuple[str, int | None], str] = {}
    for role, tenant_id in wanted:
        _, made[role, tenant_id] = await make_admin_key(
            here.tenants, identity, role=role, tenant_id=tenant_id, name="Proef", valid_for=_DAY
        )
    return made
