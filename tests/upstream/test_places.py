"""Every aansluiting has its own places and its own breaker, and nobody waits without end."""

import asyncio
from dataclasses import dataclass

import pytest

from gateway.errors import UpstreamUnavailable
from gateway.places import Limits, Places

HERE, THERE = (1, 1), (2, 2)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def places(clock):
    return Places(Limits(queue=2, wait=0.1, failures=3, rest=8.0, longest_rest=20.0), clock=clock, jitter=lambda: 0.5)


async def refused(places: Places, key: tuple[int, int] = HERE, limit: int = 1) -> UpstreamUnavailable:
    with pytest.raises(UpstreamUnavailable) as caught:
        async with places.reserve(key, limit):
            pass
    assert not caught.value.sent
    return caught.value


async def test_no_more_than_the_limit_are_in_their_place_at_once(places):
    inside = most = 0

    async def call() -> None:
        nonlocal inside, most
        async with places.reserve(HERE, 3):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(call() for _ in range(5)))
    assert most == 3


async def test_a_full_queue_is_refused_at_once(places):
    async with places.reserve(HERE, 1):
        waiting = [asyncio.create_task(refused(places)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await refused(places)).code == "teDruk"
        assert [one.code for one in await asyncio.gather(*waiting)] == ["teDruk", "teDruk"]


async def test_a_neighbour_finds_its_places_free(places):
    async with places.reserve(HERE, 1), places.reserve(THERE, 1):
        assert (await refused(places)).code == "teDruk"


async def test_waiters_get_their_places_in_order_and_none_is_lost(places):
    order: list[int] = []

    async def call(number: int) -> None:
        async with places.reserve(HERE, 1):
            order.append(number)

    async with places.reserve(HERE, 1):
        calls = [asyncio.create_task(call(number)) for number in range(2)]
        await asyncio.sleep(0)
    await asyncio.gather(*calls)
    assert order == [0, 1]
    async with places.reserve(HERE, 1):
        pass


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_cancelled_waiter_leaves_its_place_to_others(places, handed_over):
    async with places.reserve(HERE, 1):
        waiting = asyncio.create_task(refused(places))
        await asyncio.sleep(0)
        if not handed_over:
            waiting.cancel()
            await asyncio.wait([waiting])
    if handed_over:
        waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(0.05), places.reserve(HERE, 1):
        pass


async def test_so_many_failures_in_a_row_break_the_circuit_of_one_aansluiting(places):
    for _ in range(3):
        async with places.reserve(HERE, 1):
            places.note(HERE, reached=False)
    error = await refused(places)
    assert (error.code, error.retry_after) == ("onderbroken", 8)
    async with places.reserve(THERE, 1):
        pass


async def test_an_answer_between_failures_keeps_the_circuit_closed(places):
    for _ in range(5):
        places.note(HERE, reached=False)
        places.note(HERE, reached=False)
        places.note(HERE, reached=True)
    async with places.reserve(HERE, 1):
        pass


async def break_circuit(places: Places, clock: Clock) -> None:
    for _ in range(3):
        places.note(HERE, reached=False)
    clock.now += 8.0


async def test_after_the_rest_one_probe_goes_and_its_answer_opens_the_way(places, clock):
    await break_circuit(places, clock)
    async with places.reserve(HERE, 9):
        assert (await refused(places, limit=9)).code == "onderbroken"
        places.note(HERE, reached=True)
        async with places.reserve(HERE, 9):
            pass


async def test_a_probe_that_fails_doubles_the_rest_up_to_its_longest(places, clock):
    await break_circuit(places, clock)
    for rest in (16, 20, 20):
        async with places.reserve(HERE, 1):
            places.note(HERE, reached=False)
        assert (await refused(places)).retry_after == rest
        clock.now += rest


async def test_a_probe_without_a_verdict_leaves_the_next_to_be_the_probe(places, clock):
    await break_circuit(places, clock)
    async with places.reserve(HERE, 1):
        pass
    async with places.reserve(HERE, 1):
        assert (await refused(places)).code == "onderbroken"


async def test_who_waited_when_the_circuit_broke_is_refused_and_gives_the_place_back(places, clock):
    async with places.reserve(HERE, 1):
        waiting = asyncio.create_task(refused(places))
        await asyncio.sleep(0)
        for _ in range(3):
            places.note(HERE, reached=False)
    assert (await waiting).code == "onderbroken"
    clock.now += 8.0
    async with asyncio.timeout(0.05), places.reserve(HERE, 1):
        pass
