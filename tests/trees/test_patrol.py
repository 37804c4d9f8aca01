"""A round looks at every row that was ever sealed, in small steps, and goes on where it was broken off."""

import asyncio
import dataclasses
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from tenants.leaves import Kind, hash_of_leaf, unpack_entries
from tenants.sealer.patrol import Looked, cut, list_rounds, read_age, take_step
from tenants.sealer.patrol_loop import go_round, make_patrol_metrics
from tenants.sealer.signing import Leaf
from tests.sealer.test_sealer import metric, sealer
from tests.trees.stage import faults, seal, sign_all
from tests.trees.test_altered import ALTERED, alter

MONTH = timedelta(days=30)
HALF = MONTH / 2


@pytest.fixture
def walk(sealing, signer):
    """Take every step that is due, so many leaves at a time; return what each came to."""

    async def take(most: int = 7, steps: int = 10_000, every: timedelta = HALF) -> list[Looked]:
        looked: list[Looked] = []
        while len(looked) < steps and (due := await list_rounds(sealing, every)):
            looked.append(await take_step(sealing, signer, due[0], most))
        return looked

    return take


@pytest.fixture
def sealed(calls, sealing, signer):
    """Record calls of tenants, seal and sign."""

    async def make(*worlds, count: int = 4) -> None:
        for one in worlds:
            await calls.record(one, count)
        await seal(sealing)
        await sign_all(sealing, signer)

    return make


async def age_by(admin: asyncpg.Connection, days: int) -> None:
    """Time passes."""
    await admin.execute(
        "UPDATE register.patrol SET began_at = began_at - make_interval(days => $1), since = since - make_interval(days => $1)",
        days,
    )


async def standing(admin: asyncpg.Connection, tenant_id: int) -> tuple[int, int, bool]:
    row = await admin.fetchrow(
        "SELECT size, done, ended_at IS NOT NULL FROM register.patrol WHERE tenant_id = $1", tenant_id
    )
    return tuple(row)


@pytest.mark.parametrize("most", [1, 7, 5_000])
async def test_every_leaf_of_every_tenant_is_looked_at_once_in_a_round(sealed, walk, world, other, admin, most):
    await sealed(world, other)
    looked = await walk(most)
    sizes = dict(await admin.fetch("SELECT tenant_id, size FROM register.tree"))
    assert sum(one.rows for one in looked) == sum(sizes.values())
    assert max(one.rows for one in looked) <= most
    assert {one.faults for one in looked} == {0}
    for tenant_id, size in sizes.items():
        assert await standing(admin, tenant_id) == (size, size, True)
    assert await faults(admin) == []
    assert await walk() == []


@pytest.mark.parametrize("what", ALTERED)
async def test_a_row_that_was_altered_long_after_it_was_sealed_is_found_and_halts_its_tree(
    sealed, walk, world, other, admin, what
):
    """The other tenant has no calls, and a history that was sealed."""
    await sealed(world)
    kind = await alter(admin, what)
    looked = await walk()
    found = await faults(admin)
    assert found
    assert {(tenant_id, code) for tenant_id, code, _ in found} == {(found[0][0], "row_altered")}
    assert all(f", {kind} " in place for _, _, place in found)
    assert sum(one.faults for one in looked) == len(found)
    halted = await admin.fetch("SELECT tenant_id FROM register.tree WHERE halted_at IS NOT NULL")
    assert [row[0] for row in halted] == [found[0][0]]


async def test_a_row_that_went_without_proof_is_found(sealed, walk, world, admin):
    await sealed(world)
    await admin.execute("DELETE FROM register.closing WHERE number = 3")
    await walk()
    ((_, code, place),) = await faults(admin)
    assert (code, "closing" in place) == ("row_vanished", True)


