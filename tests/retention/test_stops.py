"""A stop stops destruction exactly: of everything, of a period, of one person; and only two together lift it."""

from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from tenants.retention.stops import list_stops, take_step
from tests.retention.stage import THIS_YEAR, Past

OLD = date(THIS_YEAR - 4, 3, 1)
OLDER = date(THIS_YEAR - 5, 3, 1)
BEGAN = datetime(OLD.year, 3, 1, tzinfo=UTC)


async def test_a_stop_on_everything_holds_everything_until_two_have_lifted_it(past: Past):
    await past.had(OLD, 3)
    await past.seal()
    stop = await past.set_stop()
    await past.destroy()
    assert await past.counts(OLD) == (3, 3, 3)
    tenant_id = past.world.tenant_id
    await take_step(past.reader, tenant_id, stop, "opheffing_gevraagd", "Zaak gesloten", actor="auditor/1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await take_step(past.reader, tenant_id, stop, "opgeheven", "Akkoord", actor="auditor/1")
    await past.destroy()
    assert await past.counts(OLD) == (3, 3, 3)
    await take_step(past.reader, tenant_id, stop, "opgeheven", "Akkoord", actor="auditor/2")
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    (shown,) = await list_stops(past.reader, tenant_id, actor="auditor/1")
    assert not shown.stands
    assert [one.kind for one in shown.steps] == ["opheffing_gevraagd", "opgeheven"]


@pytest.mark.parametrize(
    "kinds",
    [("opgeheven",), ("geweigerd",), ("opheffing_gevraagd", "opheffing_gevraagd"),
     ("opheffing_gevraagd", "geweigerd", "opgeheven"), ("opheffing_gevraagd", "opgeheven", "opheffing_gevraagd")],
    ids="-".join,
)  # fmt: skip
async def test_a_step_that_does_not_follow_is_refused(past: Past, kinds):
    stop = await past.set_stop()
    *before, last = kinds
    for at, kind in enumerate(before):
        await take_step(past.reader, past.world.tenant_id, stop, kind, "Reden", actor=f"auditor/{at}")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await take_step(past.reader, past.world.tenant_id, stop, last, "Reden", actor="auditor/9")


async def test_a_stop_of_one_tenant_holds_nothing_of_another_and_is_not_its_to_lift(past: Past, other):
    await past.keeps(2, other)
    await past.had(OLD, 1)
    await past.had(OLD, 1, world=other)
    await past.seal()
    stop = await past.set_stop()
    await past.destroy()
    assert (await past.counts(OLD), await past.counts(OLD, other)) == ((1, 1, 1), (0, 0, 0))
    with pytest.raises((asyncpg.ForeignKeyViolationError, LookupError, Exception), match="no stop"):
        await take_step(past.reader, other.tenant_id, stop, "opheffing_gevraagd", "Reden", actor="auditor/2")


async def test_a_stop_on_a_period_holds_that_period_alone(past: Past):
    await past.had(OLD, 2)
    await past.had(OLDER, 2)
    await past.seal()
    await past.set_stop(period=(BEGAN, BEGAN + timedelta(days=31)))
    await past.destroy()
    assert (await past.counts(OLD), await past.counts(OLDER)) == ((2, 2, 2), (0, 0, 0))


async def test_a_stop_on_a_person_holds_its_calls_and_those_about_nobody_knows_whom(past: Past, tmp_path):
    ids = await past.had(OLD, 6)
    (open_call,) = await past.had(OLD, 1, closed=False)
    unknown = await past.admin.fetchval("SELECT person FROM register.person WHERE id = $1", ids[2])
    rows = await past.calls.open(past.world, 1)
    await past.calls.close(past.world, rows, unidentified=1)
    (vague,) = await past.age([rows[0]["id"]], OLD)
    # Who was refused, and what was sent and not answered, may have been about that person too.
    attempt = await past.calls.open(past.world, 1, refusal="nietGemachtigd")
    unanswered = await past.calls.open(past.world, 1)
    await past.calls.close(past.world, unanswered, outcome="niet_beantwoord", status=None, persons=0)
    refused, silent = [one for made in (attempt, unanswered) for one in await past.age([made[0]["id"]], OLD)]
    await past.seal()
    await past.set_stop(period=(BEGAN, BEGAN + timedelta(days=31)), subjects=[unknown])
    await past.destroy()
    left = {
        row["id"]
        for row in await past.admin.fetch("SELECT id FROM register.opening WHERE opened_at < now() - interval '1 year'")
    }
    assert left == {ids[2], open_call, vague, refused, silent}
    assert await past.counts(OLD) == (5, 3, 3)
    assert (await past.verify()).faults == ()
    assert past.judge(await past.export(tmp_path / "export")).faults == ()


async def test_what_was_held_goes_by_a_second_proof(past: Past, tmp_path):
    ids = await past.had(OLD, 4)
    await past.seal()
    person = await past.admin.fetchval("SELECT person FROM register.person WHERE id = $1", ids[1])
    stop = await past.set_stop(period=(BEGAN, BEGAN + timedelta(days=31)), subjects=[person])
    await past.destroy()
    assert await past.counts(OLD) == (1, 1, 1)
    await take_step(past.reader, past.world.tenant_id, stop, "opheffing_gevraagd", "Klaar", actor="auditor/1")
    await take_step(past.reader, past.world.tenant_id, stop, "opgeheven", "Klaar", actor="auditor/2")
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    verdict = past.judge(await past.export(tmp_path / "export"))
    assert verdict.faults == ()
    assert verdict.tally.proved == 8


async def test_after_a_stop_is_set_no_further_row_goes(past: Past):
    await past.had(OLD, 10)
    await past.seal()
    await past.destroy(rounds=1)
    number = await past.admin.fetchval("SELECT number FROM register.vernietiging")
    step = "SELECT register.destroy_rows($1, $2, 6)"
    assert await past.sealing.fetchval(step, past.world.tenant_id, number) == "bezig"
    before = await past.counts(OLD)
    assert 0 < before[0] < 10
    await past.set_stop()
    while await past.sealing.fetchval(step, past.world.tenant_id, number) != "klaar":
        pass
    assert await past.counts(OLD) == before
    await past.seal()
    assert (await past.verify()).faults == ()


async def test_a_stop_waits_for_the_step_that_is_under_way(past: Past, connect):
    await past.had(OLD, 4)
    await past.seal()
    await past.destroy(rounds=1)
    number = await past.admin.fetchval("SELECT number FROM register.vernietiging")
    async with past.sealing.transaction():
        await past.sealing.fetchval("SELECT register.destroy_rows($1, $2, 2)", past.world.tenant_id, number)
        await past.reader.execute("SET lock_timeout = '100ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await past.set_stop()
    await past.set_stop()
