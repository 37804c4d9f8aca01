"""Whom RvIG has shut out is recognised wherever it says so, left alone on every replica, and asked again with care."""

import asyncio

import asyncpg
import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tenants.model import RvigStand
from tenants.rvig_stand import find_stand, lift_stand
from tenants.scope import tenant_scope
from tests.e2e.ledgers import Called, Caller, unique_question, until
from tests.world import Member, World

BLOCKED = FaultRule(FaultKind.ANSWER, Match(api="personen"), status=401, body=b'{"code":"AUTH-F002","status":401}')


@pytest.fixture
async def admin(database):
    connection = await asyncpg.connect(database.url("admin"))
    yield connection
    await connection.close()


async def stand_of(here: World, member: Member) -> RvigStand | None:
    async with tenant_scope(here.tenants, member.tenant_id, actor="test"):
        return await find_stand(here.tenants, member.tenant_id, member.aansluiting_id)


async def stands(here: World, member: Member, *, exists: bool = True) -> None:
    async def has() -> bool:
        return (await stand_of(here, member) is not None) is exists

    await until(has)
    # The registry in memory hears of it a moment later.
    await asyncio.sleep(0.3)


async def call(caller: Caller, url: str, member: Member) -> Called:
    return await caller.call(url, member, unique_question())


def code(called: Called) -> str | None:
    return called.document.get("code") if called.body else None


async def test_a_block_that_an_api_tells_stops_every_replica_at_the_first_word(here, member, caller):
    here.simulator.faults.add(BLOCKED)
    async with here.gateway(instance="een") as one, here.gateway(instance="twee") as two:
        first = await call(caller, one, member)
        assert (first.status, code(first)) == (502, "accountGeblokkeerd")
        await stands(here, member)
        asked = len(here.seen())
        for url in (one, two) * 5:
            called = await call(caller, url, member)
            assert (called.status, code(called)) == (502, "accountGeblokkeerd")
            assert 1 <= int(called.headers["retry-after"]) <= 60
        assert len(here.seen()) == asked == 1
    stand = await stand_of(here, member)
    assert stand is not None
    assert (stand.kind, stand.place, stand.status, stand.code) == ("accountGeblokkeerd", "api", 401, "AUTH-F002")


async def test_when_its_time_has_come_one_careful_call_goes_and_ends_the_block(here, member, caller, admin):
    number = here.simulator.faults.add(BLOCKED)
    async with here.gateway(instance="een") as url:
        await call(caller, url, member)
        await stands(here, member)
        # A careful call that is refused too: twice as long.
        await admin.execute("UPDATE registry.rvig_stand SET probe_at = now() - interval '1 s'")
    async with here.gateway(instance="twee") as url:
        asked = len(here.seen())
        done = await asyncio.gather(*(call(caller, url, member) for _ in range(10)))
        assert {code(one) for one in done} == {"accountGeblokkeerd"}
        assert len(here.seen()) == asked + 1
        assert await admin.fetchval("SELECT rest_seconds FROM registry.rvig_stand") == 120
        await admin.execute("UPDATE registry.rvig_stand SET probe_at = now() - interval '1 s'")
    here.simulator.faults.remove(number)
    async with here.gateway(instance="drie") as url:
        assert (await call(caller, url, member)).status == 200
        await stands(here, member, exists=False)
        assert (await call(caller, url, member)).status == 200
    actions = await admin.fetch("SELECT action FROM registry.wijziging WHERE object = 'rvig_stand' ORDER BY number")
    assert [row["action"] for row in actions] == ["insert", "delete"]


async def test_the_tenant_may_say_that_rvig_lifted_it(here, member, caller):
    number = here.simulator.faults.add(BLOCKED)
    async with here.gateway() as url:
        await call(caller, url, member)
        await stands(here, member)
        here.simulator.faults.remove(number)
        await asyncio.sleep(0)
        assert (await call(caller, url, member)).status == 502
        async with tenant_scope(here.tenants, member.tenant_id, actor="beheerder/1"):
            await lift_stand(here.tenants, member.tenant_id, member.aansluiting_id)

        async def works() -> bool:
            await asyncio.sleep(0.2)
            return (await call(caller, url, member)).status == 200

        await until(works, 20)


async def test_one_refused_identity_is_no_block_and_three_in_a_row_are(here, member, caller):
    refused = FaultRule(FaultKind.REVOKED_OIN, Match(api="personen"), times=2)
    async with here.gateway() as url:
        for _ in range(2):
            here.simulator.faults.add(refused)
            assert [(await call(caller, url, member)).status for _ in range(3)] == [502, 502, 200]
        assert await stand_of(here, member) is None
        here.simulator.faults.add(FaultRule(FaultKind.REVOKED_OIN, Match(api="personen")))
        codes = [code(await call(caller, url, member)) for _ in range(6)]
        assert codes == ["tokenGeweigerd"] * 2 + ["toegangGeweigerd"] * 4
        await stands(here, member)


async def test_a_neighbour_is_not_shut_out_with_it(here, member, caller):
    other = await here.add_member()
    rule = FaultRule(
        FaultKind.ANSWER, Match(api="personen", client_id=member.account.client_id), status=403, body=BLOCKED.body
    )
    here.simulator.faults.add(rule)
    async with here.gateway() as url:
        assert code(await call(caller, url, member)) == "accountGeblokkeerd"
        assert (await call(caller, url, other)).status == 200


async def test_a_test_that_succeeds_ends_the_block(here, member, caller, tester):
    number = here.simulator.faults.add(BLOCKED)
    async with here.gateway() as url:
        await call(caller, url, member)
        await stands(here, member)
        test, steps = await tester.run(member)
        assert test.state == "mislukt"
        assert "geblokkeerd" in steps[-1].detail
        here.simulator.faults.remove(number)
        test, _ = await tester.run(member)
        assert test.state == "geslaagd"
        await stands(here, member, exists=False)
        assert (await call(caller, url, member)).status == 200


async def test_a_block_at_the_token_endpoint_is_shared_too(here, member, caller):
    body = b'{"error":"invalid_client","code":"BBA-AUTH-F002"}'
    here.simulator.faults.add(FaultRule(FaultKind.ANSWER, Match(api="token"), status=401, body=body))
    async with here.gateway(instance="een") as one, here.gateway(instance="twee") as two:
        assert code(await call(caller, one, member)) == "accountGeblokkeerd"
        await stands(here, member)
        asked = len(here.simulator.seen.tokens())
        assert code(await call(caller, two, member)) == "accountGeblokkeerd"
        assert len(here.simulator.seen.tokens()) == asked
    stand = await stand_of(here, member)
    assert stand is not None
    assert stand.place == "token"
