"""How often a machtiging may be used: a rate in this process, and a day's quota that is exact over all of them."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from gateway.errors import RegisterUnavailable, TooMany
from gateway.quota import Quotas
from tenants.callers import create_machtigingen, withdraw_machtiging
from tenants.model import Machtiging
from tenants.scope import tenant_scope
from tests import values
from tests.doelbinding.asking import machtiging as with_terms
from tests.worlds import World, machtiging

NOWHERE = "postgresql://127.0.0.1:1/nowhere"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def count(quotas: Quotas, of: Machtiging, calls: int) -> int:
    """How many of these calls are let through."""
    let_through = 0
    for _ in range(calls):
        try:
            await quotas.take(of)
        except TooMany:
            continue
        let_through += 1
    return let_through


async def test_a_machtiging_without_limits_takes_nothing_and_keeps_nothing():
    quotas = Quotas(NOWHERE)
    assert await count(quotas, values.machtiging(1), 50) == 50
    assert await count(quotas, with_terms({"personen": {}}, {"user": True}), 50) == 50
    assert len(quotas) == 0


async def test_a_rate_lets_through_as_many_a_second_and_says_how_long_to_wait():
    clock = Clock()
    quotas, limited = Quotas(NOWHERE, clock), with_terms({"personen": {}}, {"rate": 5})
    assert await count(quotas, limited, 20) == 5
    with pytest.raises(TooMany) as caught:
        await quotas.take(limited)
    assert (caught.value.code, caught.value.retry_after) == ("teVeelPerSeconde", 1)
    clock.now += 0.5
    assert await count(quotas, limited, 20) == 2
    clock.now += 60
    assert await count(quotas, limited, 20) == 5


async def test_a_rate_below_one_a_second_lets_one_through_at_a_time():
    clock = Clock()
    quotas, limited = Quotas(NOWHERE, clock), with_terms({"personen": {}}, {"rate": 0.1})
    assert await count(quotas, limited, 3) == 1
    with pytest.raises(TooMany) as caught:
        await quotas.take(limited)
    assert caught.value.retry_after == 10
    clock.now += 10
    assert await count(quotas, limited, 3) == 1


async def test_one_machtigings_rate_is_not_another_ones():
    quotas = Quotas(NOWHERE, Clock())
    one = with_terms({"personen": {}}, {"rate": 1})
    other = with_terms({"personen": {}}, {"rate": 1}, machtiging_id=2)
    assert await count(quotas, one, 3) == await count(quotas, other, 3) == 1


async def test_buckets_that_are_full_again_are_forgotten_when_there_are_many():
    clock = Clock()
    quotas = Quotas(NOWHERE, clock)
    for number in range(10_000):
        await quotas.take(with_terms({"personen": {}}, {"rate": 1}, machtiging_id=number))
    clock.now += 5
    await quotas.take(with_terms({"personen": {}}, {"rate": 1}, machtiging_id=10_000))
    assert len(quotas) == 1


async def limited(registrar: asyncpg.Connection, registered: World, quota: int) -> Machtiging:
    """Register a machtiging with a daily quota; return it as a gateway knows it."""
    made = machtiging(registered.aansluiting_id, (registered.tenant_id, registered.taaksysteem_id))
    made = type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"conditions": {"daily_quota": quota}})
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        (number,) = await create_machtigingen(registrar, registered.tenant_id, [made])
    terms: Any = {"tenant_id": registered.tenant_id, "machtiging_id": number}
    return with_terms({"personen": {}}, {"daily_quota": quota}, **terms)


@pytest.mark.parametrize("quota", [1, 7, 49, 50, 51, 500])
async def test_several_processes_together_let_through_the_quota_and_not_one_more(
    database, registrar, registered, quota: int
):
    of = await limited(registrar, registered, quota)
    processes = [Quotas(database.url("gateway")) for _ in range(3)]
    # One after the other over all of them, so that each has a part in hand; then each until nobody gets any more.
    let_through = sum([await count(processes[n % 3], of, 1) for n in range(quota)])
    assert let_through <= quota
    let_through += sum([await count(process, of, quota) for process in processes])
    assert let_through == quota
    with pytest.raises(TooMany) as caught:
        await processes[0].take(of)
    assert caught.value.code == "dagquotumBereikt"
    assert 0 < (caught.value.retry_after or 0) <= 25 * 3600
    for process in processes:
        await process.close()


async def test_calls_at_once_take_no_more_than_the_quota(database, registrar, registered):
    of = await limited(registrar, registered, 100)
    processes = [Quotas(database.url("gateway")) for _ in range(2)]
    counted = await asyncio.gather(*(count(processes[n % 2], of, 1) for n in range(300)))
    assert sum(counted) + sum([await count(process, of, 100) for process in processes]) == 100
    for process in processes:
        await process.close()


async def test_parts_are_asked_for_seldom(database, registrar, registered):
    of = await limited(registrar, registered, 10_000)
    quotas = Quotas(database.url("gateway"))
    assert await count(quotas, of, 200) == 200
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        assert await registrar.fetchval("SELECT taken FROM registry.quota_day") == 200
    await quotas.close()


async def test_what_a_lost_process_had_in_hand_is_lost_and_never_given_twice(database, registrar, registered):
    of = await limited(registrar, registered, 100)
    lost, other = Quotas(database.url("gateway")), Quotas(database.url("gateway"))
    await lost.take(of)
    await lost.close()
    assert await count(other, of, 200) == 98
    await other.close()


async def test_a_new_day_begins_a_new_quota_at_midnight_in_the_netherlands(database, registrar, registered):
    of = await limited(registrar, registered, 3)
    clock = Clock()
    quotas = Quotas(database.url("gateway"), clock)
    assert await count(quotas, of, 5) == 3
    admin = await asyncpg.connect(database.url("admin"))
    day, seconds = await admin.fetchrow(
        "SELECT q.day, extract(epoch FROM (q.day + 1)::timestamp AT TIME ZONE 'Europe/Amsterdam' - now())::float "
        "FROM registry.quota_day q"
    )
    assert day == await admin.fetchval("SELECT (now() AT TIME ZONE 'Europe/Amsterdam')::date")
    clock.now += seconds - 5
    assert await count(quotas, of, 5) == 0
    # It is tomorrow: here by the clock, in PostgreSQL by a row of yesterday.
    await admin.execute("UPDATE registry.quota_day SET day = day - 1")
    await admin.close()
    clock.now += 10
    assert await count(quotas, of, 5) == 3
    await quotas.close()


async def test_a_changed_quota_holds_at_once_and_what_was_taken_stays_taken(database, registrar, registered):
    of = await limited(registrar, registered, 10)
    quotas = Quotas(database.url("gateway"))
    assert await count(quotas, of, 8) == 8
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        await registrar.execute(
            """UPDATE registry.machtiging SET conditions = '{"daily_quota": 9}' WHERE machtiging_id = $1""",
            of.machtiging_id,
        )
    changed = with_terms(
        {"personen": {}}, {"daily_quota": 9}, tenant_id=of.tenant_id, machtiging_id=of.machtiging_id, version=2
    )
    assert await count(quotas, changed, 5) == 1
    await quotas.close()


async def test_a_quota_that_is_gone_is_left_to_the_opening_statement(database, registrar, registered):
    of = await limited(registrar, registered, 1)
    async with tenant_scope(registrar, registered.tenant_id, actor="beheerder"):
        await withdraw_machtiging(registrar, registered.tenant_id, of.machtiging_id)
    quotas = Quotas(database.url("gateway"))
    assert await count(quotas, of, 3) == 3
    await quotas.close()


async def test_without_postgresql_nothing_is_handed_out():
    quotas = Quotas(NOWHERE)
    of = with_terms({"personen": {}}, {"daily_quota": 10})
    began = time.monotonic()
    with pytest.raises(RegisterUnavailable) as caught:
        await quotas.take(of)
    assert (caught.value.code, caught.value.sent) == ("quotumOnbekend", False)
    assert time.monotonic() - began < 4
    await quotas.close()


async def test_a_held_row_of_one_machtiging_holds_up_no_other(database, registrar, registered):
    held, free = [await limited(registrar, registered, 10) for _ in range(2)]
    quotas = Quotas(database.url("gateway"))
    await quotas.take(held)
    admin = await asyncpg.connect(database.url("admin"))
    async with admin.transaction():
        await admin.execute("SELECT FROM registry.quota_day WHERE machtiging_id = $1 FOR UPDATE", held.machtiging_id)
        waiting = asyncio.create_task(count(quotas, held, 1))
        await asyncio.wait_for(quotas.take(free), 1.5)
        assert not waiting.done()
        with pytest.raises(RegisterUnavailable):
            await waiting
    await admin.close()
    await quotas.close()


async def test_the_gateway_can_take_and_neither_read_nor_change_what_was_taken(database):
    connection = await asyncpg.connect(database.url("gateway"))
    for statement in ("SELECT * FROM registry.quota_day", "UPDATE registry.quota_day SET taken = 0"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await connection.fetch("SELECT * FROM registry.take_quota(1, 1)") == []
    await connection.close()
