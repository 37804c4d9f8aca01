"""Inzage of one person among all regels of twenty years (DESIGN §10), as a citizen's request asks it of the register.

`REGELS=10000000 make bench BENCH=inzage` lays down ten million; the default is enough to see the steps.
"""

import os
import statistics
import sys
import time
from datetime import UTC, datetime

import asyncpg
from rich.progress import Progress

from gateway.pki import make_pki
from tenants.inzage.gathering import gather
from tenants.inzage.rapport import blokken_of, make_rapport
from tenants.model import Bsn
from tenants.recording import Reading
from tenants.subjects import Subject
from tests.databases import Cluster, fresh_database
from tests.inzage.archive import Archive, spread
from tests.worlds import Keyrings, make_world

# Keys exist for years from 2020 on; to the register a year is a year.
YEARS = range(2021, 2041)
FIRST, LAST = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC)
WHOLE = (FIRST, LAST)
REGELS = 200_000
ABOUT = 100
"""Calls about the person who asks: one every ten weeks, for twenty years."""
PERSONS = tuple(f"99999{number:04}" for number in range(12))
ROUNDS = 3


async def measure_inzage(postgres: Cluster) -> None:
    """The time from a request to its report: record, look up, read, open, put into words."""
    count = int(os.environ.get("REGELS", REGELS))
    keyrings = Keyrings()
    with fresh_database(postgres) as database:
        registrar, admin = [await asyncpg.connect(database.url(role)) for role in ("tenants", "admin")]
        world = await make_world(registrar, make_pki(), keyrings)
        archive = Archive(admin, registrar, keyrings, world)
        await archive.years(YEARS)
        calls = spread(count, FIRST, LAST, about=PERSONS, every=max(1, count // ABOUT))
        with Progress(disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task(f"{count:,} regels", total=count)
            await archive.fill(calls, told=lambda written: progress.advance(bar, written))
        size = await admin.fetchval("SELECT pg_database_size(current_database())")
        await registrar.close()
        reader = await asyncpg.connect(
            database.url("inzage"), server_settings={"plan_cache_mode": "force_custom_plan", "timezone": "UTC"}
        )
        first, times, found = 0.0, [], 0
        for number, bsn in enumerate(PERSONS * ROUNDS):
            # The first time of a person reads pages that nobody read before.
            begun = time.perf_counter()
            gathered = await gather(
                reader, keyrings.register, world.tenant_id, Subject(Bsn(bsn)), WHOLE,
                Reading(kind="inzageverzoek", reason="Meting", contents=True), actor="auditor/1",
            )  # fmt: skip
            rapport = make_rapport(
                gathered, lezer="betrokkene", organisatie="Gemeente", kenmerk="INZ-1", wet="wet-brp-3.22",
                ontvangen_op=LAST.date(), gemaakt_op=LAST, periode=WHOLE, bewaartermijn=20,
            )  # fmt: skip
            blokken_of(rapport.regels)
            took = (time.perf_counter() - begun) * 1000
            first = took if number == 0 else first
            times.append(took)
            found = len(rapport.regels)
        for connection in (reader, admin):
            await connection.close()
    print(
        f"inzage of one BSN among {count:,} regels over {len(YEARS)} years ({size / 2**30:.1f} GiB), {found} calls: "
        f"first {first:.0f} ms, median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms (≤ 150)"
    )
