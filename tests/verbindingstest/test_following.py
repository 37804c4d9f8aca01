"""What is followed line by line ends as a whole answer, whatever becomes of what it follows."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.api.following import Pace, Seen, follow
from tenants.api.watching import Look, Watching
from tenants.faults import NotFound

AT_ONCE = Pace(every=0.0, silence=60.0, longest=60.0)
WAITING = {"toestand": "gevraagd"}


async def lines(looks: Iterator[Seen | Exception], pace: Pace = AT_ONCE) -> list[Any]:
    async def look() -> Seen:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    return [json.loads(line) async for line in follow(look, pace)]


def always(seen: Seen) -> Iterator[Seen | Exception]:
    while True:
        yield seen


async def test_how_it_stands_is_told_once_at_the_beginning_and_then_what_is_new():
    looks = [Seen(WAITING, [], False)] * 3 + [
        Seen(WAITING, [{"stap": 1}, {"stap": 2}], False),
        Seen(WAITING, [{"klaar": 1}], True),
    ]
    assert await lines(iter(looks)) == [WAITING, {"stap": 1}, {"stap": 2}, {"klaar": 1}]


async def test_a_silence_is_broken_by_how_it_stands():
    looks = [Seen(WAITING, [], False)] * 4 + [Seen(WAITING, [{"klaar": 1}], True)]
    assert await lines(iter(looks), Pace(every=0.002, silence=0.0)) == [WAITING] * 4 + [{"klaar": 1}]


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), NotFound("999990019"), ConnectionResetError("999990019")])
async def test_what_cannot_be_followed_any_more_is_said_in_the_last_line(error: Exception):
    first, last = await lines(iter([Seen(WAITING, [], False), error]))
    assert (first, last["probleem"]["code"]) == (WAITING, "nietTeVolgen")
    assert "999990019" not in json.dumps(last)


async def test_what_takes_too_long_is_said_in_the_last_line():
    async with asyncio.timeout(10):
        found = await lines(always(Seen(WAITING, [], False)), Pace(every=0.0, silence=60.0, longest=0.01))
    assert found[0] == WAITING
    assert found[-1]["probleem"]["code"] == "nogNietKlaar"


def watched(states: list[Seen], looks: list[tuple[int, bool]]) -> Look:
    async def look(known: int, gives_up: bool) -> Seen:
        looks.append((known, gives_up))
        await asyncio.sleep(0)
        return states[min(len(looks), len(states)) - 1]

    return look


async def test_however_many_follow_one_thing_the_database_is_asked_once_for_all():
    first, last = Seen(WAITING, [{"stap": 1}, {"stap": 2}], False), Seen(WAITING, [{"klaar": 1}], True)
    looks: list[tuple[int, bool]] = []
    watching, look = Watching(), watched([first, last], looks)

    async def hear() -> list[Any]:
        return [json.loads(line) async for line in watching.follow((1, 7), look, Pace(every=0.05))]

    heard = await asyncio.gather(*(hear() for _ in range(8)))
    assert heard == [[{"stap": 1}, {"stap": 2}, {"klaar": 1}]] * 8
    # What nobody does any more is given up at the first look, and not at each.
    assert looks == [(0, True), (2, False)]
    # Who comes when all have gone looks anew.
    looks.clear()
    assert await hear() == heard[0]


async def test_a_tenant_has_so_many_followers_and_no_more_and_another_has_its_own():
    watching, ended = Watching(most=2), asyncio.Event()

    async def look(known: int, gives_up: bool) -> Seen:
        return Seen(WAITING, [{"klaar": 1}] if ended.is_set() else [], ended.is_set())

    streams = [watching.follow((1, number), look, Pace(every=0.01)) for number in (7, 8)]
    for one in streams:
        assert json.loads(await anext(one)) == WAITING
    assert watching.is_full(1)
    (refused,) = [json.loads(line) async for line in watching.follow((1, 9), look, Pace())]
    assert refused["probleem"]["code"] == "teVeelVolgers"
    assert not watching.is_full(2)
    # Who goes away makes room.
    await streams[0].aclose()
    assert not watching.is_full(1)
    ended.set()
    assert [json.loads(line) async for line in streams[1]] == [{"klaar": 1}]
    assert not watching.is_full(1)


async def test_a_look_that_fails_is_told_to_whom_it_failed_and_the_others_go_on():
    failing = [True]

    async def look(known: int, gives_up: bool) -> Seen:
        await asyncio.sleep(0)
        if failing.pop() if failing else False:
            raise OSError
        return Seen(WAITING, [{"klaar": 1}], True)

    watching = Watching()

    async def hear() -> list[Any]:
        return [json.loads(line) async for line in watching.follow((1, 7), look, Pace(every=0.0))]

    first, second = await asyncio.gather(hear(), hear())
    assert first[-1]["probleem"]["code"] == "nietTeVolgen"
    assert second == [{"klaar": 1}]
