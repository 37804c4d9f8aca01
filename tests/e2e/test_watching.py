"""What is wrong at RvIG, and where the time of a call goes, can be seen from the watchers' port."""

import re

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.e2e.ledgers import Caller, unique_question, until
from tests.world import GatewayProcess, world

BREAKS = FaultRule(FaultKind.RESET, Match(api="personen"), times=1)


def status_of(status: int) -> FaultRule:
    return FaultRule(FaultKind.STATUS, Match(api="personen"), times=1, status=status)


async def scrape(caller: Caller, gateway: GatewayProcess) -> dict[str, float]:
    """Series, with their labels as they stand there, to values."""
    async with caller.session.get(f"http://127.0.0.1:{gateway.watch}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def only(found: dict[str, float], name: str) -> dict[str, float]:
    """The series of one name, by the last of their labels."""
    return {re.findall(r'"([^"]*)"', one)[-1]: value for one, value in found.items() if one.startswith(f"{name}{{")}


async def test_what_rvig_answers_and_which_steps_took_the_time_are_seen(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateways(1) as (gateway,):
            told = []
            for rule in (None, status_of(500), status_of(503), status_of(429), BREAKS):
                if rule is not None:
                    here.simulator.faults.add(rule)
                told.append((await caller.call(gateway.url, member, unique_question())).status)
            found = await scrape(caller, gateway)
    assert told[:4] == [200, 500, 503, 429]
    assert only(found, "koppelpunt_rvig_answers_total") == {"2xx": 1, "5xx": 2, "429": 1, "geen": 1}
    # A call that RvIG did not answer took its steps too.
    steps = only(found, "koppelpunt_step_seconds_count")
    assert steps == {"queue": 5, "token": 5, "open": 5, "send": 5, "close": 5}
    assert only(found, "koppelpunt_call_seconds_count") == {"beantwoord": 4, "mislukt": 1}


async def test_an_aansluiting_that_gets_no_token_is_seen_beside_those_that_do(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        dead, well = await here.add_members(2)
        match = Match(api="token", client_id=dead.account.client_id)
        here.simulator.faults.add(FaultRule(FaultKind.STATUS, match, status=500))
        found: dict[str, float] = {}
        async with here.gateways(1) as (gateway,):
            assert (await caller.call(gateway.url, well, unique_question())).status == 200

            async def is_told() -> bool:
                assert (await caller.call(gateway.url, dead, unique_question())).status == 503
                found.update(await scrape(caller, gateway))
                return bool(only(found, "koppelpunt_aansluitingen_without_token"))

            await until(is_told)
    assert only(found, "koppelpunt_aansluitingen_without_token") == {str(dead.tenant_id): 1}
    # The time of a step that failed is counted, and no step that was not taken.
    steps = only(found, "koppelpunt_step_seconds_count")
    assert steps["token"] >= 3
    assert steps["open"] == 1