async def test_a_leaf_that_was_altered_with_its_row_is_found_by_the_root(sealed, walk, world, admin):
    """As who owns PostgreSQL can: the row, its hash, and the leaf that was made of it."""
    await sealed(world)
    await alter(admin, "ontvanger")
    tenant_id, number, made = await admin.fetchrow(
        "SELECT o.tenant_id, o.id, r.made FROM register.opening o, LATERAL register.rehash_openings(ARRAY[o.tenant_id], ARRAY[o.id]) r "
        "WHERE o.number = 2"
    )
    await admin.execute("UPDATE register.opening SET hash = $1 WHERE number = 2", made)
    closing = "(SELECT r.made FROM register.rehash_closings(ARRAY[tenant_id], ARRAY[id]) r)"
    await admin.execute(f"UPDATE register.closing SET hash = {closing} WHERE id = $1", number)  # noqa: S608
    await _write_leaves_anew(admin, tenant_id)
    await walk()
    size = (await standing(admin, tenant_id))[0]
    assert await faults(admin) == [
        (tenant_id, "tree_damaged", f"the {size} leaves do not make the root that was signed")
    ]


async def _write_leaves_anew(admin: asyncpg.Connection, tenant_id: int) -> None:
    """Make the hashes of all leaves from what stands in the rows."""
    hash_of = {
        kind: dict(await admin.fetch(f"SELECT {key}, hash FROM {table} WHERE tenant_id = $1", tenant_id))  # noqa: S608
        for kind, table, key in (
            ("opening", "register.opening", "id"), ("closing", "register.closing", "id"),
            ("wijziging", "registry.wijziging", "number"),
        )
    }  # fmt: skip
    for run in await admin.fetch("SELECT first, entries FROM register.leaf_run WHERE tenant_id = $1", tenant_id):
        hashes = b"".join(
            hash_of_leaf(kind, number, hash_of[kind][number]) for kind, number in unpack_entries(run["entries"])
        )
        await admin.execute(
            "UPDATE register.leaf_run SET hashes = $3 WHERE tenant_id = $1 AND first = $2",
            tenant_id, run["first"], hashes,
        )  # fmt: skip


async def test_what_was_answered_for_halts_no_next_round(sealed, walk, sealing, signer, world, admin):
    await sealed(world)
    await alter(admin, "answer")
    await walk()
    await sealing.fetchval("SELECT register.resolve_seal_faults($1, 'officier', 'onderzocht')", world.tenant_id)
    await age_by(admin, 16)
    assert {one.faults for one in await walk()} == {0}
    assert await admin.fetchval("SELECT count(*) FROM register.tree WHERE halted_at IS NOT NULL") == 0
    assert len(await faults(admin)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM register.leaf_run WHERE first = (SELECT max(first) FROM register.leaf_run)",
        "UPDATE register.leaf_run SET entries = overlay(entries PLACING '\\x09' FROM 1 FOR 1)",
        "UPDATE register.patrol SET frontier = frontier || '\\x00'",
        "DELETE FROM register.checkpoint",
    ],
)
async def test_a_tree_that_cannot_be_walked_is_told_and_its_round_counts_for_nothing(
    sealed, walk, sealing, world, admin, damage
):
    await sealed(world, count=1)
    await sealed(world, count=3)
    await walk(steps=1, most=1)
    since = await admin.fetchval("SELECT since FROM register.patrol")
    await admin.execute(damage)
    if "checkpoint" in damage:
        # Without one no round is due: one that was listed meanwhile is gone on with.
        await admin.execute(
            "INSERT INTO register.checkpoint SELECT tenant_id, size + 1000, now(), 'niets' FROM register.tree"
        )
    await walk()
    ((_, code, _),) = await faults(admin)
    assert code == "tree_damaged"
    assert await admin.fetchval("SELECT since FROM register.patrol") == since
    assert await admin.fetchval("SELECT ended_at IS NOT NULL FROM register.patrol")


