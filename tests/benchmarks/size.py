"""Octets of the register per call, indexes and trees included, against what had to be sealed (DESIGN: figures)."""

import json
import secrets
import tempfile
from pathlib import Path
from uuid import UUID

import asyncpg

from gateway.pki import make_pki
from tests.benchmarks.figures import PATH, check, requests_of
from tests.benchmarks.load import closed_loop, make_request
from tests.benchmarks.stage import stage
from tests.benchmarks.trees import seal_all
from tests.benchmarks.upstream import ANSWER
from tests.databases import Cluster, fresh_database
from tests.db.calls import Writer, closing
from tests.trees.stage import Calls
from tests.world import question, world
from tests.worlds import Keyrings, make_world

CALLS, FEWER_CALLS = 20_000, 4_000
ALL = ["aNummer", "adressering", "burgerservicenummer", "datumEersteInschrijvingGBA", "europeesKiesrecht", "geboorte", "gemeenteVanInschrijving",
       "geslacht", "gezag", "immigratie", "indicatieCurateleRegister", "kinderen", "leeftijd", "naam", "nationaliteiten", "ouders",
       "overlijden", "partners", "uitsluitingKiesrecht", "verblijfplaats", "verblijfstitel"]  # fmt: skip
TREES = ("leaf_run", "tree_node", "tree", "checkpoint", "seal_counter")
MOST_BESIDE, MOST_PER_PERSON = 700, 150
PERSONS = 10

# What a relation weighs with its indexes and its TOAST; partitions under the name of their parent.
_RELATIONS = """
SELECT COALESCE((SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = c.oid), c.relname) AS name,
  sum(pg_table_size(c.oid))::bigint AS rows, sum(pg_indexes_size(c.oid))::bigint AS indexes
FROM pg_class c WHERE c.relnamespace = 'register'::regnamespace AND c.relkind = 'r' GROUP BY 1
"""
_SEALED = "SELECT sum(length(sealed))::bigint FROM register.{}"


async def measure_size(postgres: Cluster) -> None:
    """What a call weighs as the gateway writes it, and what each further person adds."""
    (one, _), (many, packed) = [await weigh_persons(postgres, count) for count in (1, 1 + PERSONS)]
    person = (many - one) / PERSONS
    with fresh_database(postgres) as database:
        async with stage(database, 10) as made:
            upstream, gateway = await made.upstream(), await made.gateway()
            admin = await asyncpg.connect(database.url("admin"))
            before = await weigh(admin)
            check(await closed_loop(gateway.port, requests_of(made.keys), CALLS))
            await gateway.stop()
            await upstream.stop()
        await seal_all(database)
        await tell(admin, before, CALLS, person, f"an answer of {len(ANSWER)} that repeats itself")
    with fresh_database(postgres) as database, tempfile.TemporaryDirectory() as directory:
        async with world(database, Path(directory)) as here:
            member, admin = await here.add_member(), await asyncpg.connect(database.url("admin"))
            body = json.dumps(question(fields=ALL)).encode()
            request = make_request(PATH, body, {"x-api-key": member.api_key})
            async with here.gateways(1) as (process,):
                before = await weigh(admin)
                check(await closed_loop(process.port, [request], FEWER_CALLS))
        octets = await admin.fetchval("SELECT max(answer_bytes) FROM register.closing")
        await seal_all(database)
        await tell(admin, before, FEWER_CALLS, person, f"a person with everything, {octets}")
    print(
        f"size: {person:.0f} octets for each further person while the year is filled, "
        f"{(packed - one) / PERSONS:.0f} when its index was built anew (must be ≤ {MOST_PER_PERSON})"
    )


async def tell(
    admin: asyncpg.Connection, before: dict[str, tuple[int, int]], calls: int, person: float, answer: str
) -> None:
    """Print what calls weigh, table by table, and in all against what may be.

    These calls are all about one person, whose index is written once and added to: so what calls about persons of
    their own weigh is told too.
    """
    after = await weigh(admin)
    sealed = sum([await admin.fetchval(_SEALED.format(table)) for table in ("opening", "closing")]) / calls
    await admin.close()
    grown = {name: tuple((b - a) / calls for a, b in zip(before[name], after[name], strict=True)) for name in after}
    total = sum(rows + indexes for rows, indexes in grown.values())
    trees = sum(sum(grown[name]) for name in TREES)
    shown = [
        f"{name} {rows:.0f} + {indexes:.0f}"
        for name, (rows, indexes) in sorted(grown.items(), key=lambda one: -sum(one[1]))
        if rows + indexes >= 5
    ]
    print(f"size: rows + indexes a call: {', '.join(shown)}")
    own = total - trees - sum(grown["person"]) + person
    print(
        f"size: {answer}: {own:.0f} octets a call ({total - trees:.0f} when all are about one person), and {trees:.0f} of trees; sealed {sealed:.0f}: "
        f"must be ≤ 1.5 x {sealed:.0f} + {MOST_BESIDE} = {1.5 * sealed + MOST_BESIDE:.0f}"
    )


async def weigh(admin: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    """Octets of each table of the register: rows, and indexes."""
    # As it stands after autovacuum, which a run this short does not wait for.
    await admin.execute("VACUUM ANALYZE")
    return {row["name"]: (row["rows"], row["indexes"]) for row in await admin.fetch(_RELATIONS)}


async def weigh_persons(postgres: Cluster, persons: int, calls: int = 5_000) -> tuple[float, float]:
    """What a call about so many persons weighs, all else being equal: as it was filled, and with indexes built anew."""
    with fresh_database(postgres) as database:
        registrar, gateway, admin = [
            await asyncpg.connect(database.url(role)) for role in ("tenants", "gateway", "admin")
        ]
        try:
            world = await make_world(registrar, make_pki(), Keyrings())
            number = await gateway.fetchval("SELECT register.begin_writer('benchmark')")
            session = Calls(Writer(gateway, "register", number))
            before = sum(map(sum, (await weigh(admin)).values()))
            for _ in range(0, calls, 50):
                rows = await session.open(world, 50, sealed=secrets.token_bytes(200))
                # The index of a person is a hash: it falls anywhere.
                found = [
                    (row["id"], world.tenant_id, UUID(bytes=secrets.token_bytes(16)), "")
                    for row in rows
                    for _ in range(persons)
                ]
                base = session.closings[world.tenant_id]
                closings = [closing(row, base=base, persons=persons, sealed=secrets.token_bytes(200)) for row in rows]
                await session.writer.write(closings=closings, persons=found)
                session.closings[world.tenant_id] += len(rows)
            filled = sum(map(sum, (await weigh(admin)).values()))
            # A hash falls anywhere, which leaves pages of its index two thirds full; done once when a year is over.
            await admin.execute("REINDEX SCHEMA register")
            packed = sum(map(sum, (await weigh(admin)).values()))
            return (filled - before) / calls, (packed - before) / calls
        finally:
            for connection in (registrar, gateway, admin):
                await connection.close()
