"""Gateways killed at any moment; and the comparison itself, which must notice what it is for."""

import asyncio
import dataclasses
import random
from functools import partial
from uuid import UUID

import pytest

from gateway.simulator.seen import Seen
from tests.e2e.ledgers import (
    Called,
    Caller,
    CheckingLog,
    Row,
    assert_ledgers_agree,
    check_ledgers,
    read_orphans,
    read_register,
    unique_question,
    until,
    wait_for_silence,
)
from tests.world import GatewayProcess, Member, world


async def test_gateways_killed_at_any_moment_under_load_leave_three_ledgers_that_agree(database, tmp_path, caller):
    orphans = 0
    async with world(database, tmp_path / "world") as here:
        log = here.simulator.seen = CheckingLog(database)
        members = await here.add_members(6)
        for number in range(4):
            gateway = await here.start_gateway(f"victim-{number}")
            begun = len(caller.ledger)
            load = [asyncio.create_task(_call_until_broken(caller, gateway, member)) for member in members * 4]
            await until(partial(_has_called, caller, begun + 100), 20)
            await asyncio.sleep(random.uniform(0.0, 0.05))
            gateway.kill()
            await gateway.process.wait()
            await asyncio.gather(*load)
            await wait_for_silence(database)
            await check_ledgers(here, caller)
            assert log.unopened == []
            orphans = len(await read_orphans(database))
        log.close()
    statuses = {one.status for one in caller.ledger}
    assert statuses == {200, None}
    # Twenty-four calls were under way each time: had none been caught between its rows, this would prove nothing.
    assert orphans > 0


async def _call_until_broken(caller: Caller, gateway: GatewayProcess, member: Member) -> None:
    while (await caller.call(gateway.url, member, unique_question())).status is not None:
        pass


def _has_called(caller: Caller, times: int) -> bool:
    return len(caller.ledger) >= times


async def test_the_comparison_of_the_ledgers_notices_what_it_is_for(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateway() as url:
            called = await caller.call(url, member)
        (row,), (seen,) = await read_register(database), here.seen()
    assert called.status == 200
    assert_ledgers_agree([called], [seen], [row], set())
    unclosed = dataclasses.replace(row, outcome=None, status=None, closed_at=None)
    orphan = (row.tenant_id, row.id)
    wrong: list[tuple[list[Called], list[Seen], list[Row], set[tuple[int, UUID]]]] = [
        ([called], [], [], set()),
        ([called], [seen], [dataclasses.replace(unclosed, running=True)], {orphan}),
        ([], [seen], [], set()),
        ([], [seen, seen], [row], set()),
        ([], [seen], [dataclasses.replace(row, outcome="niet_verzonden")], set()),
        ([], [dataclasses.replace(seen, time=seen.time - 1.0)], [row], set()),
        ([], [], [unclosed], {orphan}),
        ([], [], [dataclasses.replace(unclosed, running=True)], set()),
        ([], [], [dataclasses.replace(row, running=True)], set()),
    ]
    for ledgers in wrong:
        with pytest.raises(AssertionError):
            assert_ledgers_agree(*ledgers)
