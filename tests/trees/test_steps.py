"""The hashes of a batch are made again in steps, and no row falls between two of them."""

import pytest

from tenants.sealer.growing import Row
from tenants.sealer.rehashing import find_altered

ALTER = "UPDATE register.opening SET ontvanger = 'Gemeente Elders' WHERE number = ANY ($1)"
ROWS = "SELECT tenant_id, id AS number, hash, 0 AS tx FROM register.opening ORDER BY number"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 8])
async def test_an_altered_row_is_found_in_whichever_step_it_falls(calls, sealing, world, admin, step):
    await calls.record(world, 7)
    rows = [Row(**row) for row in await admin.fetch(ROWS)]
    assert await find_altered(sealing, "opening", rows, step=step) == set()
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute(ALTER, [1, 4, 7])
    altered = {(rows[at].tenant_id, rows[at].number) for at in (0, 3, 6)}
    assert await find_altered(sealing, "opening", rows, step=step) == altered


async def test_a_row_that_is_gone_is_found_and_no_rows_are_nothing(calls, sealing, world, admin):
    await calls.record(world, 5)
    rows = [Row(**row) for row in await admin.fetch(ROWS)]
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute("DELETE FROM register.opening WHERE number = 3")
    assert await find_altered(sealing, "opening", rows, step=2) == {(rows[2].tenant_id, rows[2].number)}
    assert await find_altered(sealing, "opening", []) == set()
