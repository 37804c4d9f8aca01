"""What is wrong at RvIG, and where the time of a call goes, can be seen from the watchers' port."""

import asyncio
import re
import socket

import aiohttp

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.e2e.ledgers import Caller, unique_question, until
from tests.register.wire import wire_to
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


async def test_a_gateway_that_begins_without_database_is_alive_and_serves_when_it_is_there(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here, wire_to(database.url("gateway")) as wire:
        member = await here.add_member()
        await wire.go_away()
        with socket.create_server(("127.0.0.1", 0)) as held:
            watch = f"127.0.0.1:{held.getsockname()[1]}"
        starting = asyncio.create_task(here.start_gateway("late", database_url=wire.url, metrics_bind=watch))

        async def waits() -> bool:
            try:
                async with caller.session.get(f"http://{watch}/ready") as answer:
                    said = await answer.json()
                    return bool(answer.status == 503 and said["reasons"] == {"database": "databaseUnreachable"})
            except aiohttp.ClientConnectorError:
                return False

        await until(waits, 60)
        async with caller.session.get(f"http://{watch}/live") as answer:
            assert answer.status == 200
        assert 'koppelpunt_ready{check="database"} 0.0' in await text_of(caller, f"http://{watch}/metrics")
        await wire.listen()
        gateway = await starting
        try:
            assert (await caller.call(gateway.url, member, unique_question())).status == 200
            assert 'koppelpunt_ready{check="register productie"} 1.0' in await text_of(
                caller, f"http://{watch}/metrics"
            )
        finally:
            assert await gateway.stop() == 0
        assert "Traceback" not in gateway.output.read_text()


async def text_of(caller: Caller, url: str) -> str:
    async with caller.session.get(url) as answer:
        return await answer.text()
