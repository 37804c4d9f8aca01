"""Everything that was recorded is sealed once, in an order that proves it; what is missing is told."""

import asyncio
import hashlib

import asyncpg
import pytest

from tenants.merkle import Frontier, inclusion_spans, is_included
from tenants.scope import tenant_scope
from tenants.sealer.sealing import CursorAhead, seal_slice
from tenants.tree_nodes import read_leaf_hashes, read_proofs
from tests.db.calls import closing, data_key, opening, uuid7
from tests.trees.stage import Calls, faults, leaves, seal, size


async def test_each_row_of_a_tenant_becomes_one_leaf_of_its_own_tree(calls, sealing, world, other, admin):
    mine, theirs = await calls.record(world, 3), await calls.record(other, 2)
    refused = await calls.open(world, refusal="nietGemachtigd")
    await seal(sealing)
    for one, ids, more in ((world, mine, refused), (other, theirs, [])):
        found = await leaves(admin, one.tenant_id)
        assert sorted(number for kind, number in found if kind == "opening") == sorted(
            ids + [row["id"] for row in more]
        )
        assert sorted(number for kind, number in found if kind == "closing") == sorted(ids)
        changes = await admin.fetchval("SELECT count(*) FROM registry.wijziging WHERE tenant_id = $1", one.tenant_id)
        assert len([kind for kind, _ in found if kind == "wijziging"]) == changes > 0
        assert len(set(found)) == len(found)
    assert await seal(sealing) == 0
    assert await faults(admin) == []


async def test_a_leaf_is_the_hash_of_kind_number_and_row(calls, sealing, world, admin):
    (id_,) = await calls.record(world)
    await seal(sealing)
    found = await leaves(admin, world.tenant_id)
    for index, (kind, number) in enumerate(found):
        if number == id_:
            row_hash = await admin.fetchval(f"SELECT hash FROM register.{kind} WHERE id = $1", id_)  # noqa: S608
            expected = hashlib.sha256(f"\x00{kind}:{id_}:{row_hash.hex()}".encode()).digest()
            assert await read_leaf_hashes(sealing, world.tenant_id, (index, index + 1)) == [expected]


@pytest.mark.parametrize("batch", [1, 7, 5_000])
async def test_the_tree_and_its_proofs_are_those_of_its_leaves_whatever_the_batches(
    calls, sealing, world, admin, batch
):
    for count in (1, 150, 3, 140):
        await calls.record(world, count)
        await seal(sealing, batch)
    total = await size(admin, world.tenant_id)
    hashes = await read_leaf_hashes(sealing, world.tenant_id, (0, total))
    whole = Frontier()
    whole.extend(hashes)
    packed = await admin.fetchval("SELECT frontier FROM register.tree WHERE tenant_id = $1", world.tenant_id)
    assert (total, packed) == (whole.size, whole.packed())
    proofs = await read_proofs(sealing, world.tenant_id, [inclusion_spans(at, total) for at in range(total)])
    for at, proof in enumerate(proofs):
        assert is_included(hashes[at], at, total, proof, whole.root())
    kept = await admin.fetchval("SELECT count(*) FROM register.tree_node WHERE tenant_id = $1", world.tenant_id)
    assert kept == sum(total >> level for level in range(8, 20))


@pytest.mark.parametrize("batch", [10, 5_000])
async def test_a_closing_always_comes_after_its_opening_and_not_long_after(calls, sealing, world, admin, batch):
    await calls.record(world, 200)
    await seal(sealing, batch)
    at = {entry: index for index, entry in enumerate(await leaves(admin, world.tenant_id))}
    distances = [at["closing", number] - index for (kind, number), index in at.items() if kind == "opening"]
    assert len(distances) == 200
    assert min(distances) > 0
    # Two full batches of openings and what one transaction of fifty closes.
    assert max(distances) <= (3 * max(batch, 50) if batch == 10 else 401)


async def test_a_row_that_commits_late_is_sealed_after_all_and_holds_up_nothing_but_itself(
    begin_writer, sealing, world, other, admin
):
    slow, fast = Calls(await begin_writer()), Calls(await begin_writer())
    transaction = slow.writer.connection.transaction()
    await transaction.start()
    (late,) = await slow.open(world)
    early = await fast.record(other, 2)
    await seal(sealing)
    sealed = await leaves(admin, other.tenant_id)
    # The younger rows wait for the older transaction: they could not be told apart from rows that come too late.
    assert not {("opening", number) for number in early} & set(sealed)
    await transaction.commit()
    await seal(sealing)
    assert ("opening", late["id"]) in await leaves(admin, world.tenant_id)
    assert {("opening", number) for number in early} <= set(await leaves(admin, other.tenant_id))
    assert await faults(admin) == []


