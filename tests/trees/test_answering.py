"""A fault is not dismissed by one: of a tenant that has an auditor, that one consents; and all of it is in the tenant's tree."""

import json

import asyncpg
import pytest

from tenants.notices.rows import read_seal_faults
from tenants.register_faults import decide_answer, list_answers, list_faults
from tenants.scope import tenant_scope
from tenants.sealer.signing import list_unsigned, resolve_faults
from tests.trees.stage import faults, leaves, seal, sign_all

AUDITOR = "auditor/77"


@pytest.fixture
async def halted(calls, sealing, world, admin):
    """A tenant with an auditor, whose tree a fault halts."""
    await admin.execute(
        "INSERT INTO registry.admin_key (tenant_id, role, name, hash, hash_version, valid_until) "
        "VALUES ($1, 'auditor', 'FG', sha256('a'), 1, now() + interval '1 day')",
        world.tenant_id,
    )
    await calls.record(world, 2)
    await seal(sealing)
    await sealing.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 1', true)", world.tenant_id)
    return world


async def decide(connection, world, number, decision="ingestemd", actor=AUDITOR):
    async with tenant_scope(connection, world.tenant_id, actor=actor):
        return await decide_answer(connection, number, decision, "Gezien")


async def test_an_answer_resolves_nothing_before_the_auditor_consents(sealing, signer, registrar, halted):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    assert answered.resolved == 0
    assert await list_unsigned(sealing) == []
    assert await decide(registrar, halted, answered.waiting) == 1
    assert await sign_all(sealing, signer) == [True]
    async with tenant_scope(registrar, halted.tenant_id, actor=AUDITOR):
        (fault,) = await list_faults(registrar, halted.tenant_id, before=None, limit=5)
        (answer,) = await list_answers(registrar, halted.tenant_id, before=None, limit=5)
    assert (fault.resolved_by, fault.reason) == ("command line (root)", "schijf hersteld")
    assert (answer.state, answer.decided_by, answer.faults) == ("ingestemd", AUDITOR, (fault.number,))


async def test_an_answer_that_is_refused_leaves_everything_as_it_stood(sealing, registrar, halted, admin):
    first = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="niets aan de hand")
    assert await decide(registrar, halted, first.waiting, "geweigerd") == 0
    assert await list_unsigned(sealing) == []
    assert await admin.fetchval("SELECT count(*) FROM register.seal_fault WHERE resolved_at IS NULL") == 1
    with pytest.raises(Exception, match="no such answer"):
        await decide(registrar, halted, first.waiting)


@pytest.mark.parametrize("who", ["operator/1", "beheerder/2", "auditor/3 (voorstel 4)", "command line (root)"])
async def test_nobody_but_the_auditor_itself_consents(sealing, registrar, halted, who):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await decide(registrar, halted, answered.waiting, actor=who)


async def test_the_auditor_of_another_tenant_does_not_consent(sealing, registrar, halted, other):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    with pytest.raises(Exception, match="no such answer"):
        await decide(registrar, other, answered.waiting)


async def test_what_was_found_after_the_answer_halts_still(sealing, registrar, halted):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    await sealing.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 2', true)", halted.tenant_id)
    assert await decide(registrar, halted, answered.waiting) == 1
    assert await list_unsigned(sealing) == []


async def test_a_later_answer_takes_the_place_of_the_one_that_waits(sealing, registrar, halted):
    first = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    second = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="beter uitgezocht")
    assert second.waiting not in {None, first.waiting}
    with pytest.raises(Exception, match="no such answer"):
        await decide(registrar, halted, first.waiting)


async def test_a_tenant_without_auditor_is_answered_for_at_once(calls, sealing, signer, world):
    await calls.record(world)
    await seal(sealing)
    await sealing.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 1', true)", world.tenant_id)
    answered = await resolve_faults(sealing, world.oin, actor="command line (root)", reason="schijf hersteld")
    assert (answered.resolved, answered.waiting) == (1, None)
    assert await sign_all(sealing, signer) == [True]


async def test_fault_answer_and_consent_are_leaves_of_the_tenants_own_tree(sealing, registrar, halted, admin):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    await decide(registrar, halted, answered.waiting)
    await seal(sealing)
    numbers = [number for kind, number in await leaves(admin, halted.tenant_id) if kind == "wijziging"]
    rows = await admin.fetch(
        "SELECT object, action, actor, after FROM registry.wijziging WHERE tenant_id = $1 AND number = ANY($2) "
        "AND object IN ('seal_fault', 'fout_antwoord') ORDER BY number",
        halted.tenant_id, numbers,
    )  # fmt: skip
    assert [(row["object"], row["action"], row["actor"]) for row in rows] == [
        ("seal_fault", "insert", "sealer"),
        ("fout_antwoord", "insert", "command line (root)"),
        ("fout_antwoord", "update", AUDITOR),
        ("seal_fault", "update", AUDITOR),
    ]
    assert json.loads(rows[-1]["after"])["resolved_by"] == "command line (root)"


async def test_a_fault_that_was_answered_before_anybody_looked_is_told_all_the_same(sealing, registrar, halted):
    answered = await resolve_faults(sealing, halted.oin, actor="command line (root)", reason="schijf hersteld")
    told = {(fact.kind, fact.tenant_id) for fact in await read_seal_faults(sealing)}
    assert told == {("register_fout", halted.tenant_id), ("foutantwoord_wacht", halted.tenant_id)}
    await decide(registrar, halted, answered.waiting)
    told = {(fact.kind, fact.tenant_id) for fact in await read_seal_faults(sealing)}
    assert told == {("register_fout", halted.tenant_id), ("register_fout_beantwoord", halted.tenant_id)}


async def test_what_is_altered_by_the_thousand_is_not_told_by_the_thousand(sealing, world, admin):
    await sealing.execute(
        "SELECT register.note_seal_fault($1, 'row_altered', 'leaf ' || n, true) FROM generate_series(1, 1000) n",
        world.tenant_id,
    )
    assert len(await faults(admin)) == 200
    await sealing.execute("SELECT register.note_seal_fault($1, 'row_missing', 'opening 3', false)", world.tenant_id)
    assert len(await faults(admin)) == 201
