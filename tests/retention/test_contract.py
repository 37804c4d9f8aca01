"""The end of a contract: nothing goes before the tenant's own auditor has confirmed what it received; then everything does."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tenants.faults import InputRefused
from tenants.retention.contract import Kind, digest_of, is_destroyed, list_steps, note_step
from tests.retention.stage import THIS_YEAR, Past, month_of

RECENT = date(THIS_YEAR - 1, 3, 1)
NOW = month_of(datetime.now(UTC))
OPERATOR, AUDITOR = "command line (root)", "auditor/3"


@pytest.fixture
async def ending(past: Past, tmp_path):
    """Exported and handed over; only the confirmation is missing."""
    await past.had(RECENT, 3)
    await past.calls.record(past.world, 2)
    await past.seal()
    await past.admin.execute("UPDATE registry.tenant SET state = 'ended' WHERE tenant_id = $1", past.world.tenant_id)
    digest = digest_of(await past.export(tmp_path / "last"))
    size = await past.admin.fetchval(
        "SELECT max(size) FROM register.checkpoint WHERE tenant_id = $1", past.world.tenant_id
    )
    steps: tuple[tuple[Kind, dict[str, Any]], ...] = (
        ("begonnen", {}),
        ("geexporteerd", {"digest": digest, "tree_size": size}),
        ("ontvangen", {"digest": digest, "note": "J. Jansen, FG"}),
    )
    for kind, given in steps:
        await note_step(past.reader, past.world.tenant_id, kind, actor=OPERATOR, **given)
    return past, digest


async def test_without_the_auditors_word_nothing_goes(ending):
    past, digest = ending
    with pytest.raises(InputRefused, match="auditor"):
        await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=OPERATOR, digest=digest)
    with pytest.raises(InputRefused, match="another archive"):
        await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=b"x" * 32)
    await past.destroy()
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((3, 3, 3), (2, 2, 2))


async def test_after_it_everything_goes_with_proof_and_the_tree_stays(ending, tmp_path):
    past, digest = ending
    tenant_id = past.world.tenant_id
    await note_step(past.reader, tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    await past.seal()
    await past.destroy(rounds=6)
    await past.destroy(rounds=2)
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((0, 0, 0), (0, 0, 0))
    for table in ("register.data_key", "register.reading", "registry.tenant_key WHERE destroyed_at IS NULL AND true"):
        assert await past.admin.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608
    grounds = await past.admin.fetch("SELECT DISTINCT ground FROM register.vernietiging")
    assert [row[0] for row in grounds] == ["contracteinde"]
    horizon = datetime.now(UTC) + timedelta(days=1)
    assert await is_destroyed(past.reader, tenant_id, horizon, actor=OPERATOR)
    await note_step(past.reader, tenant_id, "voltooid", actor=OPERATOR)
    assert [one.kind for one in await list_steps(past.reader, tenant_id, actor=AUDITOR)][-2:] == [
        "bevestigd",
        "voltooid",
    ]
    assert past.judge(tmp_path / "last").faults == ()
    await past.seal()
    assert (await past.verify()).faults == ()


async def test_a_stop_holds_at_the_end_of_a_contract_too(ending):
    past, digest = ending
    await past.set_stop()
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    await past.destroy()
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((3, 3, 3), (2, 2, 2))


async def test_a_confirmation_that_was_withdrawn_destroys_nothing(ending):
    past, digest = ending
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    await note_step(past.reader, past.world.tenant_id, "ingetrokken", actor=AUDITOR, note="Toch niet")
    await past.destroy()
    assert await past.counts(RECENT) == (3, 3, 3)


async def turn(past: Past, state: str) -> None:
    await past.admin.execute("UPDATE registry.tenant SET state = $2 WHERE tenant_id = $1", past.world.tenant_id, state)


async def test_a_tenant_that_has_not_ended_keeps_its_register_whatever_is_confirmed(ending):
    past, digest = ending
    await turn(past, "active")
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    await past.destroy()
    assert await past.counts(RECENT) == (3, 3, 3)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await past.sealing.fetchval(
            "SELECT register.begin_vernietiging($1, $2, 0, 9, 'x')", past.world.tenant_id, RECENT
        )


async def test_a_call_that_the_confirmed_archive_does_not_hold_stays_and_is_told_of(ending):
    past, digest = ending
    await turn(past, "active")
    await past.calls.record(past.world, 4)
    await past.seal()
    await turn(past, "ended")
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    planned = await past.sealing.fetch(
        "SELECT rows, held FROM register.plan_vernietiging($1, now() + interval '1 day') WHERE soort = 'protocolregels'",
        past.world.tenant_id,
    )
    assert sum(row["held"] for row in planned) == 8
    await past.seal()
    await past.destroy(rounds=6)
    assert (await past.counts(RECENT), await past.counts(NOW)) == ((0, 0, 0), (4, 4, 4))
    horizon = datetime.now(UTC) + timedelta(days=1)
    assert not await is_destroyed(past.reader, past.world.tenant_id, horizon, actor=OPERATOR)
    # What is kept can still be read: its key is not destroyed.
    assert await past.admin.fetchval("SELECT count(*) FROM registry.tenant_key WHERE destroyed_at IS NULL") > 0
    await past.seal()
    assert (await past.verify()).faults == ()


@pytest.mark.parametrize("last", ["bevestigd", "voltooid"])
async def test_a_tenant_that_gave_its_register_up_comes_back_only_when_that_is_taken_back(ending, last):
    past, digest = ending
    await note_step(past.reader, past.world.tenant_id, "bevestigd", actor=AUDITOR, digest=digest, note="Akkoord")
    if last == "voltooid":
        await note_step(past.reader, past.world.tenant_id, "voltooid", actor=OPERATOR)
    with pytest.raises(asyncpg.CheckViolationError, match="gave its register up"):
        await turn(past, "active")
    if last == "bevestigd":
        await note_step(past.reader, past.world.tenant_id, "ingetrokken", actor=AUDITOR, note="Toch niet")
        await turn(past, "active")
