"""Whatever terms, stops, months and crashes: nothing within its term or held ever goes, all else does, the tree always verifies."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from tenants.retention.rounds import Pace
from tests.retention.stage import THIS_YEAR, Past

MONTHS = [date(THIS_YEAR - back, month, 1) for back in (1, 3, 4, 6) for month in (2, 9)]


@pytest.mark.parametrize("seed", range(3))
async def test_what_may_go_goes_and_nothing_else(past: Past, connect, tmp_path, seed):
    random = Random(seed)
    years = random.choice((2, 3, 5))
    await past.keeps(years)
    calls = {month: set(await past.had(month, random.randint(1, 4))) for month in MONTHS}
    await past.seal()
    kept = await past.newest()
    held = await set_stops(past, random, calls)
    now = datetime.now(UTC)
    stays = set(held)
    for month, ids in calls.items():
        after = (month + timedelta(days=32)).replace(day=1)
        if datetime(after.year + years, after.month, 1, tzinfo=UTC) > now:
            stays |= ids
    everything = set().union(*calls.values())
    pace = Pace(backup_days=0, step=random.randint(1, 5), of_a_proof=random.randint(1, 6), pause=0.0)
    for _ in range(4):
        await crash(past, connect, random, pace)
        assert stays <= await standing(past)
        assert (await past.verify(kept)).faults == ()
    await past.destroy(pace, rounds=20)
    assert await standing(past) & everything == stays
    verdict = past.judge(await past.export(tmp_path / "export"), kept)
    assert verdict.faults == ()
    assert verdict.tally.proved == 2 * len(everything - stays)


async def set_stops(past: Past, random: Random, calls: dict[date, set[UUID]]) -> set[UUID]:
    """Some of each kind; returns what they hold."""
    held: set[UUID] = set()
    for month in random.sample(MONTHS, 2):
        began = datetime(month.year, month.month, 1, tzinfo=UTC)
        if random.random() < 0.5:
            await past.set_stop(period=(began, began + timedelta(days=31)))
            held |= calls[month]
        else:
            one = random.choice(sorted(calls[month]))
            person = await past.admin.fetchval("SELECT person FROM register.person WHERE id = $1", one)
            await past.set_stop(period=(began, began + timedelta(days=31)), subjects=[person])
            held.add(one)
    return held


async def crash(past: Past, connect, random: Random, pace: Pace) -> None:
    """Some steps of a session that is lost in the midst of one; sometimes the tree is sealed meanwhile."""
    session = await connect("sealer")
    for row in await session.fetch(
        "SELECT maand FROM register.months_to_destroy($1, now()) WHERE soort = 'protocolregels'", past.world.tenant_id
    ):
        number = await session.fetchval(
            "SELECT register.begin_vernietiging($1, $2, 0, $3, 'sealer')",
            past.world.tenant_id,
            row["maand"],
            pace.of_a_proof,
        )
        if number is not None and random.random() < 0.7:
            await session.fetchval("SELECT register.destroy_rows($1, $2, $3)", past.world.tenant_id, number, pace.step)
    await session.execute("BEGIN")
    under_way = await session.fetchval("SELECT number FROM register.vernietiging WHERE finished_at IS NULL LIMIT 1")
    if under_way is not None:
        await session.fetchval("SELECT register.destroy_rows($1, $2, 5)", past.world.tenant_id, under_way)
    session.terminate()
    if random.random() < 0.7:
        await past.seal()


async def standing(past: Past) -> set[UUID]:
    rows = await past.admin.fetch(
        "SELECT o.id FROM register.opening o JOIN register.closing c USING (tenant_id, id) JOIN register.person p USING (tenant_id, id)"
    )
    return {row["id"] for row in rows}