async def test_a_long_transaction_that_does_not_write_the_register_holds_up_no_call(
    calls, connect, registrar, sealing, world, admin
):
    await seal(sealing)
    elsewhere = await connect("admin")
    transaction = elsewhere.transaction()
    await transaction.start()
    await elsewhere.execute("CREATE TABLE long (a int)")
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await registrar.execute("UPDATE registry.tenant SET name = 'Anders'")
    (id_,) = await calls.record(world)
    assert await seal(sealing) == 2
    assert (await leaves(admin, world.tenant_id))[-2:] == [("opening", id_), ("closing", id_)]
    await transaction.rollback()
    assert await seal(sealing) == 1
    assert (await leaves(admin, world.tenant_id))[-1][0] == "wijziging"


async def test_a_change_of_the_registry_that_commits_late_is_sealed_too(
    registrar, connect, sealing, world, other, admin
):
    second = await connect("tenants")
    async with tenant_scope(registrar, world.tenant_id, actor="traag"):
        await registrar.execute("UPDATE registry.tenant SET name = 'Traag'")
        async with tenant_scope(second, other.tenant_id, actor="snel"):
            await second.execute("UPDATE registry.tenant SET name = 'Snel'")
        await seal(sealing)
        # A second change in the transaction that began first.
        await registrar.execute("UPDATE registry.tenant SET name = 'Trager'")
    await seal(sealing)
    for one in (world, other):
        expected = await admin.fetch("SELECT number FROM registry.wijziging WHERE tenant_id = $1", one.tenant_id)
        found = [number for kind, number in await leaves(admin, one.tenant_id) if kind == "wijziging"]
        assert sorted(found) == sorted(row["number"] for row in expected)


async def test_writers_that_commit_roll_back_and_die_lose_nothing_and_leave_no_gap(
    begin_writer, sealing, world, other, admin
):
    async def write(seed: int) -> None:
        session = Calls(await begin_writer())
        for turn in range(12):
            tenant = (world, other)[(seed + turn) % 2]
            rows = [opening(tenant, base=session.openings[tenant.tenant_id]) for _ in range(4)]
            transaction = session.writer.connection.transaction()
            await transaction.start()
            await session.writer.write(rows, keys=[data_key(row) for row in rows])
            await asyncio.sleep(0.003 * (turn % 3))
            if turn % 4 == 3:
                await transaction.rollback()
                continue
            await transaction.commit()
            session.openings[tenant.tenant_id] += 4
            await session.close(tenant, rows)

    stop = asyncio.Event()

    async def keep_sealing() -> None:
        while not stop.is_set():
            await seal_slice(sealing, 7)

    sealer = asyncio.create_task(keep_sealing())
    await asyncio.gather(*(write(seed) for seed in range(3)))
    stop.set()
    await sealer
    await seal(sealing)
    for one in (world, other):
        found = await leaves(admin, one.tenant_id)
        for kind in ("opening", "closing"):
            rows = await admin.fetch(f"SELECT id FROM register.{kind} WHERE tenant_id = $1", one.tenant_id)  # noqa: S608
            assert sorted(number for name, number in found if name == kind) == sorted(row["id"] for row in rows)
    assert await faults(admin) == []


async def test_two_sealers_at_once_never_seal_a_row_twice(calls, connect, sealing, world, admin):
    await calls.record(world, 120)
    second = await connect("sealer")

    async def work(connection: asyncpg.Connection) -> None:
        for _ in range(40):
            try:
                await seal_slice(connection, 10)
            except asyncpg.SerializationError:
                continue

    await asyncio.gather(work(sealing), work(second))
    await seal(sealing)
    found = await leaves(admin, world.tenant_id)
    assert len(found) == len(set(found))
    assert len([kind for kind, _ in found if kind == "opening"]) == 120


async def test_a_logical_copy_in_which_transactions_mean_nothing_is_not_sealed_on(calls, sealing, world, admin):
    await calls.record(world)
    await admin.execute("UPDATE register.seal_cursor SET tx = '999999999999'")
    with pytest.raises(CursorAhead):
        await seal_slice(sealing)


async def test_a_call_that_ends_long_after_it_began_is_sealed_with_its_own_time(calls, sealing, world, admin):
    rows = await calls.open(world, 2)
    await seal(sealing)
    await calls.writer.write(closings=[closing(rows[0])], persons=[(rows[0]["id"], world.tenant_id, uuid7(), "")])
    await seal(sealing)
    assert (await leaves(admin, world.tenant_id))[-1] == ("closing", rows[0]["id"])
