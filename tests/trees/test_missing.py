"""What a writer's numbers say that should be there, and is not, is told; what comes late is sealed late."""

from tests.trees.stage import Calls, faults, leaves, seal


async def test_a_row_that_was_taken_away_before_it_was_sealed_is_missed_by_its_number(calls, sealing, world, admin):
    ids = await calls.record(world, 6)
    await admin.execute("DELETE FROM register.opening WHERE id = ANY($1)", sorted(ids)[1:3])
    await admin.execute("DELETE FROM register.closing WHERE id = $1", sorted(ids)[4])
    await seal(sealing)
    writer_id = calls.writer.writer_id
    missing, bereft = (await faults(admin))[:2], (await faults(admin))[2:]
    assert missing == [
        (world.tenant_id, "row_missing", f"opening 2-3 of writer {writer_id}"),
        (world.tenant_id, "row_missing", f"closing 5 of writer {writer_id}"),
    ]
    # A closing says the hash of its opening, so two of them cannot be what was written any more.
    assert [(code, place.rpartition(" ")[2]) for _, code, place in bereft] == [
        ("row_altered", str(one)) for one in sorted(ids)[1:3]
    ]
    await calls.record(world, 2)
    await seal(sealing)
    assert len(await faults(admin)) == 4


async def test_a_row_that_the_sealer_had_passed_by_is_sealed_when_the_next_number_shows_it(
    begin_writer, connect, sealing, world, other, admin
):
    """A transaction that has its number before it writes the register: the gateway has none, and nothing may be lost."""
    session, other_session = Calls(await begin_writer()), Calls(await begin_writer())
    transaction = session.writer.connection.transaction()
    await transaction.start()
    await session.writer.connection.fetchval("SELECT pg_current_xact_id()::text")
    await other_session.record(other, 1)
    await seal(sealing)
    (passed,) = await session.open(world)
    await transaction.commit()
    await seal(sealing)
    assert ("opening", passed["id"]) not in await leaves(admin, world.tenant_id)
    await session.open(world)
    await seal(sealing)
    found = [number for kind, number in await leaves(admin, world.tenant_id) if kind == "opening"]
    assert len(found) == 2
    assert found[0] == passed["id"]
    assert await faults(admin) == []


async def test_a_number_that_comes_twice_is_told(calls, sealing, world, admin):
    await calls.record(world, 2)
    await seal(sealing)
    calls.openings[world.tenant_id] = 1
    (again,) = await calls.open(world)
    await seal(sealing)
    assert await faults(admin) == [(world.tenant_id, "number_repeated", f"opening {again['id']}")]
