"""A destruction proves what was sealed: a row that was altered is not destroyed with a proof, and stops the destroying."""

import pytest

from tests.retention.stage import Past
from tests.retention.test_destroying import OLD
from tests.trees.test_altered import CLOSINGS, OPENINGS

ALTERED = {**OPENINGS, **CLOSINGS}


async def alter(past: Past, what: str) -> None:
    await past.admin.execute(
        ALTERED[what].replace("number = 2", "number = 2 AND id < register.uuid_floor(now() - interval '1 year')")
    )


@pytest.mark.parametrize("what", ["ontvanger", "sealed", "outcome", "person away", "person exchanged"])
async def test_an_altered_row_gets_no_proof_and_halts_every_destruction_until_it_is_answered_for(past: Past, what: str):
    month = OLD
    await past.had(month, 4)
    await past.seal()
    await alter(past, what)
    await past.destroy()
    assert await past.count("opening", month) == 4
    (fault,) = await past.admin.fetch("SELECT code, place, halts FROM register.seal_fault")
    assert (fault["code"], fault["halts"]) == ("row_altered", True)
    assert await past.admin.fetchval("SELECT count(*) FROM register.tree WHERE halted_at IS NOT NULL") == 1

    await past.sealing.fetchval(
        "SELECT register.resolve_seal_faults($1, 'officier', 'onderzocht')", past.world.tenant_id
    )
    await past.seal()
    await past.destroy(rounds=5)
    # The other calls had their term; the altered one stays, and no proof names it.
    assert await past.count("opening", month) == 1
    assert await past.count("closing", month) == 1
    verdict = await past.verify()
    assert {one.code for one in verdict.faults} == {"altered_row"}
