"""An installation in use is left as the release before reads it, until somebody says that none runs any more."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic import command
from click.testing import CliRunner

from gateway.__main__ import main
from migrations.command import _configuration, migrate
from migrations.finishing import UnfinishedError, finish
from tenants.finding import HIGHEST, LOWEST, Filter, ids_in_period
from tenants.recording import Reading, reading_scope, record_reading
from tests.databases import Cluster, Database, fresh_database
from tests.db.conftest import (  # noqa: F401 - fixtures
    admin,
    begin_writer,
    connect,
    keyrings,
    other,
    pki,
    registrar,
    world,
    writer,
)
from tests.export.conftest import reader  # noqa: F401 - fixtures
from tests.export.independent import read_export
from tests.export.stage import Stage
from tests.trees.conftest import calls, sealing, signer  # noqa: F401 - fixtures

_BEFORE = "0024"
_SAID = "SELECT count(*) FILTER (WHERE rubrieken IS NOT NULL) AS themselves, count(question_shape_id) AS by_name FROM register.opening"
_INDEXES = (
    "SELECT c.relname, array_agg(pg_get_indexdef(i.indexrelid) ORDER BY 1) AS indexes, bool_and(i.indisvalid) AS valid FROM pg_class c "
    "JOIN pg_index i ON i.indrelid = c.oid WHERE c.relname LIKE 'person%' AND c.relkind IN ('p', 'r') "
    "AND c.relnamespace = 'register'::regnamespace GROUP BY 1"
)


@pytest.fixture(scope="module")
def in_use(postgres_cluster: Cluster) -> Iterator[Database]:
    """What 0.1.0 leaves behind: its schema and one tenant, and then this release's migrations."""
    empty = Cluster(postgres_cluster.postgres, "template1", postgres_cluster.users, postgres_cluster.password)
    with fresh_database(empty) as made:
        command.upgrade(_configuration(made.url("admin")), _BEFORE)
        with psycopg.connect(made.url("admin"), autocommit=True) as connection:
            connection.execute(
                "INSERT INTO registry.tenant (oin, name, kind) VALUES ('00000001003333333000', 'Voorheen', 'gemeente')"
            )
        migrate(made.url("admin"))
        yield made


@pytest.fixture
def database(in_use: Database, postgres_cluster: Cluster) -> Iterator[Database]:
    with fresh_database(postgres_cluster, like=in_use) as made:
        yield made


@pytest.fixture
async def stage(world, calls, sealing, signer, reader, admin) -> Stage:  # noqa: F811
    made = Stage(world, calls, sealing, signer, reader, admin)
    await made.fill(30)
    return made


async def said(stage: Stage) -> tuple[int, int]:
    return tuple(await stage.admin.fetchrow(_SAID))


async def indexes(stage: Stage) -> dict[str, tuple[Any, ...]]:
    return {row["relname"]: (len(row["indexes"]), row["valid"]) for row in await stage.admin.fetch(_INDEXES)}


async def found(stage: Stage, rubriek: str) -> int:
    """How many calls asked this, as an auditor finds them."""
    tenant_id = stage.world.tenant_id
    reading = await record_reading(
        stage.reader, tenant_id, Reading(kind="zoekvraag", reason="controle", contents=False), actor="auditor/1"
    )
    async with reading_scope(stage.reader, tenant_id, reading, actor="auditor/1"):
        wanted = Filter(rubrieken=frozenset({rubriek}))
        return len(await ids_in_period(stage.reader, tenant_id, wanted, LOWEST, HIGHEST, 1000))


async def test_until_it_is_finished_openings_are_written_as_the_release_before_reads_them(stage):
    assert await said(stage) == (30, 0)
    assert await stage.admin.fetchval("SELECT count(*) FROM register.question_shape") == 0
    assert await stage.admin.fetchval("SELECT 1 FROM pg_constraint WHERE conname = 'person_pkey'") == 1
    assert (await stage.verify()).faults == ()


async def test_what_stood_stays_as_it_was_and_what_comes_is_read_beside_it(stage, database, tmp_path):
    _, before = read_export(await stage.export(tmp_path / "before"))
    finish(database.url("admin"))
    # The same session, which has its plan: nobody needs to start again.
    await stage.fill(20)
    assert await said(stage) == (30, 20)
    await stage.calls.record(stage.world, 5, rubrieken="010120 080910")
    await stage.seal()
    assert await stage.admin.fetchval("SELECT count(*) FROM register.question_shape") == 2
    verdict = await stage.verify()
    assert (verdict.faults, verdict.tally.openings) == ((), 55)
    _, after = read_export(await stage.export(tmp_path / "after"))
    assert after[: len(before)] == before
    asked = [row["row"]["rubrieken"] for row in after if row["kind"] == "opening"]
    assert asked == ["010120 010210"] * 50 + ["010120 080910"] * 5
    assert [await found(stage, one) for one in ("010120", "010210", "080910", "999999")] == [55, 50, 5, 0]


async def test_persons_are_indexed_alone_in_every_partition_and_in_those_that_come(stage, database):
    url = database.url("admin")
    before = await indexes(stage)
    finish(url)
    done = await indexes(stage)
    assert done.keys() == before.keys()
    # One goes for the one that comes.
    assert set(done.values()) == set(before.values()) == {(2, True)}
    assert await stage.admin.fetchval("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'person%pkey'") == 0
    names = await stage.admin.fetch(_INDEXES)
    assert all(any("(tenant_id, person)" in one for one in row["indexes"]) for row in names)
    finish(url)
    assert await indexes(stage) == done
    await stage.admin.execute("SELECT register.ensure_partitions((now() + interval '5 years')::date)")
    later = await indexes(stage)
    assert len(later) > len(done)
    assert set(later.values()) == {(2, True)}


async def test_what_was_broken_off_is_taken_up_again(stage, database):
    partition = await stage.admin.fetchval(
        "SELECT split_part(tableoid::regclass::text, '.', 2) FROM register.person LIMIT 1"
    )
    await stage.admin.execute(f"CREATE INDEX {partition}_of_tenant ON register.{partition} (tenant_id, person)")
    await stage.admin.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::text::regclass",
        f"register.{partition}_of_tenant",
    )
    finish(database.url("admin"))
    assert set((await indexes(stage)).values()) == {(2, True)}


async def test_a_long_transaction_is_not_waited_for_with_calls_behind_it(stage, database):
    url = database.url("admin")
    with psycopg.connect(url) as long:
        long.execute("LOCK TABLE register.person IN ROW EXCLUSIVE MODE")
        with pytest.raises(UnfinishedError):
            finish(url, most_wait=0.1)
        await stage.calls.record(stage.world, 2)
    finish(url)
    assert set((await indexes(stage)).values()) == {(2, True)}
    assert (await stage.verify()).faults == ()


async def test_an_operator_finishes_by_a_command_and_a_migration_alone_does_not(stage, database):
    given = ["migrate", "--database-url", database.url("admin")]
    for more, expected in (([], (32, 0)), (["--finish"], (32, 2))):
        done = CliRunner().invoke(main, [*given, *more])
        assert done.exit_code == 0, done.output
        await stage.calls.record(stage.world, 2)
        assert await said(stage) == expected