async def test_a_checkpoint_that_somebody_else_signed_is_not_walked_by(sealed, walk, sealing, signer, world, admin):
    await sealed(world)
    forger = dataclasses.replace(signer, keys=(Ed25519PrivateKey.generate(),))
    await admin.execute("DELETE FROM register.checkpoint")
    assert await sign_all(sealing, forger) == [True]
    (due,) = await list_rounds(sealing, HALF)
    assert await take_step(sealing, signer, due, 7) == Looked(0, 1)
    ((_, code, _),) = await faults(admin)
    assert code == "checkpoint_forged"
    assert await admin.fetchval("SELECT count(*) FROM register.patrol") == 0


async def test_a_round_goes_on_where_it_was_broken_off_and_what_is_new_waits_for_the_next(
    sealed, walk, connect, signer, world, admin
):
    await sealed(world)
    first = await walk(steps=2)
    size, done, _ = await standing(admin, world.tenant_id)
    assert done == sum(one.rows for one in first)
    await sealed(world)
    # Another sealer takes over.
    rest = 0
    second = await connect("sealer")
    while due := await list_rounds(second, HALF):
        rest += (await take_step(second, signer, due[0], 7)).rows
    assert (done + rest, await faults(admin)) == (size, [])
    assert size < await admin.fetchval("SELECT size FROM register.tree")


async def test_two_sealers_take_no_step_twice(sealed, sealing, connect, signer, world, admin):
    await sealed(world)
    (due,) = await list_rounds(sealing, HALF)
    await take_step(sealing, signer, due, 7)
    (due,) = await list_rounds(sealing, HALF)
    await take_step(sealing, signer, due, 7)
    with pytest.raises(asyncpg.SerializationError):
        await take_step(await connect("sealer"), signer, due, 7)
    assert (await standing(admin, world.tenant_id))[1] == 14


async def test_a_round_begins_twice_in_its_term_and_the_age_is_that_of_the_oldest_tree(
    sealed, walk, sealing, world, other, admin
):
    assert await read_age(sealing) == 0
    await sealed(world, other)
    # What no round has begun for counts from its first leaf.
    await admin.execute("ALTER TABLE register.leaf_run DISABLE ROW LEVEL SECURITY")
    await admin.execute(
        "UPDATE register.leaf_run SET sealed_at = sealed_at - interval '40 days' WHERE tenant_id = $1", other.tenant_id
    )
    assert timedelta(seconds=await read_age(sealing)) // timedelta(days=1) == 40
    await walk()
    assert timedelta(seconds=await read_age(sealing)) // timedelta(days=1) == 0
    await age_by(admin, 14)
    assert await walk() == []
    await age_by(admin, 2)
    assert timedelta(seconds=await read_age(sealing)) // timedelta(days=1) == 16
    # One of two is whole again: the other is still the oldest.
    await walk(steps=1, most=5_000)
    assert timedelta(seconds=await read_age(sealing)) // timedelta(days=1) == 16
    await walk()
    assert timedelta(seconds=await read_age(sealing)) // timedelta(days=1) == 0


async def test_what_fails_of_one_tenant_stops_no_other_and_is_counted(sealed, sealing, signer, world, other, admin):
    await sealed(world, other)
    metrics = make_patrol_metrics(CollectorRegistry())
    await admin.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
    )
    await admin.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON register.patrol FOR EACH ROW "
        f"WHEN (NEW.tenant_id = {min(world.tenant_id, other.tenant_id)}) EXECUTE FUNCTION public.refuse()"
    )
    whole = await go_round(sealing, signer, metrics, asyncio.Event(), every=HALF, most=5_000, pause=0)
    assert whole is False
    assert metrics.failures._value.get() == 1
    assert await admin.fetchval("SELECT array_agg(tenant_id) FROM register.patrol WHERE ended_at IS NOT NULL") == [
        max(world.tenant_id, other.tenant_id)
    ]


