"""Nobody waits for a neighbour: what hangs, fails or bursts at one tenant is nothing to the others."""

import asyncio

import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.e2e.ledgers import Called, Caller, check_ledgers, unique_question, until
from tests.world import Member, World, world

GENEROUS_SECONDS = 10.0


async def call_all(caller: Caller, url: str, members: list[Member]) -> list[Called]:
    """Ten calls of each, at once."""
    return await asyncio.gather(*(caller.call(url, one, unique_question()) for one in members * 10))


def assert_served(called: list[Called]) -> None:
    assert [one.status for one in called] == [200] * len(called)
    assert max(one.ended - one.began for one in called) < GENEROUS_SECONDS


@pytest.mark.parametrize("api", ["personen", "token"])
async def test_others_are_served_while_rvig_hangs_for_one_tenant(database, tmp_path, caller, api):
    async with world(database, tmp_path / "world") as here:
        victim, *others = await here.add_members(5)
        async with here.gateways(1) as (gateway,):
            match = Match(api=api, client_id=victim.account.client_id)
            here.simulator.faults.add(FaultRule(FaultKind.HANG, match))
            hanging = [asyncio.create_task(caller.call(gateway.url, victim, unique_question())) for _ in range(160)]
            await until(lambda: _has_begun(here, victim, api))
            # More calls than the aansluiting has places and waiting room: what is over is refused at once.
            await until(lambda: sum(one.done() for one in hanging) >= 160 - 128)
            refused = [one.result() for one in hanging if one.done()]
            assert {(one.status, one.code) for one in refused} == {(503, "teDruk")}
            for _ in range(3):
                assert_served(await call_all(caller, gateway.url, others))
            # Who waited in vain is refused after a while; the 32 that RvIG lets hang still hang.
            assert 32 <= sum(one.done() for one in hanging) <= 128
            gateway.kill()
            await asyncio.gather(*hanging)


def _has_begun(here: World, victim: Member, api: str) -> bool:
    seen = here.simulator.seen.tokens() if api == "token" else here.seen()
    return victim.account.client_id in {one.client_id for one in seen}


async def test_others_are_served_while_one_tenant_bursts(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        victim, *others = await here.add_members(5)
        async with here.gateways(1) as (gateway,):
            burst = [asyncio.create_task(caller.call(gateway.url, victim, unique_question())) for _ in range(400)]
            assert_served(await call_all(caller, gateway.url, others))
            statuses = {one.status for one in await asyncio.gather(*burst)}
        await check_ledgers(here, caller)
    assert statuses <= {200, 429, 503}
    assert 200 in statuses
    assert statuses - {200}


async def test_others_are_served_while_the_credentials_of_one_tenant_fail(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        victim, *others = await here.add_members(5)
        here.simulator.afnemers.change(victim.account.client_id, client_secret="een ander")
        async with here.gateways(1) as (gateway,):
            failing = asyncio.gather(*(caller.call(gateway.url, victim, unique_question()) for _ in range(60)))
            assert_served(await call_all(caller, gateway.url, others))
            failed = await failing
    assert {(one.status, one.place) for one in failed} == {(502, "token")}
    # However many wanted a token, RvIG was asked once, and is left alone for a while.
    asked = [one for one in here.simulator.seen.tokens() if one.client_id == victim.account.client_id]
    assert len(asked) == 1
