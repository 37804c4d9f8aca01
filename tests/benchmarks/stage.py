"""What a benchmark stands on: PostgreSQL, the cheap upstream, gateways and forwarders as processes, a full registry."""

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import aiohttp
import asyncpg

from gateway.brp.rubrieken import FIELDS
from gateway.demo.ground import Ground, free_port, lay_ground
from tenants.agreements import NewAgreement, add_agreement
from tenants.autorisatie import NewBesluit, put_besluiten
from tenants.callers import NewMachtiging, create_machtigingen, create_taaksystemen, issue_api_keys
from tenants.registry import (
    NewAansluiting,
    NewAfnemer,
    NewCertificate,
    NewCredential,
    add_certificates,
    add_credentials,
    create_aansluitingen,
    create_afnemers,
    create_tenant,
    ensure_tenant_years,
)
from tenants.scope import operator_scope, tenant_scope
from tests.databases import Database
from tests.world import RIGHTS

TICKS = os.sysconf("SC_CLK_TCK")
RUBRIEKEN = tuple(sorted(frozenset().union(*FIELDS["personen", "RaadpleegMetBurgerservicenummer"].values())))
"""A besluit that allows every field of a person: the longest that there is."""


@dataclass(slots=True)
class Process:
    """A process under measurement."""

    process: asyncio.subprocess.Process
    port: int
    output: Path

    def cpu(self) -> float:
        """Seconds of CPU of the whole process since its start, to the nanosecond of the scheduler."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory_mib(self) -> float:
        """Resident memory, in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(slots=True)
class Stage:
    """Everything of one benchmark."""

    ground: Ground
    database: Database
    keys: list[str]
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Process:
        """Start a process that says `ready port=… watch=…`, and wait for that."""
        output = self.ground.directory / f"{name}-{free_port()}.log"
        with output.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env=os.environ | (environment or {}),
                stdout=stream,
                stderr=asyncio.subprocess.STDOUT,
            )
        self.started.append(process)
        async with asyncio.timeout(120):
            while True:
                found = [line for line in output.read_text(errors="replace").splitlines() if line.startswith("ready ")]
                if found:
                    told = dict(part.split("=") for part in found[0].split()[1:])
                    return Process(process, int(told.get("port", 0)), output)
                if process.returncode is not None:
                    raise RuntimeError(output.read_text())
                await asyncio.sleep(0.02)

    async def gateway(self, **settings: str) -> Process:
        environment = self.ground.gateway_environment(self.database.url("gateway"), **settings)
        return await self.start("gateway", "-m", "gateway", "gateway", environment=environment)

    async def upstream(self, delay: float = 0.0, hangs: Sequence[str] = (), tokenless: Sequence[str] = ()) -> Process:
        """The stand-in for RvIG: never answers calls of the clients of `hangs`, gives those of `tokenless` no token."""
        directory, port = self.ground.directory, self.ground.upstream.rpartition(":")[2]
        files = [str(directory / name) for name in ("upstream.pem", "upstream.key", "root.pem")]
        behaviour = str(delay), ",".join(hangs) or "-", ",".join(tokenless) or "-"
        return await self.start("upstream", "-m", "tests.benchmarks.upstream", port, *files, *behaviour)

    async def ask_upstream(self, path: str) -> dict[str, int]:
        """Ask the stand-in for RvIG something that only a benchmark asks: `/tokens`, `/release`."""
        directory = self.ground.directory
        context = ssl.create_default_context(cafile=str(self.ground.trust_anchors))
        if not (directory / "counter.pem").exists():
            self.ground.pki.issue_client("00000001999999998000", "Teller").save(directory, "counter")
        context.load_cert_chain(directory / "counter.pem", directory / "counter.key")
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.ground.upstream + path, ssl=context) as answer,
        ):
            return dict(await answer.json(content_type=None))

    async def forwarder(self, *options: str) -> Process:
        directory = self.ground.directory
        self.ground.pki.issue_client("00000001999999999000", "Doorgever").save(directory, "forwarder")
        files = [str(directory / name) for name in ("forwarder.pem", "forwarder.key", "root.pem")]
        arguments = ["-m", "tests.benchmarks.forwarder", str(free_port()), self.ground.upstream, *files, *options]
        process = await self.start("forwarder", *arguments)
        await asyncio.sleep(0.5)
        return process


