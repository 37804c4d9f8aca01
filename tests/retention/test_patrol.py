"""A round over what was sealed long ago takes what went with proof for what it is, and nothing else."""

from datetime import timedelta

import pytest

from tenants.sealer.patrol import list_rounds, take_step
from tests.retention.stage import Past
from tests.retention.test_destroying import OLD


async def walk(past: Past) -> int:
    """A whole round, now; return how many leaves it looked at."""
    await past.admin.execute("UPDATE register.patrol SET began_at = began_at - interval '1 year'")
    rows = 0
    while due := await list_rounds(past.sealing, timedelta(days=15)):
        rows += (await take_step(past.sealing, past.signer, due[0], 5)).rows
    return rows


async def faults(past: Past) -> list[tuple[str, str]]:
    return [tuple(row) for row in await past.admin.fetch("SELECT code, place FROM register.seal_fault ORDER BY number")]


async def test_a_round_during_and_after_a_destruction_finds_nothing_wrong(past: Past):
    await past.had(OLD, 6)
    await past.seal()
    # Begun before the proof was written: the proof stands beyond the leaves that the round is about.
    for _ in range(2):
        due = await list_rounds(past.sealing, timedelta(days=15))
        await take_step(past.sealing, past.signer, next(one for one in due if one.tenant_id == past.world.tenant_id), 1)
    await past.destroy()
    assert await past.count("opening", OLD) == 0
    assert await walk(past) > 0
    assert await walk(past) >= 12
    assert await faults(past) == []


@pytest.mark.parametrize("table", ["opening", "closing"])
async def test_a_row_that_went_beside_those_with_proof_is_found(past: Past, table: str):
    await past.had(OLD, 3)
    await past.seal()
    await past.destroy()
    (kept,) = await past.calls.record(past.world, 1)
    await past.seal()
    await past.admin.execute(f"DELETE FROM register.{table} WHERE id = $1", kept)  # noqa: S608
    await walk(past)
    found = await faults(past)
    # A closing says what its opening hashed to.
    expected = ["row_vanished"] if table == "closing" else ["row_vanished", "row_altered"]
    assert [code for code, _ in found] == expected
    assert all(str(kept) in place for _, place in found)


async def test_a_proof_that_was_written_over_destroys_nothing(past: Past):
    await past.had(OLD, 3)
    await past.seal()
    await past.destroy()
    async with past.admin.transaction():
        await past.admin.execute("SET LOCAL session_replication_role = replica")
        done = await past.admin.execute(
            "UPDATE registry.wijziging SET after = jsonb_set(after, '{ground}', '\"anders\"') "
            "WHERE object = 'vernietiging' AND action = 'insert'"
        )
    assert done != "UPDATE 0"
    await walk(past)
    assert {code for code, _ in await faults(past)} == {"row_vanished", "row_altered"}
