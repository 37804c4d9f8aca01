"""Sealing and verification: how many rows a second, against what one gateway worker records (DESIGN: figures)."""

import secrets
import tempfile
import time
from pathlib import Path

import asyncpg

from gateway.pki import make_pki
from tenants.checkpoints import VerifierKey, make_signing_key, origin_of, read_signing_keys
from tenants.export.running import Wish, export_register
from tenants.sealer.sealing import seal_slice
from tenants.sealer.signing import Signer, list_unsigned, sign_tree
from tenants.verify.expecting import Trust
from tenants.verify.running import verify_archive, verify_live
from tests.benchmarks.figures import CALLS, check, requests_of
from tests.benchmarks.load import closed_loop
from tests.benchmarks.stage import stage
from tests.databases import Cluster, Database, fresh_database
from tests.db.calls import Writer
from tests.trees.stage import Calls
from tests.worlds import Keyrings, World, make_world

RECORDED = 20_000
QUESTION_OCTETS, ANSWER_OCTETS = 220, 928
VERIFIED_TARGET, SEALED_TARGET = 50_000, 5


async def measure_sealing(postgres: Cluster) -> None:
    """Calls sealed and signed a second, against the calls that one gateway worker records a second."""
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            upstream, gateway = await made.upstream(), await made.gateway()
            await closed_loop(gateway.port, requests_of(made.keys), 1_000)
            began = time.perf_counter()
            outcome = await closed_loop(gateway.port, requests_of(made.keys), CALLS)
            recorded = CALLS / (time.perf_counter() - began)
            check(outcome)
            await gateway.stop()
            await upstream.stop()
    with fresh_database(postgres) as database:
        await fill(database, RECORDED)
        sealed, seconds = await seal_all(database)
    rate = sealed / 2 / seconds
    print(
        f"sealing: {rate:,.0f} calls/s sealed and signed ({sealed:,} leaves), one worker records {recorded:,.0f}/s: "
        f"{rate / recorded:.1f} x (must be at least {SEALED_TARGET})"
    )


async def measure_verification(postgres: Cluster) -> None:
    """Rows verified a second of CPU, of an export and live."""
    with fresh_database(postgres) as database, tempfile.TemporaryDirectory() as directory:
        world = await fill(database, RECORDED)
        await seal_all(database)
        reader = await asyncpg.connect(database.url("inzage"), server_settings={"plan_cache_mode": "force_custom_plan"})
        try:
            path = Path(directory) / "export"
            began = time.perf_counter()
            await export_register(reader, Wish(world.oin, "meting", "benchmark"), path, quiet)
            exporting = time.perf_counter() - began
            began = time.process_time()
            verdict = verify_archive(path, trust_of(world), quiet)
            offline = time.process_time() - began
            began = time.perf_counter()
            live = await verify_live(reader, world.oin, trust_of(world), quiet, reason="meting", actor="benchmark")
            watching = time.perf_counter() - began
        finally:
            await reader.close()
    if verdict.faults or live.faults:
        raise RuntimeError(f"The register of the benchmark does not verify: {verdict.first or live.first}")
    rows = verdict.tally.rows
    print(
        f"verification: {rows / offline:,.0f} regels/s of one core, of an export (must be at least {VERIFIED_TARGET:,}); "
        f"live {live.tally.rows / watching:,.0f}/s; exporting {rows / exporting:,.0f}/s; {rows:,} regels"
    )


KEY = make_signing_key()


def signer() -> Signer:
    return Signer(tuple(read_signing_keys(KEY)), "koppelpunt.example")


def trust_of(world: World) -> Trust:
    keys = [
        VerifierKey(origin_of("koppelpunt.example", world.oin), key.public_key().public_bytes_raw())
        for key in signer().keys
    ]
    return Trust(keys)


async def fill(database: Database, count: int) -> World:
    """Record calls of one tenant through the register's own function, as the gateway's role."""
    registrar, gateway = await asyncpg.connect(database.url("tenants")), await asyncpg.connect(database.url("gateway"))
    try:
        world = await make_world(registrar, make_pki(), Keyrings())
        session = Calls(
            Writer(gateway, "register", await gateway.fetchval("SELECT register.begin_writer('benchmark')"))
        )
        question, answer = secrets.token_bytes(QUESTION_OCTETS), secrets.token_bytes(ANSWER_OCTETS)
        for _ in range(0, count, 50):
            rows = await session.open(world, 50, sealed=question)
            await session.close(world, rows, sealed=answer)
        return world
    finally:
        await registrar.close()
        await gateway.close()


async def seal_all(database: Database) -> tuple[int, float]:
    """Seal and sign everything; return leaves and seconds, PostgreSQL's part included."""
    connection = await asyncpg.connect(database.url("sealer"), server_settings={"plan_cache_mode": "force_custom_plan"})
    try:
        began, total = time.perf_counter(), 0
        while (leaves := (await seal_slice(connection)).leaves) > 0:
            total += leaves
            for unsigned in await list_unsigned(connection):
                if not await sign_tree(connection, signer(), unsigned):
                    raise RuntimeError("A tree was not signed.")
        return total, time.perf_counter() - began
    finally:
        await connection.close()


def quiet(_done: int, _all: int) -> None:
    """Nobody watches."""