@contextlib.asynccontextmanager
async def stage(database: Database, aansluitingen: int) -> AsyncIterator[Stage]:
    """A ground and a registry with so many aansluitingen, each of an organisation of its own; 50 per tenant."""
    with tempfile.TemporaryDirectory() as directory:
        ground = lay_ground(Path(directory))
        connection = await asyncpg.connect(database.url("tenants"))
        keys: list[str] = []
        try:
            for first in range(0, aansluitingen, 50):
                keys += await fill_tenant(connection, ground, range(first + 1, min(first + 50, aansluitingen) + 1))
        finally:
            await connection.close()
        made = Stage(ground, database, keys)
        try:
            yield made
        finally:
            # Whatever went wrong, nothing of it stays behind and takes part in the next measurement.
            for process in made.started:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def fill_tenant(connection: asyncpg.Connection, ground: Ground, numbers: Sequence[int]) -> list[str]:
    """One tenant with an afnemer, certificate, aansluiting and taaksysteem per number; returns the API keys."""
    oins = [f"00000001{n:09d}000" for n in numbers]
    ids = [f"{n:06d}" for n in numbers]
    async with operator_scope(connection, actor="benchmark"):
        tenant_id = await create_tenant(connection, oin=oins[0], name=f"Tenant {numbers[0]}", kind="overheidsorgaan")
    year = datetime.now(UTC).year
    async with tenant_scope(connection, tenant_id, actor="benchmark"):
        await ensure_tenant_years(connection, tenant_id, ground.identity, ground.register, [year, year + 1])
        await create_afnemers(
            connection,
            tenant_id,
            [NewAfnemer(a, o, f"Afnemer {a}", "overheidsorgaan") for a, o in zip(ids, oins, strict=True)],
        )
        await put_besluiten(connection, tenant_id, [NewBesluit(a, date(2024, 1, 1), None, "N", RUBRIEKEN) for a in ids])
        for kind, products in (("aanvullende_autorisatie", ["adressering"]), ("convenant", [])):
            agreement = NewAgreement(kind, "RvIG", date(2024, 1, 1), products=products)
            await add_agreement(connection, tenant_id, agreement)
        issued = [ground.pki.issue_client(oin, f"Organisatie {oin}") for oin in oins]
        certificates = await add_certificates(
            connection, tenant_id, ground.identity,
            [NewCertificate(oin, one.chain_pem, one.key_pem) for oin, one in zip(oins, issued, strict=True)],
        )  # fmt: skip
        credentials = await add_credentials(
            connection,
            tenant_id,
            ground.identity,
            [NewCredential(a, "productie", f"client-{a}", f"secret-{a}") for a in ids],
        )
        aansluitingen = await create_aansluitingen(
            connection, tenant_id,
            [
                NewAansluiting(a, o, "productie", certificate, credential, state="productie")
                for a, o, certificate, credential in zip(ids, oins, certificates, credentials, strict=True)
            ],
        )  # fmt: skip
        systems = await create_taaksystemen(connection, tenant_id, "productie", [f"Taaksysteem {a}" for a in ids])
        await connection.executemany(
            "UPDATE registry.taaksysteem SET vaste_aansluiting_tenant_id = $1, vaste_aansluiting_id = $2 "
            "WHERE tenant_id = $1 AND taaksysteem_id = $3",
            [(tenant_id, aansluiting, system) for aansluiting, system in zip(aansluitingen, systems, strict=True)],
        )
        await create_machtigingen(
            connection, tenant_id,
            [
                NewMachtiging(aansluiting, (tenant_id, system), "toezicht", "Wet BRP 3.2", "toezichthouder", "https://example.org/v/1", RIGHTS)
                for aansluiting, system in zip(aansluitingen, systems, strict=True)
            ],
        )  # fmt: skip
        return [secret for _, secret in await issue_api_keys(connection, tenant_id, ground.identity, systems)]