async def test_the_sealer_moves_the_mark_forward_only_and_nobody_takes_it_away(sealed, walk, sealing, world):
    await sealed(world)
    await walk(steps=1)
    for statement in (
        "SELECT register.begin_patrol($1, 1)",
        "SELECT register.move_patrol($1, 7, 7, '')",
        "SELECT register.move_patrol($1, 7, 3, '')",
        "SELECT register.move_patrol($1, 7, 100000, '')",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await sealing.execute(statement, world.tenant_id)
    for statement in ("DELETE FROM register.patrol", "UPDATE register.patrol SET done = 0"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sealing.execute(statement)


def _leaf(index: int, kind: Kind, number: UUID | int) -> Leaf:
    return Leaf(index, kind, number, b"")


def test_calls_of_one_moment_are_asked_together_and_others_apart():
    """What is asked together costs a look at all that every tenant did in between."""
    at = [UUID(int=moment << 80) for moment in (1_000, 1_050, 1_150, 1_251, 90_000)]
    leaves = [_leaf(i, "opening", id_) for i, id_ in enumerate(reversed(at))]
    leaves += [_leaf(9, "wijziging", 7), _leaf(10, "closing", at[0]), _leaf(11, "wijziging", 90_000)]
    assert [[leaf.number for leaf in group] for group in cut(leaves)] == [
        at[:3], [at[3]], [at[4]], [at[0]], [7, 90_000],
    ]  # fmt: skip


async def test_a_step_reads_its_own_leaves_and_rows_of_their_month_by_key(
    sealed, walk, calls, sealing, signer, world, other, admin
):
    """However large the register is: the leaves by their place, no partition of another month, no tenant's rows of another time."""
    for _ in range(30):
        await calls.record(world, 2)
        await seal(sealing)
    await calls.record(other, 400)
    await seal(sealing)
    await sign_all(sealing, signer)
    await sealing.fetchval("SELECT register.ensure_partitions($1)", date(2032, 1, 1))
    # As many other tenants have.
    await admin.execute(
        "INSERT INTO register.leaf_run (tenant_id, first, count, entries, hashes) SELECT 1000 + g % 9, g, 1, "
        "'\\x03'::bytea || decode(repeat('00', 16), 'hex'), sha256('x') FROM generate_series(0, 20000) g"
    )
    await admin.execute("ANALYZE")
    await sealing.execute("SET plan_cache_mode = force_custom_plan")
    await walk(steps=1, most=4)
    due = next(one for one in await list_rounds(sealing, HALF) if one.size is not None)
    async with sealing.transaction():
        assert (await take_step(sealing, signer, due, 4)).rows == 4
        rows = await sealing.fetch("SELECT relname, seq_tup_read, seq_scan FROM pg_stat_xact_user_tables")
    read = {row["relname"]: row["seq_tup_read"] for row in rows}
    this_month = datetime.now(UTC).strftime("%Y%m")
    last_month = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y%m")
    months = {
        name
        for name in read
        if name.startswith(("opening_2", "closing_2")) and name[-6:] not in {this_month, last_month}
    }
    assert len(months) > 50
    assert {name for name in months if read[name]} == set()
    assert read["leaf_run"] == 0


async def test_the_process_goes_round_and_shows_it(sealed, database, world, admin, signer, tmp_path):
    await sealed(world)
    await alter(admin, "ontvanger")
    path = tmp_path / "checkpoint.key"
    path.write_bytes(
        signer.keys[0].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    settings = {"checkpoint_key_file": path, "seal_every": 0.05, "checkpoint_origin": "koppelpunt.example"}
    async with sealer(database.url("sealer"), **settings) as url:
        await metric(url, "koppelpunt_patrol_rows_total", lambda value: value is not None and value >= 8)
        await metric(url, "koppelpunt_patrol_faults_total", lambda value: value == 1)
        await metric(url, "koppelpunt_patrol_term_seconds", lambda value: value == 30 * 86_400)
        await metric(url, f'koppelpunt_tree_halted{{tenant="{world.tenant_id}"}}', lambda value: value == 1)
