"""A row that says something else than it did is found by what it hashes to, whatever its column of the hash says."""

import pytest

from tests.trees.stage import faults, seal, sign_all

MANY = 10_000
"""Samples enough to look at every row of a small tree."""
OPENINGS = {
    "ontvanger": "UPDATE register.opening SET ontvanger = 'Gemeente Elders' WHERE number = 2",
    "sealed": "UPDATE register.opening SET sealed = sealed || '\\x00' WHERE number = 2",
    "moment": "UPDATE register.opening SET opened_at = opened_at - interval '1 microsecond' WHERE number = 2",
    "geweigerd": "UPDATE register.opening SET refusal = 'nietGemachtigd' WHERE number = 2",
}
SHAPES = {"what was asked": "UPDATE register.question_shape SET rubrieken = '010110'"}
CLOSINGS = {
    "outcome": "UPDATE register.closing SET outcome = 'niet_verzonden' WHERE number = 2",
    "answer": "UPDATE register.closing SET sealed = '\\x01' WHERE number = 2",
    "person away": "DELETE FROM register.person WHERE id = (SELECT id FROM register.closing WHERE number = 2)",
    "person added": "INSERT INTO register.person (tenant_id, person, id) SELECT tenant_id, gen_random_uuid(), id "
    "FROM register.closing WHERE number = 2",
    "person exchanged": "UPDATE register.person SET person = gen_random_uuid() "
    "WHERE id = (SELECT id FROM register.closing WHERE number = 2)",
}
WIJZIGINGEN = {
    "after": 'UPDATE registry.wijziging SET after = after || \'{"name": "iemand anders"}\' WHERE number = 2',
    "actor": "UPDATE registry.wijziging SET actor = 'niemand' WHERE number = 2",
}
ALTERED = {**OPENINGS, **SHAPES, **CLOSINGS, **WIJZIGINGEN}
KINDS = {
    **dict.fromkeys([*OPENINGS, *SHAPES], "opening"), **dict.fromkeys(CLOSINGS, "closing"),
    **dict.fromkeys(WIJZIGINGEN, "wijziging"),
}  # fmt: skip


async def alter(admin, what: str) -> str:
    """Do as a superuser can: the triggers that hold history are no hindrance. Return the kind of row."""
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        done = await admin.execute(ALTERED[what])
    assert done.rpartition(" ")[2] == "1", f"{what} altered no row"
    return KINDS[what]


@pytest.mark.parametrize("what", ALTERED)
async def test_a_sealed_row_whose_content_was_altered_halts_the_signing_of_that_tree_alone(
    calls, sealing, signer, world, other, admin, what
):
    await calls.record(world, 4)
    await seal(sealing)
    await sign_all(sealing, signer)
    kind = await alter(admin, what)
    await calls.record(world)
    await calls.record(other)
    await seal(sealing)
    await sign_all(sealing, signer, samples=MANY)
    found = await faults(admin)
    assert found
    for tenant_id, code, place in found:
        assert (tenant_id, code, f", {kind} " in place) == (found[0][0], "row_altered", True)
    halted = await admin.fetch("SELECT tenant_id FROM register.tree WHERE halted_at IS NOT NULL")
    assert [row["tenant_id"] for row in halted] == [found[0][0]]
    sizes = "SELECT t.size = max(c.size) FROM register.tree t JOIN register.checkpoint c USING (tenant_id) WHERE tenant_id = $1 GROUP BY t.size"
    for one in (world.tenant_id, other.tenant_id):
        assert await admin.fetchval(sizes, one) is (one != found[0][0])


@pytest.mark.parametrize("what", ["ontvanger", "sealed", "answer", "person away", "after"])
async def test_a_row_that_was_altered_before_it_was_sealed_is_sealed_by_its_hash_and_told(
    calls, sealing, signer, world, admin, what
):
    await calls.record(world, 4)
    kind = await alter(admin, what)
    await seal(sealing)
    ((tenant_id, code, place),) = await faults(admin)
    assert (tenant_id, code) == (world.tenant_id, "row_altered")
    assert f", {kind} " in place
    assert await sign_all(sealing, signer) == []
    # Told by the name that the look before a signature gives it: once answered for, it halts no more.
    await sealing.fetchval("SELECT register.resolve_seal_faults($1, 'officier', 'onderzocht')", world.tenant_id)
    assert await sign_all(sealing, signer, samples=MANY) == [True]
    assert len(await faults(admin)) == 1


async def test_another_row_than_the_one_that_was_answered_for_halts_again(calls, sealing, signer, world, admin):
    await calls.record(world, 4)
    await seal(sealing)
    await alter(admin, "ontvanger")
    assert await sign_all(sealing, signer, samples=MANY) == [False]
    await sealing.fetchval("SELECT register.resolve_seal_faults($1, 'officier', 'onderzocht')", world.tenant_id)
    await alter(admin, "answer")
    assert await sign_all(sealing, signer, samples=MANY) == [False]
    assert [code for _, code, _ in await faults(admin)] == ["row_altered", "row_altered"]


async def test_what_nobody_altered_is_whole_whatever_it_holds(calls, sealing, signer, world, other, admin):
    """Texts that JSON writes in more than one way, calls without persons, refusals, and two tenants in one batch."""
    text = 'a "b" \\ c\u2028 é \u0001 €'
    for one in (world, other):
        await calls.record(one, 3, question_type=text, operation=text)
        await calls.open(one, refusal=text)
        rows = await calls.open(one, 2, trace_id=None, user_index=None)
        await calls.close(one, rows, code=text, status=None)
    await admin.execute(
        "INSERT INTO registry.wijziging (tenant_id, actor, action, object, after) VALUES ($1, 'iemand', 'insert', 'proef', to_jsonb($2::text))",
        world.tenant_id, text,
    )  # fmt: skip
    await seal(sealing)
    assert await sign_all(sealing, signer, samples=MANY) == [True, True]
    assert await faults(admin) == []
