"""One tenant hangs, gets no tokens and calls twenty times its limit, all at once: of the others nobody is refused and nobody waits.

Counted in calls and places, never in seconds: what hangs here hangs until the test lets it go.
"""

import asyncio
import re
from collections import Counter
from importlib.resources import files

import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tenants.rate_limits import add_rate_limit
from tenants.scope import tenant_scope
from tests.e2e.ledgers import Called, Caller, read_register, unique_question, until
from tests.world import GatewayProcess, Member, World, world

PLACES = 32
"""Of an aansluiting at RvIG (the catalogue's `concurrency`)."""
WAITING = 100
"""More than may wait for a place of one aansluiting, and with those that hang more than the worker has in the second case."""
BURST, TIMES = 4, 20
OTHERS, ROUNDS = 5, 4


async def standing(caller: Caller, gateway: GatewayProcess, name: str) -> float:
    """A number of the gateway's own metrics."""
    async with caller.session.get(f"http://127.0.0.1:{gateway.watch}/metrics") as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


async def misbehave(here: World) -> tuple[Member, Member, Member]:
    """Three aansluitingen of one tenant: one that RvIG lets hang, one without tokens, and one with a limit that is soon used up."""
    hanging = await here.add_member()
    failing, limited = await here.add_beside(hanging), await here.add_beside(hanging)
    async with tenant_scope(here.tenants, limited.tenant_id, actor="operator"):
        await add_rate_limit(here.tenants, limited.tenant_id, limited.taaksysteem_id, 0.001, BURST)
    here.simulator.faults.add(FaultRule(FaultKind.HANG, Match(api="personen", client_id=hanging.account.client_id)))
    token = Match(api="token", client_id=failing.account.client_id)
    here.simulator.faults.add(FaultRule(FaultKind.STATUS, token, status=500))
    return hanging, failing, limited


def patient_catalogue() -> str:
    """RvIG's own, by which a call waits longer for its answer than this test takes."""
    text = (files("gateway") / "catalogue.toml").read_text()
    line = 'resource_server = "ResourceServer01"\n'
    assert line in text
    return text.replace(line, f"{line}answer_timeout = 600.0\n")


def told(called: list[Called]) -> Counter[tuple[int | None, str]]:
    return Counter((one.status, "" if one.status == 200 else one.code) for one in called)


# Enough for all; and so few that what hangs holds most of them.
@pytest.mark.parametrize("places", [1024, 120])
async def test_of_the_others_nobody_is_refused_and_nobody_waits_behind_what_hangs(database, tmp_path, caller, places):
    async with world(database, tmp_path / "world", catalogue=patient_catalogue()) as here:
        hanging, failing, limited = misbehaving = await misbehave(here)
        assert len({one.tenant_id for one in misbehaving}) == 1
        others = await here.add_members(OTHERS)
        async with here.gateways(1, calls_at_once=str(places), calls_per_tenant=str(places)) as (gateway,):

            def call(member: Member) -> asyncio.Task[Called]:
                return asyncio.create_task(caller.call(gateway.url, member, unique_question()))

            stuck = [call(hanging) for _ in range(PLACES)]
            await until(lambda: len(here.seen()) == PLACES, 60)
            # Those for whom there is no place any more, beside those that RvIG lets hang.
            waiting = [call(hanging) for _ in range(WAITING)]
            await until(lambda: any(one.done() for one in waiting), 60)
            noise = [call(one) for _ in range(BURST * TIMES) for one in (failing, limited)]
            served: list[Called] = []
            for _ in range(ROUNDS):
                served += await asyncio.gather(*(call(one) for one in others))
            assert not any(one.done() for one in stuck)
            running = await standing(caller, gateway, "koppelpunt_calls_running")
            await asyncio.gather(*waiting, *noise)
            assert not any(one.done() for one in stuck)
            # Nothing of what was refused holds a place: those that hang hold theirs, and no others.
            await until(lambda: all(one.done() for one in [*waiting, *noise]), 60)
            left = await standing(caller, gateway, "koppelpunt_calls_running")
            rows = await read_register(database)
            gateway.kill()
            await asyncio.gather(*stuck)
    assert told(served) == {(200, ""): OTHERS * ROUNDS}
    assert PLACES <= running <= places
    assert left == PLACES
    assert told([one.result() for one in waiting]).keys() <= {(503, "teDruk"), (429, "teVeelTegelijk")}
    by_member = {
        one.number: told([t.result() for t in noise if t.result().member is one]) for one in (failing, limited)
    }
    assert all(status in {429, 502, 503} for status, _ in by_member[failing.number])
    over = by_member[limited.number]
    assert over[200, ""] <= BURST
    assert over[429, "limietBereikt"] >= BURST * (TIMES - 1)
    # Of what was over the limit few are in the register, however many they were; of the others every call.
    assert sum(row.refusal == "limietBereikt" for row in rows) <= 6
    assert sum(row.status == 200 and row.tenant_id != hanging.tenant_id for row in rows) == OTHERS * ROUNDS
