"""A caller that hangs up and a gateway that is told to stop: neither leaves a call half recorded."""

import asyncio

import aiohttp
import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.e2e.ledgers import Caller, Row, check_ledgers, read_register, unique_question, until
from tests.world import GatewayProcess, Member, world

SLOW = FaultRule(FaultKind.SLOW, Match(api="personen"), seconds=0.6)


async def hang_up(caller: Caller, gateway: GatewayProcess, member: Member, has_arrived: asyncio.Event) -> None:
    """Make a call and close the connection while RvIG works on it."""
    task = asyncio.create_task(caller.call(gateway.url, member, unique_question()))
    await has_arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_that_hangs_up_is_recorded_like_any_other(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateways(1) as (gateway,):
            here.simulator.faults.add(SLOW)
            has_arrived = asyncio.Event()
            calls = [asyncio.create_task(hang_up(caller, gateway, member, has_arrived)) for _ in range(5)]
            await until(lambda: len(here.seen()) == 5)
            has_arrived.set()
            await asyncio.gather(*calls)

            async def are_closed() -> bool:
                rows = await read_register(database)
                return len(rows) == 5 and all(row.outcome is not None for row in rows)

            await until(are_closed)
            rows = await check_ledgers(here, caller)
    assert {(row.outcome, row.status, row.persons) for row in rows} == {("beantwoord", 200, 1)}


async def test_a_gateway_that_is_told_to_stop_ends_its_calls_first(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(4)
        async with here.gateways(1) as (gateway,):
            here.simulator.faults.add(SLOW)
            calls = [asyncio.create_task(caller.call(gateway.url, one, unique_question())) for one in members * 5]
            await until(lambda: len(here.seen()) == 20)
            status = await gateway.stop()
            called = await asyncio.gather(*calls)
            with pytest.raises(aiohttp.ClientConnectorError):
                await caller.session.get(gateway.url)
        rows = await check_ledgers(here, caller)
    assert status == 0
    assert [one.status for one in called] == [200] * 20
    assert {row.outcome for row in rows} == {"beantwoord"}


async def test_gateways_replaced_under_load_lose_nothing(database, tmp_path, caller):
    """As a rolling update does: the new one is there before the old one is told to stop."""
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(4)
        current = await here.start_gateway("version-0")
        urls = [current.url]
        over = asyncio.Event()

        async def load(member: Member) -> None:
            while not over.is_set():
                await caller.call(urls[-1], member, unique_question())

        tasks = [asyncio.create_task(load(one)) for one in members * 3]
        for number in (1, 2):
            replacement = await here.start_gateway(f"version-{number}")
            urls.append(replacement.url)
            assert await current.stop() == 0
            current = replacement
        over.set()
        await asyncio.gather(*tasks)
        assert await current.stop() == 0
        rows = await check_ledgers(here, caller)
    _assert_answered_or_never_heard(caller, rows)


def _assert_answered_or_never_heard(caller: Caller, rows: list[Row]) -> None:
    """A kept-alive connection that the old gateway closes as a request leaves is the only thing that may break."""
    assert not [row for row in rows if row.outcome != "beantwoord"]
    broken = {one.trace for one in caller.ledger if one.status is None}
    assert {one.status for one in caller.ledger} - {None} == {200}
    assert len(broken) < 20
    assert broken.isdisjoint({row.trace_id for row in rows})
