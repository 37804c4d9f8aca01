"""What has had its term goes, month by month, with a proof that was signed first; nothing else does."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import asyncpg
import pytest

from tenants.export.archive import ArchiveError
from tenants.export.running import Wish, export_register
from tenants.verify.running import verify_live
from tests.retention.stage import THIS_YEAR, Past

OLD = date(THIS_YEAR - 4, 3, 1)
RECENT = date(THIS_YEAR - 1, 3, 1)


async def test_a_month_that_has_had_its_term_goes_whole_and_another_stays(past: Past):
    await past.had(OLD, 12)
    await past.had(RECENT, 3)
    await past.seal()
    keys = await past.admin.fetchval("SELECT count(*) FROM register.data_key")
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    assert await past.counts(RECENT) == (3, 3, 3)
    assert await past.admin.fetchval("SELECT count(*) FROM register.data_key") == keys - 12
    proof = await past.admin.fetchrow("SELECT * FROM register.vernietiging")
    assert (proof["ground"], proof["soort"], proof["retention_years"]) == ("bewaartermijn", "protocolregels", 2)
    assert (proof["openings"], proof["closings"], proof["persons"], proof["data_keys"]) == (12, 12, 12, 12)
    assert (proof["backups_until"] - proof["finished_at"]).days == 35
    assert proof["definitief_at"] is None


async def test_the_register_is_whole_before_between_and_after(past: Past, tmp_path):
    await past.had(OLD, 9)
    await past.had(RECENT, 2)
    await past.seal()
    kept = await past.newest()
    assert (await past.verify()).faults == ()
    await past.export(tmp_path / "before")
    await past.destroy(rounds=1)
    assert (await past.verify(kept)).faults == ()
    await past.destroy()
    live = await past.verify(kept)
    after = past.judge(await past.export(tmp_path / "after"), kept)
    for verdict in (live, after, past.judge(tmp_path / "before", kept)):
        assert verdict.faults == ()
    for verdict in (live, after):
        assert (verdict.tally.gone, verdict.tally.proved) == (18, 18)
        assert "18 rows were destroyed, with proof" in verdict.notes


async def test_an_export_of_a_period_says_what_of_it_was_destroyed(past: Past, tmp_path):
    await past.had(OLD, 4)
    await past.seal()
    await past.destroy()
    await past.had(RECENT, 4)
    await past.seal()
    period = (past_day(OLD), past_day(RECENT))
    verdict = past.judge(await past.export(tmp_path / "export", period=period))
    assert verdict.faults == ()
    assert verdict.tally.proved == 8


def past_day(month: date):
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime(month.year, month.month, 1, tzinfo=UTC)


async def test_nothing_goes_before_its_proof_is_signed(past: Past):
    await past.had(OLD, 3)
    await past.seal()
    number = await past.sealing.fetchval(
        "SELECT register.begin_vernietiging($1, $2, 35, 100, 'x')", past.world.tenant_id, OLD
    )
    step = "SELECT register.destroy_rows($1, $2, 100)"
    assert await past.sealing.fetchval(step, past.world.tenant_id, number) == "wacht"
    assert await past.counts(OLD) == (3, 3, 3)
    await past.seal()
    assert await past.sealing.fetchval(step, past.world.tenant_id, number) == "bezig"
    assert await past.counts(OLD) == (0, 0, 0)


async def test_nothing_goes_while_a_fault_halts_the_tree(past: Past):
    await past.had(OLD, 3)
    await past.seal()
    await past.destroy(rounds=1)
    await past.admin.execute("UPDATE register.tree SET halted_at = now()")
    await past.destroy()
    assert await past.counts(OLD) == (3, 3, 3)


async def test_a_gemeente_keeps_twenty_years_whatever_its_term_says(past: Past):
    await past.admin.execute("UPDATE registry.tenant SET kind = 'gemeente', retention_years = 1")
    await past.had(OLD, 2)
    await past.had(date(THIS_YEAR - 22, 5, 1), 2)
    await past.seal()
    await past.destroy()
    assert await past.counts(OLD) == (2, 2, 2)
    assert await past.counts(date(THIS_YEAR - 22, 5, 1)) == (0, 0, 0)


async def test_a_call_without_closing_goes_with_its_month(past: Past):
    await past.had(OLD, 2, closed=False)
    await past.had(OLD, 1)
    await past.seal()
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    assert await past.admin.fetchval("SELECT count(*) FROM register.running") == 0
    assert (await past.verify()).faults == ()


async def test_another_tenant_keeps_what_its_own_term_says(past: Past, other):
    await past.keeps(50, other)
    await past.had(OLD, 2)
    await past.had(OLD, 2, world=other)
    await past.seal()
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    assert await past.counts(OLD, other) == (2, 2, 2)


async def test_a_large_month_goes_by_several_proofs(past: Past):
    from tenants.retention.rounds import Pace  # noqa: PLC0415

    await past.had(OLD, 9)
    await past.seal()
    await past.destroy(Pace(backup_days=0, step=4, of_a_proof=5, pause=0.0), rounds=9)
    assert await past.counts(OLD) == (0, 0, 0)
    assert await past.admin.fetchval("SELECT count(*) FROM register.vernietiging") == 2
    assert (await past.verify()).faults == ()


async def test_a_destruction_counts_when_the_last_backup_has_expired(past: Past, connect):
    await past.had(OLD, 1)
    await past.seal()
    await past.destroy()
    confirm = "SELECT register.confirm_vernietigingen()"
    assert await past.sealing.fetchval(confirm) == 0
    # Thirty-five days later.
    await past.admin.execute("ALTER TABLE register.vernietiging DISABLE TRIGGER note_change")
    await past.admin.execute("UPDATE register.vernietiging SET backups_until = now() - interval '1 second'")
    await past.admin.execute("ALTER TABLE register.vernietiging ENABLE TRIGGER note_change")
    assert await past.sealing.fetchval(confirm) == 1
    assert await past.sealing.fetchval(confirm) == 0
    assert await past.admin.fetchval("SELECT definitief_at IS NOT NULL FROM register.vernietiging")
    said = await past.admin.fetchval(
        "SELECT after ->> 'definitief_at' FROM registry.wijziging WHERE object = 'vernietiging' ORDER BY number DESC LIMIT 1"
    )
    assert said is not None


async def test_it_goes_on_after_a_session_that_was_lost(past: Past, connect):
    await past.had(OLD, 8)
    await past.seal()
    await past.destroy(rounds=1)
    number = await past.admin.fetchval("SELECT number FROM register.vernietiging")
    crashing: asyncpg.Connection = await connect("sealer")
    await crashing.fetchval("SELECT register.destroy_rows($1, $2, 5)", past.world.tenant_id, number)
    transaction = crashing.transaction()
    await transaction.start()
    await crashing.fetchval("SELECT register.destroy_rows($1, $2, 5)", past.world.tenant_id, number)
    crashing.terminate()
    # Of a leaf that is an opening all of its call went.
    assert 0 < sum(await past.counts(OLD)) < 24
    one, two, three = await past.counts(OLD)
    assert one == two == three
    assert (await past.verify()).faults == ()
    await past.destroy()
    assert await past.counts(OLD) == (0, 0, 0)
    assert (await past.verify()).faults == ()


async def test_what_is_destroyed_while_someone_verifies_is_no_fault(past: Past, database):
    """The proof is signed and the rows go after the verification has read its first lines."""
    await past.calls.record(past.world, 260)
    await past.seal()
    await past.had(OLD, 3)
    await past.seal()
    destroyed: list[bool] = []

    async def destroy() -> None:
        sealing = await asyncpg.connect(database.url("sealer"))
        await dataclasses.replace(past, sealing=sealing).destroy()
        await sealing.close()

    def destroy_once(_done: int, _all: int) -> None:
        if not destroyed:
            destroyed.append(True)
            # On a thread of its own, while the verification waits here.
            with ThreadPoolExecutor(1) as one:
                one.submit(asyncio.run, destroy()).result()

    trust = past.trust()
    verdict = await verify_live(past.reader, past.world.oin, trust, destroy_once, reason="controle", actor="auditor")
    assert await past.counts(OLD) == (0, 0, 0)
    assert verdict.faults == ()
    assert verdict.tally.proved == 6


async def test_an_export_of_which_something_was_destroyed_meanwhile_is_not_completed(past: Past, tmp_path):
    await past.had(OLD, 3)
    await past.seal()
    target = tmp_path / "export"
    wish = Wish(past.world.oin, "overdracht", "auditor", lines_per_file=4)
    stopped = False

    def stop_once(_done: int, _all: int) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await export_register(past.reader, wish, target, stop_once)
    await past.destroy()
    with pytest.raises(ArchiveError, match="destroyed meanwhile"):
        await export_register(past.reader, wish, target, stop_once)
