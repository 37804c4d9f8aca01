"""How fast a document comes in: sixty tenants with a hundred and sixty-seven aansluitingen each, by `registry apply`."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from gateway.pki import make_pki
from tenants.gitops.bringing import bring_document
from tenants.keyring import public_half
from tests.databases import Cluster, fresh_database
from tests.worlds import Keyrings

TENANTS, EACH = 60, 167


def document(directory: Path, *, tenants: int = TENANTS, each: int = EACH) -> dict[str, Any]:
    """Afnemers in proef, each with a credential and an aansluiting of its own. Certificates and secret lie in `directory`."""
    pki = make_pki()
    (directory / "secret").write_text("geheim")
    made = []
    for number in range(tenants):
        oin = f"00000001{number:09d}000"
        pki.issue_client(oin, f"Organisatie {number}").save(directory, f"c{number}")
        afnemers = [f"{number * each + one:06d}" for one in range(each)]
        identity = {"environment": "proef", "certificate": "c", "state": "proef"}
        made.append(
            {
                "oin": oin, "name": f"Organisatie {number}", "kind": "derde",
                "afnemers": [{"afnemer_id": one} for one in afnemers],
                "certificates": [{"name": "c", "chain": f"c{number}.pem", "key": f"file:c{number}.key"}],
                "credentials": [
                    {"name": one, "afnemer_id": one, "environment": "proef", "client_id": f"k{one}", "secret": "file:secret"}
                    for one in afnemers
                ],
                "aansluitingen": [{"afnemer_id": one, "credential": one, **identity} for one in afnemers],
            }
        )  # fmt: skip
    return {"tenants": made}


async def backend_seconds(connection: asyncpg.Connection) -> float:
    """CPU seconds that PostgreSQL spent for this connection until now."""
    words = (
        (Path("/proc") / str(await connection.fetchval("SELECT pg_backend_pid()")) / "stat")
        .read_text()
        .rpartition(")")[2]
    )
    user, system = words.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measure_onboarding(cluster: Cluster) -> None:
    """Print aansluitingen a second: those that are new, and those that stand already.

    A second of CPU, here and in PostgreSQL together, is what a second is on a machine that does nothing else: they wait
    for each other.
    """
    keyrings = Keyrings()
    identity, register = public_half(keyrings.identity), public_half(keyrings.register)
    with fresh_database(cluster) as database, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        made = document(directory)
        connection = await asyncpg.connect(database.url("tenants"))
        try:
            for turn in ("new", "again"):
                began, spent, there = time.perf_counter(), time.process_time(), await backend_seconds(connection)
                await bring_document(connection, made, identity, register, directory=directory, keep=True)
                seconds, cpu = time.perf_counter() - began, time.process_time() - spent
                there = await backend_seconds(connection) - there
                count = TENANTS * EACH
                print(
                    f"onboarding, {turn}: {count / seconds:,.0f} aansluitingen/s in {seconds:.1f} s; "
                    f"{count / (cpu + there):,.0f}/s of CPU ({cpu:.1f} s here, {there:.1f} s in PostgreSQL)"
                )
        finally:
            await connection.close()
